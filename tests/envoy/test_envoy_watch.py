"""A tap stream that goes silent, breaks or is taken: what the watch makes of it. A real Envoy, and a wire that can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_shadowdiff.envoy import watch
from pytest_shadowdiff.envoy.tapstream import TapStream, Wanted
from pytest_shadowdiff.envoy.traces import Traced
from pytest_shadowdiff.envoy.watch import Place, Watch
from pytest_shadowdiff.errors import MirrorError, SetupError

if TYPE_CHECKING:
    from tests.envoy.conftest import Lab

WANTED = Wanted("r1", 100_000)
NAMES = ("primary", "candidate")


class Wire:
    """A connection to somewhere that can go silent, or be cut."""

    def __init__(self, to: tuple[str, int]) -> None:
        self._to = to
        self.silent = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._listener.getsockname()
        return host, port

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._to)
            except OSError:
                near.close()
                continue
            self._pairs.append((near, far))
            threading.Thread(target=self._pump, args=(near, far, threading.Event()), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, self.silent), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, silent: threading.Event) -> None:
        deaf = False
        with contextlib.suppress(OSError):
            while block := source.recv(65536):
                deaf = deaf or silent.is_set()
                if not deaf:
                    sink.sendall(block)
        self._end(source, sink)

    @staticmethod
    def _end(*sockets: socket.socket) -> None:
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def cut(self) -> None:
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._end(*pair)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


class Watched:
    """A watch over a wire, and what it told."""

    def __init__(self, wire: Wire, lab: Lab) -> None:
        self.wire = wire
        self.seen: list[Traced] = []
        self.gaps: list[tuple[str, float, float, str]] = []
        self.watch = Watch(Place(wire.address, lab.process.entry, NAMES), WANTED, self.seen.append, lambda *gap: self.gaps.append(gap))


@pytest.fixture
def watched(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(watch, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(watch, "SILENCE_SECONDS", 0.4)
    monkeypatch.setattr(watch, "START_SECONDS", 1.0)
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 1.0)
    monkeypatch.setattr(watch, "REOPEN_SECONDS", 1.0)
    lab.stream.close()
    wire = Wire(lab.process.admin)
    made = Watched(wire, lab)
    yield made
    made.watch.stop()
    wire.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_was_answered_is_taken_when_it_settles(watched: Watched, lab: Lab) -> None:
    watched.watch.start()
    for number in range(50):
        lab.ask(f"/{number}")
    watched.watch.settle()
    assert len({(one.pair, one.listener) for one in watched.seen}) == 100
    assert watched.gaps == []


def test_probes_are_none_of_what_is_seen(watched: Watched) -> None:
    watched.watch.start()
    watched.watch.settle()
    assert watched.seen == []


@pytest.mark.parametrize("how", ["silent", "cut"])
def test_a_stream_that_shows_nothing_is_opened_again_and_the_gap_is_named(watched: Watched, lab: Lab, how: str) -> None:
    watched.watch.start()
    lab.ask("/before")
    watched.watch.settle()
    begun = time.time()
    if how == "silent":
        watched.wire.silent.set()
        lab.ask("/missed")
        time.sleep(0.05)
        watched.wire.silent.clear()
    else:
        watched.wire.cut()
    until(lambda: len(watched.gaps) == 2)
    watched.watch.settle()
    lab.ask("/after")
    watched.watch.settle()
    assert {gap[0] for gap in watched.gaps} == set(NAMES)
    for _, since, end, reason in watched.gaps:
        assert since <= begun + 0.1
        assert since < end
        assert "stream" in reason
    pairs = {one.pair for one in watched.seen}
    assert {"/before", "/after"} <= pairs
    assert how == "cut" or "/missed" not in pairs


def test_a_stream_that_somebody_else_has_is_an_error_that_says_so(watched: Watched, lab: Lab) -> None:
    other = TapStream(lab.process.admin, WANTED)
    with pytest.raises(SetupError, match="An attached /tap admin stream already exists"):
        watched.watch.start()
    other.close()


def test_an_envoy_that_has_ended_is_an_error_when_it_settles(watched: Watched, lab: Lab) -> None:
    watched.watch.start()
    lab.process.stop()
    with pytest.raises(MirrorError, match="did not answer POST /tap"):
        watched.watch.settle()


def test_a_listener_that_no_request_reaches_is_named(watched: Watched, lab: Lab) -> None:
    place = Place(lab.process.admin, lab.process.entry, (*NAMES, "control"))
    blind = Watch(place, WANTED, watched.seen.append, lambda *gap: watched.gaps.append(gap))
    with pytest.raises(
        SetupError, match=r"sees nothing before control: of \d+ probes that entered at 127\.0\.0\.1:\d+ with x-shadowdiff-run: r1"
    ):
        blind.start()
