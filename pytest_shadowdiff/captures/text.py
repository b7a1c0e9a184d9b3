"""The text form `tcpdump -A` -> TCP segments. It loses bytes: what is no ASCII is a dot, and carriage returns are gone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pytest_shadowdiff.captures.segments import Endpoint, Segment

OPENING = re.compile(rb"(?:.*\n){0,40}?(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d{6} (?:\S+ +(?:In|Out|M|B|P) +)?IP6? \S+ > \S+: Flags \[")
"""By what a file in this form is known, in its first bytes."""
_PACKET = re.compile(
    r"(?:(\d{4}-\d\d-\d\d) )?(\d\d):(\d\d):(\d\d\.\d{1,9}) (?:\S+ +(?:In|Out|M|B|P) +)?(IP6?) (\S+) > (\S+): Flags \[([^\]]{1,9})\](.*)"
)
_SEQ = re.compile(r", seq (\d+)(?::(\d+))?")
_ACK = re.compile(r", ack (\d+)")
_LENGTH = re.compile(r", length (\d+)")
_OPTIONS = re.compile(r", options \[([^\]]*)\]")
_START = re.compile(r"(?:[!#$%&'*+^_`|~0-9A-Za-z-]{1,32} [^\s]{1,65536} HTTP/1\.[01]|HTTP/1\.[01] \d{3}(?: [^\n]*)?)\n")
_OPTION_BYTES = {"nop": 1, "eol": 1, "mss": 4, "wscale": 3, "sackOK": 2, "TS": 10}
_IPV4, _IPV6, _TCP = 20, 40, 20
LONGEST_LINE = 1024 * 1024


def read(path: Path, left_out: Counter[str]) -> Iterator[Segment]:
    """The TCP segments of a file in this form, in its order.

    Args:
        path: what `tcpdump -A` printed, with whatever stands around it.
        left_out: is added to: how many packets are no segment, by reason.
    """
    head: re.Match[str] | None = None
    lines: list[str] = []
    numbers = _Numbers()
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            found = _PACKET.match(line.rstrip("\r\n")) if len(line) < LONGEST_LINE else None
            if found is None:
                lines.append(line.replace("\r\n", "\n"))
                continue
            if head is not None:
                yield _segment(head, "".join(lines), numbers)
            head, lines = found, []
    if head is not None:
        yield _segment(head, "".join(lines), numbers)
    else:
        left_out["files without a packet"] += 1


@dataclass(slots=True)
class _Numbers:
    """Sequence numbers, which tcpdump prints as they are once for each connection, and then counted from there."""

    _bases: dict[tuple[str, str], int] = field(default_factory=dict)

    def relative(self, source: str, target: str, seq: int | None, ack: int | None, *, syn: bool) -> tuple[int | None, int | None]:
        """Both counted from the connection's first."""
        there, back = (source, target), (target, source)
        if there not in self._bases or (syn and ack is None):
            self._bases[there] = seq or 0
            self._bases[back] = (ack - 1) if ack else 0
            return (None if seq is None else 0), (None if ack is None else 1)
        if syn and seq is not None:
            self._bases[there] = seq
        return self._counted(seq, self._bases[there]), self._counted(ack, self._bases[back])

    @staticmethod
    def _counted(number: int | None, base: int) -> int | None:
        if number is None:
            return None
        return min(number, (number - base) % (1 << 32))


def _segment(head: re.Match[str], dump: str, numbers: _Numbers) -> Segment:
    _, hours, minutes, seconds, family, source, target, flags, rest = head.groups()
    seq, ack, length = _SEQ.search(rest), _ACK.search(rest), _LENGTH.search(rest)
    count = int(length[1][:9]) if length else 0
    payload = _payload(dump, family, rest, count) if count else ""
    place, acked = numbers.relative(source, target, int(seq[1][:12]) if seq else None, int(ack[1][:12]) if ack else None, syn="S" in flags)
    return Segment(
        time=int(hours) * 3600 + int(minutes) * 60 + float(seconds),
        source=_endpoint(source),
        target=_endpoint(target),
        seq=place,
        ack=acked,
        payload=payload.encode("utf-8", "replace"),
        syn="S" in flags,
        fin="F" in flags,
        reset="R" in flags,
        size=count,
        lossy=True,
    )


def _endpoint(text: str) -> Endpoint:
    name, _, port = text.rpartition(".")
    return name, int(port) if port.isdecimal() and len(port) < 6 else port  # noqa: PLR2004 - digits of a port


def _payload(dump: str, family: str, rest: str, count: int) -> str:
    """What follows the headers of IP and TCP, which stand there as characters too."""
    before = (_IPV6 if family == "IP6" else _IPV4) + _TCP + _options(rest)
    start = _START.search(dump, 0, before + 65536)
    at = start.start() if start and start.start() <= before else before
    return dump[at:].removesuffix("\n")[:count]


def _options(rest: str) -> int:
    found = _OPTIONS.search(rest)
    if found is None:
        return 0
    size = 0
    for option in found[1].split(","):
        name = option.split(" ")[0]
        blocks = option.count("{") if name.startswith("sack") and name != "sackOK" else 0
        size += 2 + 8 * blocks if blocks else _OPTION_BYTES.get(name, 0)
    return -(-size // 4) * 4
