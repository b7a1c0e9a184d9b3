"""What either side can tell apart reaches it unchanged: bytes in, the same bytes out."""

from __future__ import annotations

import pytest

from tests.relay.conftest import OK, Lab, Peer, serve

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

REQUESTS = {
    "raw path and query": b"GET /a%2Fb/../c//d;x=1?q=%20+&&=%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "order, case, duplicates, empty": b"GET / HTTP/1.1\r\nhOsT: a\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nX-Empty:\r\nX-Blank: \t \r\n\r\n",
    "not ASCII": b"GET /\xc3\xa9\xff HTTP/1.1\r\nHost: a\r\nX-Name: caf\xc3\xa9 \xff\r\n\r\n",
    "absolute target": b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "unusual method": b"GET!x / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "no headers": b"GET / HTTP/1.0\r\n\r\n",
    "HTTP/1.0 with keep-alive": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "hop by hop": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-a\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n\r\n",
    "forwarded": b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\nVia: 1.1 x\r\nForwarded: for=1\r\n\r\n",
    "a body on GET": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
    "chunks, extensions": b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n003;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "long value": b"GET / HTTP/1.1\r\nHost: a\r\nCookie: " + b"c" * 30_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_request_reaches_both_versions_as_it_was_sent(lab: Lab, request_: bytes) -> None:
    primary, candidate = lab.version(), lab.version()
    setup = lab.mirror(primary, candidate, unsafe=True)

    assert setup.exchange(request_) == OK
    setup.seen("candidate")

    assert primary.requests == [request_]
    assert candidate.requests == [request_]


def test_a_request_in_single_bytes_arrives_whole(lab: Lab) -> None:
    primary, candidate = lab.version(), lab.version()
    setup = lab.mirror(primary, candidate)
    request = b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    peer = setup.caller()
    for byte in request:
        peer.send(bytes([byte]))
    assert peer.read(len(OK)) == OK
    setup.seen("candidate")

    assert primary.requests == candidate.requests == [request]


ANSWERS = {
    "order, case, duplicates, empty, not ASCII": (
        b"HTTP/1.1 200 Sch\xf6n\r\nx-B: 1\r\nX-a: \xff\r\nX-B:2\r\nX-E:\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 1\r\n\r\nx"
    ),
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "an empty reason": b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    "an unknown status": b"HTTP/1.1 799 What\r\nContent-Length: 0\r\n\r\n",
    "chunks, extensions, trailers": (
        b'HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n5;e="q"\r\nhello\r\n00\r\nX-T: 1\r\nX-T: 2\r\n\r\n'
    ),
    "chunks of one byte": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n" + b"1\r\na\r\n" * 300 + b"0\r\n\r\n",
    "content coding": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
    "204": b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
    "204 with a length": b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    "205": b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
    "304 with a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: x\r\n\r\n",
    "103 before": b"HTTP/1.1 103 Hint\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Hint\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "to the end of the connection": b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nuntil the end",
    "HTTP/1.0 kept alive": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    "a large body": b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"0123456789" * 300_000,
}


def once(answer: bytes) -> object:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(answer)

    return script


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_reaches_the_caller_as_it_was_sent(lab: Lab, answer: bytes) -> None:
    setup = lab.mirror(lab.version(once(answer)), lab.version(once(answer)))  # type: ignore[arg-type]

    peer = setup.caller()
    peer.send(GET)
    assert peer.read_to_end() == answer

    primary, candidate = setup.seen("primary")[0].exchange, setup.seen("candidate")[0].exchange
    assert primary.problem == candidate.problem == ""
    assert primary.response is not None
    assert primary.response == candidate.response
    assert not primary.truncated


@pytest.mark.parametrize("answer", [value for key, value in ANSWERS.items() if "large" not in key and "one byte" not in key])
def test_an_answer_in_single_bytes_is_the_same_answer(lab: Lab, answer: bytes) -> None:
    def drip(peer: Peer) -> None:
        peer.request()
        for byte in answer:
            peer.send(bytes([byte]))

    setup = lab.mirror(lab.version(drip), lab.version(once(answer)))  # type: ignore[arg-type]
    peer = setup.caller()
    peer.send(GET)
    assert peer.read_to_end() == answer

    primary, candidate = setup.seen("primary")[0].exchange, setup.seen("candidate")[0].exchange
    assert primary.response is not None
    assert primary.response == candidate.response


@pytest.mark.parametrize(
    "head", [b"Content-Length: 1234\r\n", b"Transfer-Encoding: chunked\r\n", b"", b"Connection: keep-alive\r\nContent-Length: 0\r\n"]
)
def test_head_has_no_body_whatever_its_framing_says(lab: Lab, head: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n"
    setup = lab.mirror(lab.version(answer), lab.version(answer))

    peer = setup.caller()
    for _ in range(2):
        peer.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert peer.read(len(answer)) == answer

    for seen in setup.seen("primary", 2) + setup.seen("candidate", 2):
        assert seen.exchange.problem == ""
        assert seen.exchange.response is not None
        assert seen.exchange.response.body == b""


def test_what_is_recorded_is_the_content_and_its_trailers(lab: Lab) -> None:
    answer = b"HTTP/1.1 200 OK\r\nX: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n1\r\n!\r\n0\r\nX-T: \t1 \r\n\r\n"
    setup = lab.mirror(lab.version(answer), lab.version(answer), unsafe=True)

    setup.exchange(b"POST /p?q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", len(answer))

    seen = setup.seen("candidate")[0].exchange
    assert (seen.request.method, seen.request.target, seen.request.body) == ("POST", "/p?q", b"abcdef")
    assert seen.response is not None
    assert seen.response.headers == (("X", "a"), ("Transfer-Encoding", "chunked"))
    assert (seen.response.body, seen.response.trailers) == (b"hello!", (("X-T", "1"),))
    assert setup.opened()[0].request.body == b"abcdef"


def test_expect_100_continue_is_the_primarys_to_answer(lab: Lab) -> None:
    def script(peer: Peer) -> None:
        head = peer.read_until(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.send(OK if head + peer.read(4) else b"")

    setup = lab.mirror(lab.version(script), lab.version(script), unsafe=True)
    peer = setup.caller()
    peer.send(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    assert peer.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    peer.send(b"body")
    assert peer.read(len(OK)) == OK

    seen = setup.seen("candidate")[0].exchange
    assert seen.problem == ""
    assert seen.request.body == b"body"
    assert seen.response is not None
    assert seen.response.status == 200


def test_an_answer_that_comes_before_the_request_has_ended_comes_at_once(lab: Lab) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    def script(peer: Peer) -> None:
        peer.read_until(b"\r\n\r\n")
        peer.send(refusal)
        peer.read(1000)

    setup = lab.mirror(lab.version(script), lab.version(), unsafe=True)
    peer = setup.caller()
    peer.send(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome")
    assert peer.read(len(refusal)) == refusal
    peer.close()

    assert setup.seen("primary")[0].exchange.response is not None
    assert setup.seen("candidate")[0].exchange.problem == "the copy of POST /up was not sent: the caller did not send the whole request"


def test_pipelined_requests_are_answered_in_order(lab: Lab) -> None:
    def echo(request: bytes) -> bytes:
        path = request.split(b" ")[1]
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path)

    primary, candidate = lab.version(serve(echo)), lab.version(serve(echo))
    setup = lab.mirror(primary, candidate)
    peer = setup.caller()
    peer.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(10, 30)))

    answer = b"".join(echo(b"GET /%d HTTP" % number) for number in range(10, 30))
    assert peer.read(len(answer)) == answer
    assert [seen.exchange.request.target for seen in setup.seen("candidate", 20)] == [f"/{number}" for number in range(10, 30)]


def test_pipelined_requests_are_all_answered_to_a_caller_that_closes_its_half(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version())
    peer = setup.caller()
    peer.send(GET * 3)
    peer.sock.shutdown(1)
    assert peer.read_to_end() == OK * 3
    assert len(setup.seen("candidate", 3)) == 3


def test_an_empty_line_before_a_request_is_ignored(lab: Lab) -> None:
    primary = lab.version()
    setup = lab.mirror(primary, lab.version())
    assert setup.exchange(b"\r\n\r\n" + GET) == OK
    assert primary.requests == [GET]


def test_a_caller_that_closes_its_half_still_gets_its_answer(lab: Lab) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        assert peer.read_to_end() == b""  # the primary sees the half-closed connection too
        peer.send(OK)

    setup = lab.mirror(lab.version(script), lab.version())
    peer = setup.caller()
    peer.send(GET)
    peer.sock.shutdown(1)
    assert peer.read_to_end() == OK
    assert setup.seen("primary")[0].exchange.problem == ""


def test_events_come_as_they_are_sent(lab: Lab) -> None:
    turns = []

    def script(peer: Peer) -> None:
        peer.read_until(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            peer.send(b"8\r\ndata: %d\n\r\n" % number)
            turns.append(peer.read(1))  # goes on only when the caller has seen it
        peer.send(b"0\r\n\r\n")

    setup = lab.mirror(lab.version(script), lab.version())
    peer = setup.caller()
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
    peer.read_until(b"\r\n\r\n")
    for number in range(3):
        assert peer.read_until(b"\n\r\n") == b"8\r\ndata: %d\n\r\n" % number
        peer.send(b".")
    assert peer.read_until(b"0\r\n\r\n") == b"0\r\n\r\n"


def test_a_version_on_ipv6(lab: Lab) -> None:
    import socket

    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    try:
        primary = lab.version(family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 on this machine's loopback")
    setup = lab.mirror(primary, primary)
    assert setup.exchange(GET) == OK
    assert setup.seen("candidate")[0].exchange.problem == ""
