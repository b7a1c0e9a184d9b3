"""Reading a spool, while it is written or long after."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

import msgspec

from pytest_shadowdiff.errors import SpoolError
from pytest_shadowdiff.model import Exchange, Request
from pytest_shadowdiff.spool import records as raw
from pytest_shadowdiff.spool.events import Event, Gap, Opened, Routed, Seen, Skipped
from pytest_shadowdiff.spool.http import request_of, response_of
from pytest_shadowdiff.spool.segments import PACKED, Record, Series, compress
from pytest_shadowdiff.spool.segments import opened as opened_segment

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECODE: Final = {
    kind: msgspec.msgpack.Decoder(what).decode
    for kind, what in (
        (raw.OPEN, raw.OpenRecord),
        (raw.PART, raw.PartRecord),
        (raw.REST, raw.RestRecord),
        (raw.SEEN, raw.SeenRecord),
        (raw.SKIP, raw.SkipRecord),
        (raw.EVENT_OPENED, Opened),
        (raw.EVENT_SEEN, Seen),
        (raw.EVENT_SKIPPED, Skipped),
        (raw.EVENT_GAP, Gap),
        (raw.EVENT_ROUTED, Routed),
    )
}


Finished = Literal["leave", "delete", "compress"]
_DIGITS: Final = 6  # of a segment's number, with its dot
HELD_SECONDS: Final = 2.0
"""How long an `Opened` waits for the rest of its request's body before it comes without."""


@dataclass(frozen=True, slots=True)
class _Piece:
    path: Path
    at: int
    size: int


@dataclass(slots=True)
class _Open:
    """What is remembered of a request until its last side is seen."""

    record: raw.OpenRecord
    waiting: int
    since: float
    request: Request | None = None


@dataclass(slots=True)
class _Kept:
    """Pieces of long messages that are not complete yet: their places, not their bytes."""

    pieces: dict[tuple[str, int, int], list[_Piece]] = field(default_factory=dict)
    held: dict[Path, int] = field(default_factory=dict)


