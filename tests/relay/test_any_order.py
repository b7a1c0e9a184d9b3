"""Whatever happens, in whatever order: nothing is raised, nothing stays behind, and each request is accounted for once.

Callers, primary and candidate are played by what hypothesis generates; the clock is its own.
"""

# ruff: noqa: SLF001  # what must not stay behind stands in private places
from __future__ import annotations

import heapq
import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_shadowdiff.model import Upstream
from pytest_shadowdiff.relay.caller import Caller
from pytest_shadowdiff.relay.entry import Entry
from pytest_shadowdiff.relay.limits import RelayLimits
from pytest_shadowdiff.relay.messages import Plan
from pytest_shadowdiff.relay.primary import Primary
from pytest_shadowdiff.relay.routing import Routing
from pytest_shadowdiff.relay.server import Server
from pytest_shadowdiff.spool.records import OPEN, SEEN, SKIP

REQUESTS = [
    b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /a HTTP/1.0\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
    b"body",
    b"PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"2\r\nhi\r\n",
    b"0\r\n\r\n",
    b"GET /d HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\n",
    b"\x16\x03\x01",
    b"GET /e HTT",
    b"P/1.1\r\n\r\n",
    b"X: \n",
    b"b" * 70_000,
]
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",
    b"body",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n",
    b"z" * 300_000,
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 2",
    b"\0\1\2",
]
OWN = (b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain", b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain")

Step = tuple[str, Any]

STEP = st.one_of(
    st.sampled_from(REQUESTS).map(lambda data: ("asks", data)),
    st.sampled_from(ANSWERS).map(lambda data: ("answers", data)),
    st.sampled_from([("leaves", False), ("leaves", True), ("closes half", False), ("breaks off", False), ("breaks off", True)]),
    st.sampled_from([("closes half too", False), ("refuses", False), ("retires", False), ("too slow", False)]),
    st.sampled_from([("stops reading", b""), ("reads on", b""), ("is full", b""), ("has room", b"")]),
    st.sampled_from(["", "reset the connection", "half"]).map(lambda how: ("candidate", how)),
    st.sampled_from([0.0, 0.06, 1.1, 3.0, 20.0]).map(lambda seconds: ("waits", seconds)),
)


GET, POST, OK = ("asks", REQUESTS[0]), [("asks", REQUESTS[2]), ("asks", REQUESTS[3])], ("answers", ANSWERS[0])
HALF, REST, SAME = ("answers", ANSWERS[1]), ("answers", ANSWERS[2]), ("candidate", "")
USUAL: list[list[Step]] = [
    [GET, OK, SAME],
    [GET, HALF],
    [REST, SAME],
    [*POST, OK, SAME],
    [*POST, OK],
    [("asks", REQUESTS[0] * 3), OK, SAME, HALF],
    [("asks", REQUESTS[4]), OK, ("asks", REQUESTS[5] + REQUESTS[6]), SAME],
    [GET, ("answers", ANSWERS[5]), *[("answers", ANSWERS[6])] * 10, SAME],
    [("asks", REQUESTS[7]), ("answers", ANSWERS[8]), ("asks", b"tunnelled"), ("answers", b"back")],
]
STEPS = st.lists(st.one_of(STEP.map(lambda step: [step]), st.sampled_from(USUAL)), min_size=1, max_size=15).map(
    lambda several: [step for steps in several for step in steps]
)


