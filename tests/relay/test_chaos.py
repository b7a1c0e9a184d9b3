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
from pytest_shadowdiff.spool import Event, Opened, Seen, Skipped
from tests.relay.conftest import Lab, Peer, Setup

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


def accounted(events: list[Event]) -> bool:
    """Each request that was opened was skipped once, or was seen once on each side."""
    skipped = Counter(event.pair for event in events if isinstance(event, Skipped))
    seen = Counter((event.pair, event.role) for event in events if isinstance(event, Seen))
    assert all(count == 1 for count in [*skipped.values(), *seen.values()])
    opened = [event.pair for event in events if isinstance(event, Opened)]
    assert len(set(opened)) == len(opened)
    return all(skipped[pair] or (seen[pair, "primary"] and seen[pair, "candidate"]) for pair in opened)


def storm(lab: Lab, seconds: float, seed: int) -> list[Event]:
    bounds = RelayLimits(queue=40, connections=8, spool=32 * 1024**3)
    setup = lab.mirror(lab.version(by_path, "v1"), lab.version(any_way, "v2"), unsafe=True, timeout=1.0, bounds=bounds)
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
    assert wrong == []
    assert setup.relay.failure() is None
    setup.relay.settle("t")
    return setup.events(accounted)


def test_a_storm_in_short(lab: Lab) -> None:
    events = storm(lab, 3.0, seed=1)
    kinds = Counter(type(event).__name__ for event in events)
    assert kinds["Opened"] > 20
    assert kinds["Skipped"] > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_storm(lab: Lab) -> None:
    storm(lab, float(os.environ.get("SHADOWDIFF_TEST_STORM_SECONDS", "10")), seed=int(time.time()))