def writers(directory: Path) -> list[str]:
    """The names of all that have written there so far."""
    try:
        files = [path.name.removesuffix(PACKED) for path in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted({name[: -len(raw.SUFFIX) - _DIGITS] for name in files if name.endswith(raw.SUFFIX)})


class Reader:
    """Yields what all writers of a directory have written, each writer's events in order.

    Two readers do not disturb each other, unless they delete. One reader is for one thread.

    Args:
        directory: where the writers put their segments; it need not be there yet.
        finished: what becomes of segments that have been read to their end, when another follows; they are
            compressed when nothing else is to be read.
        writer: whose segments are read; None reads those of all.
    """

    def __init__(self, directory: Path, *, finished: Finished = "leave", writer: str | None = None) -> None:
        self._directory = directory
        self._writer = writer
        self._what_becomes = finished
        self._series: dict[str, Series] = {}
        self._open: dict[str, _Open] = {}
        self._held: set[str] = set()
        self._kept = _Kept()
        self._finished: set[Path] = set()

    def events(self, *, final: bool = False) -> Iterator[Event]:
        """What is new since the last call; does not wait for more.

        A record that is only half there is read by a later call. An `Opened` comes with the whole body of its
        request, so it may come some time after the request began, but before anything else of its pair.

        Args:
            final: the writers have ended, so that no request's body is waited for.

        Raises:
            SpoolError: a segment is damaged or of another version; it names file and byte.
        """
        idle = True
        for series in self._all():
            for record in series.records():
                if isinstance(record, Path):
                    self._finished.add(record)
                else:
                    idle = False
                    yield from self._events_of(record)
        self._tidy(idle=idle)
        if self._held:
            late = time.monotonic() - (0.0 if final else HELD_SECONDS)
            for pair in [pair for pair in self._held if self._open[pair].since <= late]:
                yield self._opened(pair, self._open[pair], b"")

    def _all(self) -> list[Series]:
        names = writers(self._directory) if self._writer is None else [self._writer]
        for name in names:
            if name not in self._series:
                self._series[name] = Series(self._directory, name)
        return list(self._series.values())

    def _events_of(self, record: Record) -> Iterator[Event]:
        try:
            what = _DECODE[record.kind](record.payload)
        except (KeyError, msgspec.MsgspecError) as error:
            message = f"{record.path} holds a record that cannot be read before byte {record.end} (kind {record.kind}): {error}"
            raise SpoolError(message) from error
        if isinstance(what, raw.SeenRecord):
            yield from self._on_seen(what)
        elif isinstance(what, raw.OpenRecord):
            yield from self._on_open(what)
        elif isinstance(what, raw.SkipRecord):
            yield from self._on_skip(what)
        elif isinstance(what, raw.RestRecord):
            yield from self._on_rest(what)
        elif isinstance(what, raw.PartRecord):
            self._on_part(what, record)
        else:
            yield cast("Event", what)

    def _on_open(self, what: raw.OpenRecord) -> Iterator[Event]:
        opened = _Open(what, what.own, time.monotonic())
        if what.own or what.more:
            self._open[what.pair] = opened
        if what.more:
            self._held.add(what.pair)
        else:
            yield self._opened(what.pair, opened, b"")

    def _on_part(self, what: raw.PartRecord, record: Record) -> None:
        size = len(what.wire)
        self._kept.pieces.setdefault((what.pair, what.stream, what.attempt), []).append(_Piece(record.path, record.end - size, size))
        self._kept.held[record.path] = self._kept.held.get(record.path, 0) + 1

    def _on_rest(self, what: raw.RestRecord) -> Iterator[Event]:
        opened = self._open.get(what.pair)
        if opened is None:
            return
        if opened.request is None:
            yield self._opened(what.pair, opened, what.wire)
        else:  # it could not wait; what the sides received is whole all the same
            opened.request = self._whole_request(what.pair, opened.record, what.wire, last=True)

    def _on_seen(self, what: raw.SeenRecord) -> Iterator[Event]:
        opened = self._open.get(what.pair)
        if opened is not None and opened.request is None:
            yield self._opened(what.pair, opened, b"")
        wire = self._whole(what.pair, what.role, what.attempt, what.wire)
        exchange = Exchange(
            request=self._request(what, opened.request if opened else None),
            response=response_of(wire, what.framing),
            started=what.started,
            seconds=what.seconds,
            problem=what.problem,
            truncated=what.truncated,
        )
        if opened is not None and not what.attempt:
            self._seen(what.pair, opened, 1 << what.role)
        yield Seen(what.pair, raw.ROLES[what.role], what.attempt, exchange)

    def _on_skip(self, what: raw.SkipRecord) -> Iterator[Event]:
        opened = self._open.pop(what.pair, None)
        if opened is not None and opened.request is None:
            yield self._opened(what.pair, opened, b"")
        for key in [key for key in self._kept.pieces if key[0] == what.pair]:
            self._let_go(self._kept.pieces.pop(key))
        yield Skipped(what.pair, what.reason)

    def _opened(self, pair: str, opened: _Open, rest: bytes) -> Opened:
        record = opened.record
        late = pair in self._held and not rest
        self._held.discard(pair)
        opened.request = request = self._whole_request(pair, record, rest, last=not late)
        if not opened.waiting:
            self._open.pop(pair, None)
        owed = tuple([role for bit, role in enumerate(raw.ROLES) if record.owed >> bit & 1])
        return Opened(pair, record.test, request, record.started, owed)

    def _whole_request(self, pair: str, record: raw.OpenRecord, rest: bytes, *, last: bool) -> Request:
        wire = self._whole(pair, raw.REQUEST, 0, rest, first=record.wire)
        record.wire = b"" if last else wire
        return request_of(wire, record.framing)

    def _request(self, what: raw.SeenRecord, opened: Request | None) -> Request:
        if what.form == raw.AS_OPENED:
            return opened or Request("", "")
        request = request_of(what.request, what.request_framing if what.form == raw.WHOLE else raw.NONE)
        if what.form == raw.NEW_HEAD and opened is not None:
            return Request(request.method, request.target, request.headers, opened.body, opened.trailers, request.http_version)
        return request

    def _seen(self, pair: str, opened: _Open, bit: int) -> None:
        opened.waiting &= ~bit
        if not opened.waiting:
            self._open.pop(pair, None)

    def _whole(self, pair: str, stream: int, attempt: int, last: bytes, first: bytes = b"") -> bytes:
        pieces = self._kept.pieces.pop((pair, stream, attempt), None)
        if pieces is None:
            return first + last if first else last
        parts = [first]
        for piece in pieces:
            with opened_segment(piece.path) as file:
                file.seek(piece.at)
                parts.append(file.read(piece.size))
        self._let_go(pieces)
        return b"".join([*parts, last])

    def _let_go(self, pieces: list[_Piece]) -> None:
        for piece in pieces:
            self._kept.held[piece.path] -= 1
            if not self._kept.held[piece.path]:
                del self._kept.held[piece.path]

    def _tidy(self, *, idle: bool) -> None:
        if self._what_becomes == "leave":
            self._finished.clear()
        for path in [path for path in self._finished if path not in self._kept.held]:
            if self._what_becomes == "delete":
                path.unlink(missing_ok=True)
            elif idle and path.exists():
                compress(path)
            else:
                continue
            self._finished.discard(path)
