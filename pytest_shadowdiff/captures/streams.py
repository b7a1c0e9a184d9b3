"""TCP reassembly, one direction at a time: loss, retransmission, reordering, overlaps, keep-alives, captures that begin in the middle."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_shadowdiff.captures.segments import Segment

_RANGE = 1 << 32
_HALF = 1 << 31
MAX_WAITING = 16 * 1024 * 1024
"""Bytes that may wait for what is missing before them; beyond it what is missing is taken as lost."""


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream, in order.

    Attributes:
        at: their place in the stream, counted from where the capture's part of it begins.
        ack: how much of the other direction their sender had received, on the same count as `at`; None where not known.
    """

    at: int
    data: bytes
    time: float
    ack: int | None
    lossy: bool = False
    size: int = 0

    @property
    def until(self) -> int:
        """Where in the stream it ends."""
        return self.at + (self.size or len(self.data))


@dataclass(frozen=True, slots=True)
class Lost:
    """Bytes of a stream that the capture does not have."""

    at: int
    size: int


@dataclass(slots=True)
class Direction:
    """One direction of a connection.

    Attributes:
        whole: its beginning was captured.
        ended: a FIN or a reset was seen, and all before it.
    """

    whole: bool = False
    ended: bool = False
    _base: int | None = None
    _next: int = 0
    _end: int | None = None
    _waiting: dict[int, Data | Lost] = field(default_factory=dict)
    _order: list[int] = field(default_factory=list)
    _held: int = 0

    def begin(self, seq: int) -> None:
        """The connection was opened with this sequence number."""
        if self._base is None:
            self._base, self.whole = (seq + 1) % _RANGE, True

    def starts_anew(self, seq: int) -> bool:
        """Whether a SYN with this number opens another connection than this one."""
        return self._base is not None and (seq + 1) % _RANGE != self._base

    def place(self, number: int) -> int:
        """Where a sequence number stands in the stream."""
        if self._base is None:
            self._base = number
        distance = (number - self._base - self._next) % _RANGE
        return self._next + (distance - _RANGE if distance >= _HALF else distance)

    def add(self, segment: Segment, ack: int | None) -> None:
        """Take a segment in; `ack` is the place in the other direction that it acknowledges."""
        at = self._next + self._held if segment.seq is None else self.place(segment.seq + segment.syn)
        size = segment.size or len(segment.payload)
        if segment.payload:
            self._keep(Data(at, segment.payload, segment.time, ack, segment.lossy, segment.size))
        if segment.missing:
            self._keep(Lost(at + size, segment.missing))
        if segment.fin:
            self._end = at + size + segment.missing
        if segment.reset:
            self._end = self._next if self._end is None else self._end

    def _keep(self, piece: Data | Lost) -> None:
        earlier = self._waiting.get(piece.at)
        if earlier is None or (isinstance(earlier, Lost) and isinstance(piece, Data)) or _size(piece) > _size(earlier):
            if earlier is None:
                heapq.heappush(self._order, piece.at)
            self._waiting[piece.at] = piece
            self._held += _size(piece) - (_size(earlier) if earlier else 0)

    def take(self, *, final: bool = False) -> Iterator[Data | Lost]:
        """What is in order by now.

        Args:
            final: nothing more is to come, so that what is missing is lost.
        """
        while self._order:
            at = self._order[0]
            piece = self._waiting[at]
            if not final and self._held <= MAX_WAITING and (at > self._next or isinstance(piece, Lost)):
                return
            if at > self._next:
                yield Lost(self._next, at - self._next)
                self._next = at
            del self._waiting[heapq.heappop(self._order)]
            self._held -= _size(piece)
            fresh = _after(piece, self._next)
            if fresh is not None:
                self._next = fresh.at + _size(fresh)
                yield fresh
        if self._end is not None and self._next >= self._end:
            self.ended = True


def _size(piece: Data | Lost) -> int:
    return piece.until - piece.at if isinstance(piece, Data) else piece.size


def _after(piece: Data | Lost, place: int) -> Data | Lost | None:
    """The part of a piece that is not known yet."""
    known = place - piece.at
    if known <= 0:
        return piece
    if known >= _size(piece):
        return None
    if isinstance(piece, Lost):
        return Lost(place, piece.size - known)
    if piece.lossy:
        return None
    return Data(place, piece.data[known:], piece.time, piece.ack)