class Clock:
    """What of an event loop is needed, in time of its own."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, int, Callable[..., object], tuple[object, ...]]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, call: Callable[..., object], *given: object) -> None:
        heapq.heappush(self._due, (self._now + delay, next(self._numbers), call, given))

    def call_soon(self, call: Callable[..., object], *given: object) -> None:
        self.call_later(0.0, call, *given)

    def advance(self, seconds: float) -> None:
        until = self._now + seconds
        while self._due and self._due[0][0] <= until:
            self._now, _, call, given = heapq.heappop(self._due)
            call(*given)
        self._now = until


class Wire:
    """A transport: what is written is kept, what is closed tells its protocol in the next turn."""

    def __init__(self, clock: Clock, protocol: Any) -> None:
        self._clock = clock
        self._protocol = protocol
        self.written = b""
        self.closing = self.ended = False

    def write(self, data: bytes) -> None:
        if not self.closing:
            self.written += data

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self._clock.call_soon(self.lost, None)

    abort = close

    def lost(self, error: Exception | None) -> None:
        self.closing = True
        if not self.ended:
            self.ended = True
            self._protocol.connection_lost(error)

    def write_eof(self) -> None:
        assert not self.closing

    def can_write_eof(self) -> bool:
        return not self.closing

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        """Nothing is held back here."""

    resume_reading = pause_reading

    def get_extra_info(self, _: str) -> None:
        return None


class Candidate:
    """In the place of a `Sender`."""

    name = "candidate v2"

    def __init__(self) -> None:
        self.shots: list[Any] = []

    def send(self, shot: Any) -> None:
        self.shots.append(shot)

    def cancel(self, shot: Any) -> None:
        self.shots.remove(shot)

    def overdue(self, shot: Any) -> None:
        self.shots.remove(shot)
        shot.done("overdue")

    def answer(self, how: str) -> None:
        if not self.shots:
            return
        shot = self.shots[0]
        if how == "half":
            shot.answer.feed(ANSWERS[1] if not shot.answer.begun else b"")
            return
        del self.shots[0]
        if not how and not shot.answer.begun:
            shot.answer.feed(ANSWERS[0])
            shot.done("")
        else:
            shot.done(how or "closed the connection")


class World:
    """A relay whose other ends are played."""

    def __init__(self) -> None:
        self.clock = Clock()
        first, second = Upstream("v1", "127.0.0.1", 1), Upstream("v2", "127.0.0.1", 2)
        with tempfile.TemporaryDirectory() as place:
            plan = Plan(Routing(first, second, first, second), place, "r", 5.0, 100.0, RelayLimits(body=1_000_000, queue=6))
            self.server = Server(plan, self.clock, self._never)  # type: ignore[arg-type]
            self.server.recorder.close()
        self.server.recorder._writer = self  # type: ignore[assignment]
        self.server.connect = self._connect  # type: ignore[method-assign]
        (self.copies,) = self.server.copies
        self.candidate = self.copies._sender = Candidate()  # type: ignore[assignment]

    def begin(self) -> None:
        self.records: list[tuple[int, Any]] = []
        self.primary: Wire | None = None
        self.asked = self.answered = b""
        self.half = False
        self.entry = Entry(self.server, "t", unsafe=True)
        self.protocol = Caller(self.entry)
        self.caller = Wire(self.clock, self.protocol)
        self.protocol.connection_made(self.caller)  # type: ignore[arg-type]

    def _never(self, reason: str) -> None:
        raise AssertionError(reason)

    def _connect(self, primary: Primary) -> None:
        self.primary, self.dialed = Wire(self.clock, primary), primary
        self.connected = False
        self.answered = b""

    def put(self, kind: int, record: Any) -> None:
        """A record, as a writer takes it."""
        self.records.append((kind, record))

    def flush(self) -> None:
        """All is kept at once."""

    def step(self, what: str, how: Any) -> None:
        if what == "waits":
            self.clock.advance(how)
        elif what == "candidate":
            self.candidate.answer(how)
        elif what == "retires":
            self.entry.close()
        elif not self.caller.closing and what in {"asks", "leaves", "closes half", "too slow", "stops reading", "reads on"}:
            self._caller_does(what, how)
        elif self.primary is not None and not self.primary.closing:
            self._primary_does(what, how)

    def _caller_does(self, what: str, how: Any) -> None:
        if what == "leaves":
            self.caller.lost(ConnectionResetError() if how else None)
        elif what == "too slow":
            if self.protocol.reading_since:
                self.protocol.too_slow(1.0)
        elif what == "stops reading":
            self.protocol.pause_writing()
        elif what == "reads on":
            self.protocol.resume_writing()
        elif what == "asks" and not self.half:
            self.asked += how
            self.protocol.data_received(how)
        elif what == "closes half" and not self.half:
            self.half = True
            if not self.protocol.eof_received():
                self.caller.close()

    def _primary_does(self, what: str, how: Any) -> None:
        assert self.primary is not None
        wire, primary = self.primary, self.dialed
        if not self.connected:
            if what == "refuses":
                wire.closing = wire.ended = True
                primary.refused("the primary v1 refused the connection for")
                return
            self.connected = True
            primary.connection_made(wire)  # type: ignore[arg-type]
        if wire.closing:
            return
        if what == "answers":
            self.answered += how
            primary.data_received(how)
        elif what == "breaks off":
            wire.lost(ConnectionResetError() if how else None)
        elif what == "closes half too" and not primary.eof_received():
            wire.close()
        elif what == "is full":
            primary.pause_writing()
        elif what == "has room":
            primary.resume_writing()

    def end(self) -> None:
        if not self.caller.closing:
            self.caller.lost(None)
        self.clock.advance(1.5)
        if self.primary is not None and not self.primary.closing and self.connected:
            self.primary.lost(None)
        self.clock.advance(30.0)

    def check(self) -> None:
        sent, own = self.caller.written, min((at for one in OWN if (at := self.caller.written.find(one)) >= 0), default=None)
        assert self.answered.startswith(sent[:own])
        if self.primary is not None:
            assert self.asked.startswith(self.primary.written)
        assert self.server.busy == 0
        assert not self.entry.callers
        assert self.entry.settled.is_set()
        assert not self.copies._all
        assert not self.copies._bytes
        assert not self.copies._lanes
        assert not self.candidate.shots
        assert all(why in (["skipped"], ["seen 0", "seen 1"]) for why in self._accounts())

    def _accounts(self) -> Iterator[list[str]]:
        """What became of each pair."""
        skipped = Counter(record.pair for kind, record in self.records if kind == SKIP)
        seen = Counter((record.pair, record.role) for kind, record in self.records if kind == SEEN)
        assert all(count == 1 for count in [*skipped.values(), *seen.values()])
        for kind, record in self.records:
            if kind == OPEN:
                yield ["skipped"] if skipped[record.pair] else [f"seen {role}" for role in (0, 1) if seen[record.pair, role]]


@cache
def one_world() -> World:
    """The same for all examples: what one leaves behind, the next one finds."""
    return World()


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_nothing_is_raised_lost_or_left_behind(steps: list[Step]) -> None:
    world = one_world()
    world.begin()
    for what, how in steps:
        world.step(what, how)
    world.end()
    world.check()
