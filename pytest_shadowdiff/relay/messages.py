"""What pytest's process and the relay's say to each other: MessagePack, each message after its length (u32)."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from pytest_shadowdiff.relay.limits import RelayLimits
from pytest_shadowdiff.relay.routing import Routing

SIZE: Final = struct.Struct("<I")


class Plan(msgspec.Struct, array_like=True):
    """The first message: all that a relay is made from."""

    routing: Routing
    directory: str
    run_id: str
    timeout: float
    percent: float
    limits: RelayLimits


class Open(msgspec.Struct, array_like=True, tag="open"):
    """Make an entry; answered with its URL."""

    number: int
    key: str
    unsafe: bool


class Close(msgspec.Struct, array_like=True, tag="close"):
    """End an entry."""

    number: int
    key: str


class Settle(msgspec.Struct, array_like=True, tag="settle"):
    """Answer when the spool is up to date."""

    number: int
    key: str


class Ask(msgspec.Struct, array_like=True, tag="ask"):
    """Ask again; not answered: what comes of it stands in the spool."""

    pair: str
    attempt: int
    candidate_first: bool
    head: bytes
    rest: bytes
    framing: int


class Stop(msgspec.Struct, array_like=True, tag="stop"):
    """Write what is left and end."""


class Reply(msgspec.Struct, array_like=True):
    """From the relay: the answer to a message by its number, or (number 0) that recording has ended."""

    number: int
    value: str = ""
    error: str = ""


Command = Open | Close | Settle | Ask | Stop


def framed(payload: bytes) -> bytes:
    """A payload as it goes over the channel."""
    return SIZE.pack(len(payload)) + payload


class Unframer:
    """Takes payloads out of a stream of blocks."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete by now."""
        held = self._held + data
        payloads, at = [], 0
        while len(held) - at >= SIZE.size:
            end = at + SIZE.size + int(SIZE.unpack_from(held, at)[0])
            if end > len(held):
                break
            payloads.append(held[at + SIZE.size : end])
            at = end
        self._held = held[at:]
        return payloads
