"""Asking again: control and candidate in turn, over safe requests, results in the spool."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from pytest_shadowdiff.model import Pair
from tests.relay.conftest import OK, Lab, Peer, Setup


def pair_of(setup: Setup, number: int = 0) -> Pair:
    opened = setup.opened(number + 1)[number]
    return Pair(opened.pair, opened.test, opened.request)


def test_both_are_asked_again_with_what_each_needs(lab: Lab) -> None:
    primary, candidate = lab.version(), lab.version()
    setup = lab.mirror(primary, replace(candidate.upstream, prefix="/v2", headers=(("X-Two", "2"),)))
    request = b"GET /x?q=1 HTTP/1.1\r\nHost: a\r\nX-Name: \xff\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
    setup.exchange(request)
    setup.seen("candidate")

    setup.relay.ask(pair_of(setup), 3)

    control, again = setup.seen("control", attempt=3)[0].exchange, setup.seen("candidate", attempt=3)[0].exchange
    assert control.response is not None
    assert control.response == again.response
    assert (control.request.target, again.request.target) == ("/x?q=1", "/v2/x?q=1")
    assert control.request.body == again.request.body == b"body"
    assert primary.requests == [request] * 2
    assert candidate.requests[1] == candidate.requests[0]
    assert control.started <= again.started


def test_the_candidate_may_come_first(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version())
    setup.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    setup.relay.ask(pair_of(setup), 1, candidate_first=True)
    assert setup.seen("candidate", attempt=1)[0].exchange.started <= setup.seen("control", attempt=1)[0].exchange.started


def test_a_third_target_is_the_control(lab: Lab) -> None:
    primary, third = lab.version(), lab.version()
    setup = lab.mirror(primary, lab.version(), third)
    setup.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    setup.seen("control")
    setup.relay.ask(pair_of(setup), 1)
    setup.seen("candidate", attempt=1)
    assert (len(primary.requests), len(third.requests)) == (1, 2)


def test_problems_are_seen_too(lab: Lab) -> None:
    def once(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        peer.request()
        peer.read(1)

    nobody = lab.nobody()
    setup = lab.mirror(lab.version(once, "v1"), nobody, timeout=0.5)
    setup.exchange(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
    setup.relay.ask(pair_of(setup), 1)
    control = setup.seen("control", attempt=1)[0].exchange
    assert control.response is not None or "GET /x, asked again" in control.problem
    problem = setup.seen("candidate", attempt=1)[0].exchange.problem
    assert problem == f"the candidate v2 (127.0.0.1:{nobody.port}) refused the connection for GET /x, asked again"


def test_nobody_is_asked_while_a_caller_waits_but_only_for_a_moment(lab: Lab) -> None:
    held, arrived = threading.Event(), threading.Event()
    times: list[str] = []

    def script(peer: Peer) -> None:
        while request := peer.request():
            times.append(request.split(b" ")[1].decode())
            if request.startswith(b"GET /slow"):
                arrived.set()
                held.wait(20)
            peer.send(OK)

    setup = lab.mirror(lab.version(script), lab.version())
    setup.exchange(b"GET /fast HTTP/1.1\r\nHost: a\r\n\r\n")
    waiting = setup.caller()
    waiting.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    pair = pair_of(setup)
    assert arrived.wait(20)
    setup.relay.ask(pair, 1)
    setup.relay.settle("t")
    assert times == ["/fast", "/slow"]
    assert setup.seen("control", attempt=1)[0].exchange.response is not None  # after the moment
    held.set()


def test_many_questions_are_all_answered(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version())
    setup.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    pair = pair_of(setup)
    for attempt in range(1, 101):
        setup.relay.ask(pair, attempt)
    for attempt in range(1, 101):
        assert not setup.seen("candidate", attempt=attempt)[0].exchange.problem


def test_a_write_is_never_asked_again(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version(), unsafe=True)
    setup.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(ValueError, match="POST is not asked again: it may write"):
        setup.relay.ask(pair_of(setup), 1)
