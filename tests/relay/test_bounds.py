"""What can be stretched has a bound, and the bound has a name; memory stays flat in both directions."""

from __future__ import annotations

import threading
from pathlib import Path

from pytest_shadowdiff.relay.limits import RelayLimits
from pytest_shadowdiff.spool import Opened, Reader
from tests.relay.conftest import OK, Lab, Peer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BLOCK = b"x" * 1_000_000


def resident(pid: int | None) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * 4096


def test_a_full_spool_ends_the_recording_and_leaves_the_caller_alone(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version(), bounds=RelayLimits(spool=20_000))
    peer = setup.caller()
    for _ in range(200):
        peer.send(GET)
        assert peer.read(len(OK)) == OK
    setup.relay.settle("t")
    reason = setup.relay.failure()
    assert reason is not None
    assert reason.startswith(
        f"the relay (pid {setup.relay.pid}) stopped recording: The spool in {setup.spool} would grow beyond 20000 bytes (max_spool)"
    )
    events = list(Reader(setup.spool).events())
    assert 10 < sum(isinstance(event, Opened) for event in events) < 200


def test_a_header_section_that_takes_too_long_is_refused(lab: Lab) -> None:
    primary = lab.version()
    setup = lab.mirror(primary, lab.version(), bounds=RelayLimits(head_seconds=0.2))
    peer = setup.caller()
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-")
    assert b"its header section was not complete within 0.2 s (max_head_seconds)" in peer.read_to_end()
    assert primary.connections == 0
    assert "max_head_seconds" in setup.seen("primary")[0].exchange.problem


def test_too_many_connections_wait_in_line(lab: Lab) -> None:
    gate = threading.Event()
    most = [0]
    now: set[int] = set()

    def script(peer: Peer) -> None:
        while peer.request():
            now.add(id(peer))
            most[0] = max(most[0], len(now))
            gate.wait(20)
            now.discard(id(peer))
            peer.send(OK)

    setup = lab.mirror(lab.version(), lab.version(script), bounds=RelayLimits(connections=2, order_seconds=0.0))
    peers = [setup.caller() for _ in range(8)]
    for peer in peers:
        peer.send(GET)
        assert peer.read(len(OK)) == OK
    gate.set()
    assert all(not seen.exchange.problem for seen in setup.seen("candidate", 8))
    assert most[0] <= 2


def test_an_answer_of_half_a_gigabyte_takes_no_memory(lab: Lab) -> None:
    def flood(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n")
        for _ in range(500):
            peer.send(BLOCK)

    setup = lab.mirror(lab.version(flood, "v1"), lab.version(flood, "v2"), body=4_000_000)
    before = resident(setup.relay.pid)
    peer = setup.caller()
    peer.send(GET)
    peer.read_until(b"\r\n\r\n")
    left = 500_000_000 - len(peer.seen)
    most = 0
    while left:
        left -= len(peer.sock.recv(1_000_000))
        most = max(most, resident(setup.relay.pid))
    assert most - before < 40_000_000
    for role in ("primary", "candidate"):
        seen = setup.seen(role)[0].exchange
        assert "with a body over 4000000 bytes (max_body)" in seen.problem
        assert seen.response is not None
        assert len(seen.response.body) <= 4_000_000


def test_a_request_of_half_a_gigabyte_takes_no_memory(lab: Lab) -> None:
    def drain(peer: Peer) -> None:
        peer.read_until(b"\r\n\r\n")
        left = 500_000_000 - len(peer.seen)
        while left:
            left -= len(peer.sock.recv(1_000_000))
        peer.send(OK)

    setup = lab.mirror(lab.version(drain), lab.version(), body=4_000_000, unsafe=True)
    before = resident(setup.relay.pid)
    peer = setup.caller()
    peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000000\r\n\r\n")
    most = 0
    for _ in range(500):
        peer.send(BLOCK)
        most = max(most, resident(setup.relay.pid))
    assert peer.read(len(OK)) == OK
    assert most - before < 40_000_000
    assert "its body is over 4000000 bytes (max_body)" in setup.seen("candidate")[0].exchange.problem


def test_memory_stays_flat_over_many_requests(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version())
    peer = setup.caller()

    def run(count: int) -> int:
        for _ in range(count):
            peer.send(GET)
            assert peer.read(len(OK)) == OK
        return resident(setup.relay.pid)

    before = run(1_000)
    assert run(4_000) - before < 2_000_000
