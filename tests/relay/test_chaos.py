"""Everything fails at random: the caller has what the primary sent, and every request is accounted for, once."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from contextlib import suppress

import pytest

from pytest_shadowdiff.relay.limits import RelayLimits
from pytest_shadowdiff.spool import Event, Opened, Reader, Seen, Skipped
from tests.relay.conftest import PATIENCE, Lab, Peer, Setup

WHOLE = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b"x" * 20,
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"a\r\n0123456789\r\n" * 50 + b"0\r\nT: 1\r\n\r\n",
    "large": b"HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n" + b"y" * 700_000,
    "empty": b"HTTP/1.1 204 No Content\r\n\r\n",
    "end": b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
}
KINDS = [*WHOLE, "close", "reset", "half", "slow", "garbage"]


def behave(peer: Peer, kind: str) -> bool:
    """Answer in that way; whether the connection goes on."""
    if kind in WHOLE:
        peer.send(WHOLE[kind])
        return kind != "end"
    if kind == "slow":
        time.sleep(0.03)  # slowness is what is tried
        peer.send(WHOLE["length"])
        return True
    if kind == "half":
        peer.send(WHOLE["chunks"][:200])
    elif kind == "garbage":
        peer.send(b"\0\1\2 no HTTP\r\n\r\n")
    elif kind == "reset":
        peer.reset()
    return False


def by_path(peer: Peer) -> None:
    """The primary does what the path says."""
    while request := peer.request():
        if not behave(peer, request.split(b" ")[1].decode().split("/")[1]):
            return


def any_way(peer: Peer) -> None:
    """The candidate does what comes to its mind."""
    while peer.request():
        if not behave(peer, random.choice(KINDS)):
            return


def call(setup: Setup, rng: random.Random, wrong: list[str]) -> None:
    """One request on a new connection; sometimes half of it, sometimes without waiting for the answer."""
    kind, post = rng.choice(KINDS), rng.random() < 0.3
    body = b"b" * rng.choice([0, 10, 100_000])
    request = (b"POST" if post else b"GET") + f" /{kind} HTTP/1.1\r\nHost: a\r\n".encode()
    request += b"Content-Length: %d\r\n\r\n%b" % (len(body), body) if post else b"\r\n"
    peer = setup.caller()
    with suppress(ConnectionError):
        if rng.random() < 0.1:
            peer.send(request[: rng.randrange(len(request))])
            peer.close()
            return
        peer.send(request)
        if rng.random() < 0.1:
            peer.reset()
            return
        if kind in WHOLE and kind != "end":
            if peer.read(len(WHOLE[kind])) != WHOLE[kind]:
                wrong.append(kind)
        elif kind == "slow":
            if peer.read(len(WHOLE["length"])) != WHOLE["length"]:
                wrong.append(kind)
        else:
            got = peer.read_to_end()
            expected = {"end": WHOLE["end"], "half": WHOLE["chunks"][:200], "close": b"", "reset": b""}.get(kind)
            if (expected is not None and got != expected) or (kind == "garbage" and not got.startswith(b"HTTP/1.1 502 ")):
                wrong.append(kind)
    peer.close()


class Accounts(threading.Thread):
    """Reads behind the relay, as a run does, and holds what is still owed only: a storm writes more than fits into memory.

    Attributes:
        kinds: how many events of each kind there were.
        owed: by pair, the sides that are not seen yet.
        wrong: what is said of a pair that is not owed it, or not any more.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.kinds: Counter[str] = Counter()
        self.owed: dict[str, set[str]] = {}
        self.wrong: list[Event] = []
        self._reader = Reader(setup.spool, finished="delete")
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            self._read()
            self._ended.wait(0.01)

    def _read(self) -> None:
        for event in self._reader.events():
            self.kinds[type(event).__name__] += 1
            if isinstance(event, Opened) and event.pair not in self.owed:
                self.owed[event.pair] = {"primary", "candidate"}
            elif isinstance(event, Skipped) and event.pair in self.owed:
                del self.owed[event.pair]
            elif isinstance(event, Seen) and event.role in self.owed.get(event.pair, ()):
                self.owed[event.pair].discard(event.role)
                if not self.owed[event.pair]:
                    del self.owed[event.pair]
            else:
                self.wrong.append(event)

    def end(self) -> None:
        """Return when nothing is owed any more, or has not come for long."""
        until = time.monotonic() + PATIENCE
        while self.owed and time.monotonic() < until:
            time.sleep(0.05)
        self._ended.set()
        self.join()


def storm(lab: Lab, seconds: float, seed: int) -> Counter[str]:
    """How many events of each kind there were."""
    bounds = RelayLimits(queue=40, connections=8, spool=32 * 1024**3)
    setup = lab.mirror(lab.version(by_path, "v1"), lab.version(any_way, "v2"), unsafe=True, timeout=1.0, bounds=bounds)
    accounts = Accounts(setup)
    accounts.start()
    wrong: list[str] = []
    until = time.monotonic() + seconds

    def caller(number: int) -> None:
        rng = random.Random(seed * 1000 + number)
        while time.monotonic() < until:
            call(setup, rng, wrong)

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    setup.relay.settle("t")
    accounts.end()
    assert wrong == []
    assert setup.relay.failure() is None
    assert (accounts.owed, accounts.wrong) == ({}, [])
    return accounts.kinds


def test_a_storm_in_short(lab: Lab) -> None:
    kinds = storm(lab, 3.0, seed=1)
    assert kinds["Opened"] > 20
    assert kinds["Skipped"] > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_storm(lab: Lab) -> None:
    kinds = storm(lab, float(os.environ.get("SHADOWDIFF_TEST_STORM_SECONDS", "10")), seed=int(time.time()))
    print(dict(kinds))  # noqa: T201  # what a run by hand is asked for
