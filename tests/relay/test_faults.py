"""Whatever the versions do: the caller has the primary's bytes, and the spool has a reason."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pytest_shadowdiff.relay.limits import RelayLimits
from tests.relay.conftest import OK, Lab, Peer, Script, serve

if TYPE_CHECKING:
    from collections.abc import Callable

GET = b"GET /x?secret HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"


def hang(peer: Peer) -> None:
    peer.request()
    peer.read(1)


def close(peer: Peer) -> None:
    peer.request()


def reset(peer: Peer) -> None:
    peer.request()
    peer.reset()


def half(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")


def half_then_reset(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    time.sleep(0.05)  # the bytes travel before the reset does
    peer.reset()


def half_a_chunk(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe")


def half_a_head(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Le")


def half_then_hang(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    peer.read(1)


CANDIDATES: dict[str, tuple[Script, str, bytes | None]] = {
    "hangs": (hang, "the answer of the {} to GET /x did not come within 0.5 s of the primary's", None),
    "closes": (close, "the {} closed the connection before it answered GET /x", None),
    "resets": (reset, "the {} reset the connection before it answered GET /x", None),
    "half": (half, "the {} closed the connection in the middle of its answer to GET /x", b"half"),
    "half, then resets": (half_then_reset, "the {} reset the connection in the middle of its answer to GET /x", b"half"),
    "half a chunk": (half_a_chunk, "the {} closed the connection in the middle of its answer to GET /x", b"hellohe"),
    "half a head": (half_a_head, "the {} closed the connection in the middle of its answer to GET /x", None),
    "half, then hangs": (half_then_hang, "the answer of the {} to GET /x was not complete within 0.5 s of the primary's", b"half"),
}


@pytest.mark.parametrize("script, problem, body", CANDIDATES.values(), ids=CANDIDATES)
def test_a_candidate_that_fails_is_named_and_the_caller_does_not_notice(lab: Lab, script: Script, problem: str, body: bytes | None) -> None:
    candidate = lab.version(script, "v2")
    setup = lab.mirror(lab.version(), candidate, timeout=0.5)

    peer = setup.caller()
    for _ in range(3):
        peer.send(GET)
        assert peer.read(len(OK)) == OK

    for seen in setup.seen("candidate", 3):
        assert seen.exchange.problem == problem.format(f"candidate v2 (127.0.0.1:{candidate.port})")
        assert seen.exchange.seconds is None
        if body is None:
            assert seen.exchange.response is None
        else:
            assert seen.exchange.truncated
            assert seen.exchange.response is not None
            assert seen.exchange.response.body == body
    assert all(not seen.exchange.problem for seen in setup.seen("primary", 3))


def test_a_candidate_that_refuses_is_named(lab: Lab) -> None:
    nobody = lab.nobody()
    setup = lab.mirror(lab.version(), nobody)
    peer = setup.caller()
    for _ in range(20):
        peer.send(GET)
        assert peer.read(len(OK)) == OK
    problems = {seen.exchange.problem for seen in setup.seen("candidate", 20)}
    assert problems == {f"the candidate v2 (127.0.0.1:{nobody.port}) refused the connection for GET /x"}


def test_a_candidate_that_comes_back_is_asked_again_soon(lab: Lab) -> None:
    candidate = lab.version()
    setup = lab.mirror(lab.version(), candidate)
    setup.exchange(GET)
    assert not setup.seen("candidate")[0].exchange.problem
    candidate.stop()
    setup.exchange(GET)
    assert setup.seen("candidate", 2)[1].exchange.problem


PRIMARIES: dict[str, tuple[Script, str, bytes]] = {
    "closes": (close, "closed the connection before it answered GET /x", b""),
    "resets": (reset, "reset the connection before it answered GET /x", b""),
    "half": (half, "closed the connection in the middle of its answer to GET /x", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
    "half, then resets": (
        half_then_reset,
        "reset the connection in the middle of its answer to GET /x",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    ),
    "half a chunk": (
        half_a_chunk,
        "closed the connection in the middle of its answer to GET /x",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe",
    ),
}


@pytest.mark.parametrize("script, problem, got", PRIMARIES.values(), ids=PRIMARIES)
def test_a_primary_that_breaks_off_breaks_off_for_the_caller(lab: Lab, script: Script, problem: str, got: bytes) -> None:
    primary = lab.version(script, "v1")
    setup = lab.mirror(primary, lab.version())
    peer = setup.caller()
    peer.send(GET)
    assert peer.read_to_end() == got
    assert setup.seen("primary")[0].exchange.problem == f"the primary v1 (127.0.0.1:{primary.port}) {problem}"
    assert not setup.seen("candidate")[0].exchange.problem


def test_a_primary_that_resets_resets_the_caller(lab: Lab) -> None:
    setup = lab.mirror(lab.version(reset), lab.version())
    peer = setup.caller()
    peer.send(GET)
    with pytest.raises(ConnectionResetError):
        peer.sock.recv(1)


def test_a_primary_that_refuses_is_no_answer(lab: Lab) -> None:
    nobody = lab.nobody("v1")
    setup = lab.mirror(nobody, lab.version())
    peer = setup.caller()
    peer.send(GET)
    with pytest.raises(ConnectionResetError):
        peer.sock.recv(1)
    assert setup.seen("primary")[0].exchange.problem == f"the primary v1 (127.0.0.1:{nobody.port}) refused the connection for GET /x"


def test_a_slow_candidate_does_not_slow_the_caller(lab: Lab) -> None:
    def slow(peer: Peer) -> None:
        while peer.request():
            time.sleep(0.3)  # the slowness is the point
            peer.send(OK)

    setup = lab.mirror(lab.version(), lab.version(slow))
    began = time.monotonic()
    for _ in range(10):
        assert setup.exchange(GET) == OK
    assert time.monotonic() - began < 3.0  # ten times the candidate's slowness
    assert all(not seen.exchange.problem for seen in setup.seen("candidate", 10))


def test_what_overflows_the_queue_is_named(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version(hang, "v2"), timeout=0.5, bounds=RelayLimits(queue=4))
    peer = setup.caller()
    for _ in range(6):
        peer.send(GET)
        assert peer.read(len(OK)) == OK
    problems = [seen.exchange.problem for seen in setup.seen("candidate", 6)]
    assert sum("did not come within 0.5 s" in problem or "was not sent within" in problem for problem in problems) == 4
    full = [problem for problem in problems if "queue to the candidate v2" in problem]
    assert len(full) == 2
    assert full[0].endswith("is full (4 requests (max_queue))")


def test_a_caller_that_leaves_is_skipped(lab: Lab) -> None:
    setup = lab.mirror(lab.version(hang), lab.version(hang))
    peer = setup.caller()
    peer.send(GET)
    setup.opened()
    peer.reset()
    assert [event.reason for event in setup.skipped()] == ["its caller left before the answer ended"]


def test_a_caller_that_closes_and_a_primary_that_then_does_not_answer_is_skipped(lab: Lab) -> None:
    def gives_up(peer: Peer) -> None:
        peer.request()
        peer.read_to_end()

    setup = lab.mirror(lab.version(gives_up), lab.version())
    peer = setup.caller()
    peer.send(GET)
    setup.opened()
    peer.close()
    assert [event.reason for event in setup.skipped()] == ["its caller left before the answer ended"]


@pytest.mark.parametrize("leave", [Peer.close, Peer.reset])
def test_a_caller_that_looks_at_the_status_only_is_compared(lab: Lab, leave: Callable[[Peer], None]) -> None:
    seen = threading.Event()

    def in_two(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        assert seen.wait(10)
        peer.send(b"ok")

    setup = lab.mirror(lab.version(in_two), lab.version())
    peer = setup.caller()
    peer.send(GET)
    peer.read(15)
    leave(peer)
    setup.relay.settle("t")  # the relay knows that its caller has left
    seen.set()
    (primary,) = setup.seen("primary")
    assert primary.exchange.response is not None
    assert primary.exchange.response.body == b"ok"
    assert not setup.skipped(0)


def test_a_primary_that_breaks_off_where_its_caller_does_is_compared_all_the_same(lab: Lab) -> None:
    seen = threading.Event()

    def minds(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        assert seen.wait(10)
        peer.sock.settimeout(0.0)
        with suppress(BlockingIOError):
            if peer.sock.recv(1) == b"":
                return  # as asyncio's servers do
        peer.send(b"ok")

    setup = lab.mirror(lab.version(minds), lab.version())
    peer = setup.caller()
    peer.send(GET)
    peer.read(38)
    peer.close()
    setup.relay.settle("t")
    seen.set()
    (primary,) = setup.seen("primary")
    assert not primary.exchange.problem
    assert not setup.skipped(0)


def test_a_caller_that_closes_its_half_of_a_long_answer_gets_it_and_is_skipped(lab: Lab) -> None:
    begun, rest = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", b"0\r\n\r\n"

    def until_told(peer: Peer) -> None:
        peer.request()
        peer.send(begun)
        assert peer.read_to_end() == b""
        peer.send(rest)

    setup = lab.mirror(lab.version(until_told), lab.version())
    peer = setup.caller()
    peer.send(GET)
    assert peer.read(len(begun)) == begun
    peer.sock.shutdown(1)
    assert peer.read_to_end() == rest
    assert [event.reason for event in setup.skipped()] == ["its caller closed its half of the connection before the answer ended"]


def test_a_caller_that_leaves_a_stream_without_end_is_skipped_and_its_primary_told(lab: Lab) -> None:
    told = threading.Event()

    def streams(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        with suppress(ConnectionError):
            peer.read_to_end()
        told.set()

    setup = lab.mirror(lab.version(streams), lab.version())
    peer = setup.caller()
    peer.send(GET)
    peer.read(15)
    peer.reset()
    assert [event.reason for event in setup.skipped()] == ["its caller left before the answer ended"]
    assert told.wait(10)


def test_a_caller_that_leaves_in_its_request_is_skipped(lab: Lab) -> None:
    setup = lab.mirror(lab.version(hang), lab.version(hang), unsafe=True)
    peer = setup.caller()
    peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
    setup.relay.settle("t")
    peer.reset()
    assert [event.reason for event in setup.skipped()] == ["its caller left before it had sent the whole request"]
    assert setup.opened()[0].request.body == b"half"


def test_a_body_over_the_limit_reaches_the_caller_and_is_named(lab: Lab) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + b"x" * 4_000_000
    exact = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
    setup = lab.mirror(lab.version(answer, "v1"), lab.version(answer, "v2"), body=1_000_000)
    assert setup.exchange(GET, len(answer)) == answer
    for role in ("primary", "candidate"):
        seen = setup.seen(role)[0].exchange
        assert seen.problem.endswith("answered GET /x with a body over 1000000 bytes (max_body)")
        assert seen.truncated
        assert seen.response is not None
        assert len(seen.response.body) <= 1_000_000
    setup = lab.mirror(lab.version(exact), lab.version(exact), body=1_000_000)
    assert setup.exchange(GET, len(exact)) == exact
    for role in ("primary", "candidate"):
        seen = setup.seen(role)[0].exchange
        assert not seen.problem
        assert seen.response is not None
        assert len(seen.response.body) == 1_000_000


def test_a_request_over_the_limit_reaches_the_primary_and_is_named(lab: Lab) -> None:
    primary, candidate = lab.version(), lab.version()
    setup = lab.mirror(primary, candidate, body=100_000, unsafe=True)
    request = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + b"y" * 500_000
    assert setup.exchange(request) == OK
    assert primary.requests == [request]
    assert candidate.requests == []
    assert setup.seen("candidate")[0].exchange.problem == "the copy of POST /x was not sent: its body is over 100000 bytes (max_body)"


def test_a_write_is_not_sent_twice_on_a_connection_that_ends(lab: Lab) -> None:
    def once(peer: Peer) -> None:
        peer.request()
        peer.send(OK)  # says nothing of closing, and closes

    candidate = lab.version(once, "v2")
    setup = lab.mirror(lab.version(), candidate, unsafe=True)
    peer = setup.caller()
    for number in range(1, 6):
        peer.send(POST if number % 2 else GET)
        peer.read(len(OK))
        assert not setup.seen("candidate", number)[-1].exchange.problem
    assert len(candidate.requests) == 5


def test_a_slow_caller_holds_the_primary_back(lab: Lab) -> None:
    """What the caller does not read stays at the primary: it cannot send all of 256 MB."""
    sent = [0]
    block = b"x" * 1_000_000

    def flood(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 256000000\r\n\r\n")
        for _ in range(256):
            peer.send(block)
            sent[0] += 1

    setup = lab.mirror(lab.version(flood), None)
    peer = setup.caller()
    peer.send(GET)
    before = -1
    while before != sent[0]:
        before = sent[0]
        time.sleep(0.2)  # long enough for a block, were there room for it
    assert sent[0] < 128
    total = 0
    while total < 256_000_000:
        block_ = peer.sock.recv(1_000_000)
        assert block_
        total += len(block_)


def test_the_primary_alone_records_nothing(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), None)
    assert setup.exchange(GET) == OK
    setup.relay.settle("t")
    assert setup.events(lambda _: True) == []


def test_a_primary_of_1_0_ends_the_connection(lab: Lab) -> None:
    answer = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def once(peer: Peer) -> None:
        peer.request()
        peer.send(answer)

    setup = lab.mirror(lab.version(once), lab.version(serve(answer)))
    peer = setup.caller()
    peer.send(GET)
    assert peer.read_to_end() == answer
    assert not setup.seen("candidate")[0].exchange.problem
