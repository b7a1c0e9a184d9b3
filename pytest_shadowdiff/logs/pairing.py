"""Lines of one version's log -> the requests of a run that they are of. Pure: no file is read here.

Where a line shows our id, the id decides. Else method and path do, and order in time, which is weaker: among requests that
look alike a line is taken for one of them only where it could be no other, or where it would say the same of all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from pytest_shadowdiff.logs.formats import Line

SLACK = 2.0
"""Seconds that a log's clock may be off, its coarseness of one second included."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A request that this version has to have got.

    Attributes:
        other_ids: what else may stand for it in a log (its `x-request-id`).
    """

    pair: str
    method: str
    target: str
    started: float
    other_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """A line, and when it was read; `source` says at which of a version's places, where it has several."""

    line: Line
    at: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A line that is of a request, or why it cannot be said which line is.

    Attributes:
        attempt: 0 for the first line of an id, n for the n-th after it.
        by: what paired them: "id", or "method, path and order".
    """

    expected: Expected
    read: Read | None
    attempt: int = 0
    by: str = "id"
    problem: str = ""


@dataclass(slots=True)
class _Known:
    expected: Expected
    attempts: int = 0


@dataclass(slots=True)
class Pairing:
    """Takes requests and lines in, in the order of time, and hands out what belongs together.

    Attributes:
        prefix: what stands before each path in this version's log.
        shows_id: a line of this log has shown an id of ours, so that others without one are strangers'.
        strangers: how many lines were of no request of this run.
    """

    prefix: str = ""
    shows_id: bool = False
    strangers: int = 0
    _by_id: dict[str, _Known] = field(default_factory=dict)
    _open: dict[str, Expected] = field(default_factory=dict)
    _optional: set[str] = field(default_factory=set)
    _lines: list[Read] = field(default_factory=list)
    _tries: dict[str, int] = field(default_factory=dict)

    def expect(self, expected: Expected) -> None:
        """A request is under way."""
        known = _Known(expected)
        for name in (expected.pair, *expected.other_ids):
            if name in self._by_id and name != expected.pair:
                self._by_id[name] = _Known(expected, attempts=-1)  # of two requests: it tells nothing
            else:
                self._by_id[name] = known
        self._open[expected.pair] = expected

    def may_be_missing(self, pair: str) -> None:
        """The request is no pair, on purpose: this version may have got it, or not."""
        if pair in self._open:
            self._optional.add(pair)

    def tried(self, pair: str, times: int) -> None:
        """This version got the request so often; the last line is of the answer that counts."""
        if times > 1:
            self._tries[pair] = times

    def take(self, read: Read) -> Found | None:
        """A line was read; what its id says of it at once."""
        known = next((self._by_id[name] for name in read.line.ids if name in self._by_id), None)
        if known is None or known.attempts < 0:
            self._lines.append(read)
            return None
        self.shows_id = True
        attempt, known.attempts = known.attempts, known.attempts + 1
        self._open.pop(known.expected.pair, None)
        return Found(known.expected, read, attempt)

    def again(self) -> Iterator[Found]:
        """What lines say whose request was not known yet when they were read."""
        waiting, self._lines = self._lines, []
        for read in waiting:
            found = self.take(read)
            if found is not None:
                yield found

    def complete(self) -> bool:
        """Whether every request has a line that may be of it."""
        if self.shows_id:
            return self._open.keys() <= self._optional
        lines: dict[tuple[str, bytes], int] = defaultdict(int)
        for read in self._lines:
            lines[self._key(read.line.method, read.line.target, strip=True)] += 1
        wanted: dict[tuple[str, bytes], int] = defaultdict(int)
        for expected in self._open.values():
            if expected.pair not in self._optional:
                wanted[self._key(expected.method, expected.target)] += self._tries.get(expected.pair, 1)
        return all(lines[key] >= count for key, count in wanted.items())

    def decide(self) -> Iterator[Found]:
        """What can be said of the requests that are still open, now that nothing more is to come; they are closed by it."""
        yield from self.again()
        if not self.shows_id:
            groups: dict[tuple[str, bytes], list[Expected]] = defaultdict(list)
            for expected in self._open.values():
                groups[self._key(expected.method, expected.target)].append(expected)
            lines: dict[tuple[str, bytes], list[Read]] = defaultdict(list)
            for read in self._lines:
                lines[self._key(read.line.method, read.line.target, strip=True)].append(read)
            for key, alike in groups.items():
                yield from _by_query(sorted(alike, key=lambda expected: expected.started), lines.pop(key, []), self)
            self.strangers += sum(map(len, lines.values()))
        else:
            self.strangers += len(self._lines)
        self._lines.clear()
        self._open.clear()
        self._optional.clear()
        self._tries.clear()

    def tries(self, alike: Sequence[Expected]) -> int:
        """How many lines there are to be of these requests."""
        return sum(self._tries.get(expected.pair, 1) for expected in alike)

    def _key(self, method: str, target: str, *, strip: bool = False) -> tuple[str, bytes]:
        path = target.partition("?")[0]
        if strip and self.prefix and path.startswith(f"{self.prefix}/"):
            path = path[len(self.prefix) :]
        return method, unquote_to_bytes(path)


def _by_query(alike: Sequence[Expected], lines: Sequence[Read], pairing: Pairing) -> Iterator[Found]:
    """A log may leave queries out: they tell requests apart only where lines show them."""
    if not any("?" in read.line.target for read in lines):
        yield from _group(alike, lines, pairing)
        return
    queries: dict[bytes, list[Expected]] = defaultdict(list)
    for expected in alike:
        queries[_query(expected.target)].append(expected)
    for query, some in queries.items():
        yield from _group(some, [read for read in lines if _query(read.line.target) == query], pairing)


def _query(target: str) -> bytes:
    return unquote_to_bytes(target.partition("?")[2])


def _group(alike: Sequence[Expected], lines: Iterable[Read], pairing: Pairing) -> Iterator[Found]:
    """Requests that look alike, and the lines that look like them."""
    first = alike[0].started - SLACK
    fitting = [read for read in lines if read.at >= alike[0].started and (read.line.time is None or read.line.time >= first)]
    what = f"{alike[0].method} {pairing.prefix}{alike[0].target.partition('?')[0]}"
    if not fitting:
        return
    if len(alike) == 1 and len(fitting) == pairing.tries(alike):
        yield from (Found(alike[0], read, attempt, by=_WEAKER) for attempt, read in enumerate(fitting))
        return
    if len(fitting) != len(alike):
        problem = f"ambiguous: the log has {len(fitting)} lines of {what} for {len(alike)} requests, and no id tells them apart"
        yield from (Found(expected, None, by=_WEAKER, problem=problem) for expected in alike)
        return
    clear = len({read.line.status for read in fitting}) == 1 or all(
        read.at <= later.started for read, later in zip(fitting, alike[1:], strict=False)
    )
    for expected, read in zip(alike, fitting, strict=True):
        if clear and read.at >= expected.started:
            yield Found(expected, read, by=_WEAKER)
        else:
            problem = (
                f"ambiguous: {len(alike)} requests {what} were under way at once and got different statuses, and no id tells them apart"
            )
            yield Found(expected, None, by=_WEAKER, problem=problem)


_WEAKER = "method, path and order"
