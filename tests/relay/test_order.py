"""The candidate sees a test's requests in the order in which the caller made them."""

from __future__ import annotations

import threading
import time

from pytest_shadowdiff.relay.limits import RelayLimits
from tests.relay.conftest import OK, Lab, Peer


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def post(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi".encode()


def slow(seconds: float) -> object:
    def script(peer: Peer) -> None:
        while peer.request():
            time.sleep(seconds)
            peer.send(OK)

    return script


def paths(requests: list[bytes]) -> list[str]:
    return [request.split(b" ")[1].decode() for request in requests]


def test_one_after_the_other_stays_so_over_new_connections(lab: Lab) -> None:
    candidate = lab.version(slow(0.02))  # type: ignore[arg-type]
    setup = lab.mirror(lab.version(), candidate)
    for number in range(30):
        setup.exchange(get(f"/{number}"))
    setup.seen("candidate", 30)
    assert paths(candidate.requests) == [f"/{number}" for number in range(30)]


def test_a_read_after_a_write_waits_for_it(lab: Lab) -> None:
    done: list[str] = []

    def script(peer: Peer) -> None:
        while request := peer.request():
            if request.startswith(b"POST"):
                time.sleep(0.6)
            done.append(request.split(b" ")[1].decode())
            peer.send(OK)

    setup = lab.mirror(lab.version(), lab.version(script), unsafe=True, bounds=RelayLimits(order_seconds=0.1))
    for path in ("/1", "/2"):
        setup.exchange(post(path))
        setup.exchange(get(path + "/read"))
    assert all(not seen.exchange.problem for seen in setup.seen("candidate", 4))
    assert done == ["/1", "/1/read", "/2", "/2/read"]


def test_a_read_waits_for_reads_only_a_while(lab: Lab) -> None:
    held = threading.Event()

    def script(peer: Peer) -> None:
        while request := peer.request():
            if request.startswith(b"GET /slow"):
                held.wait(20)
            peer.send(OK)

    candidate = lab.version(script)
    setup = lab.mirror(lab.version(), candidate, bounds=RelayLimits(order_seconds=0.2))
    setup.exchange(get("/slow"))
    setup.exchange(get("/next"))
    answered = setup.seen("candidate")[0].exchange
    assert answered.request.target == "/next"
    held.set()
    setup.seen("candidate", 2)


def test_a_write_that_hangs_holds_back_what_follows_until_its_deadline(lab: Lab) -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            if request.startswith(b"POST"):
                peer.read(1)
            peer.send(OK)

    candidate = lab.version(script, "v2")
    setup = lab.mirror(lab.version(), candidate, unsafe=True, timeout=1.0, bounds=RelayLimits(order_seconds=0.05))
    setup.exchange(post("/write"))
    time.sleep(0.3)  # so that the read's own deadline comes later than the write's
    setup.exchange(get("/read"))
    write, read = setup.seen("candidate", 2)
    assert "did not come within 1 s" in write.exchange.problem
    assert not read.exchange.problem
    assert paths(candidate.requests) == ["/write", "/read"]


def test_requests_that_overlap_may_overlap_at_the_candidate(lab: Lab) -> None:
    together = threading.Barrier(3)

    def script(peer: Peer) -> None:
        while peer.request():
            together.wait(20)  # passes only when all three are there at one time
            peer.send(OK)

    gate = threading.Barrier(3)

    def primary(peer: Peer) -> None:
        while peer.request():
            gate.wait(20)
            peer.send(OK)

    setup = lab.mirror(lab.version(primary), lab.version(script))
    peers = [setup.caller() for _ in range(3)]
    for number, peer in enumerate(peers):
        peer.send(get(f"/{number}"))
    for peer in peers:
        assert peer.read(len(OK)) == OK
    assert all(not seen.exchange.problem for seen in setup.seen("candidate", 3))


def test_tests_do_not_wait_for_each_other(lab: Lab) -> None:
    held = threading.Event()

    def script(peer: Peer) -> None:
        while request := peer.request():
            if request.startswith(b"POST /slow"):
                held.wait(20)
            peer.send(OK)

    setup = lab.mirror(lab.version(), lab.version(script), unsafe=True)
    setup.exchange(post("/slow"))
    other = setup.relay.open_entry("other", unsafe=True)
    peer = setup.caller(int(other.rpartition(":")[2]))
    peer.send(post("/other"))
    assert peer.read(len(OK)) == OK
    assert setup.seen("candidate")[0].exchange.request.target == "/other"
    held.set()
