"""A TCP segment as a capture shows it, whatever the capture's form."""

from __future__ import annotations

from dataclasses import dataclass

Endpoint = tuple[str, int | str]
"""Address (or name) and port."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP segment.

    Attributes:
        time: Unix seconds (of the day, where the capture has no date).
        seq: of the first byte of the payload, or of the SYN; None where the capture does not show it.
        ack: what the sender has received; None where it has no ACK.
        missing: bytes of the payload that the capture did not keep (snap length).
        size: of the payload on the wire, where that is not how long it is here.
        lossy: the payload is text that has lost bytes or cannot show them (`tcpdump -A`).
    """

    time: float
    source: Endpoint
    target: Endpoint
    seq: int | None
    ack: int | None
    payload: bytes
    syn: bool = False
    fin: bool = False
    reset: bool = False
    missing: int = 0
    size: int = 0
    lossy: bool = False
