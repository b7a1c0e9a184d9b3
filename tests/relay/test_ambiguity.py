"""What can be read in two ways is refused, in both directions: request smuggling lives on it."""

from __future__ import annotations

import pytest

from tests.relay.conftest import Lab, Peer

HEAD = b"POST /p HTTP/1.1\r\nHost: a\r\n"

REQUESTS = {
    "length and chunks": (
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "both Content-Length and Transfer-Encoding",
    ),
    "two lengths": (HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "Content-Length is given twice"),
    "a list of lengths": (HEAD + b"Content-Length: 3, 3\r\n\r\nabc", "Content-Length is no plain number: '3, 3'"),
    "a sign": (HEAD + b"Content-Length: +3\r\n\r\nabc", "Content-Length is no plain number: '+3'"),
    "a negative length": (HEAD + b"Content-Length: -1\r\n\r\n", "Content-Length is no plain number: '-1'"),
    "a blank in a length": (HEAD + b"Content-Length: 1 2\r\n\r\n", "Content-Length is no plain number: '1 2'"),
    "a hexadecimal length": (HEAD + b"Content-Length: 0x3\r\n\r\nabc", "Content-Length is no plain number: '0x3'"),
    "an underscore in a length": (HEAD + b"Content-Length: 1_0\r\n\r\n", "Content-Length is no plain number: '1_0'"),
    "an empty length": (HEAD + b"Content-Length:\r\n\r\n", "Content-Length is no plain number: ''"),
    "an endless length": (HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n", "Content-Length is no plain number"),
    "an unknown coding": (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "a Transfer-Encoding other than chunked"),
    "chunked twice": (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "a Transfer-Encoding other than chunked"),
    "nearly chunked": (HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n", "a Transfer-Encoding other than chunked"),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding in HTTP/1.0"),
    "a bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", "a bare LF in the header section"),
    "one bare LF": (b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "a bare CR or LF in the header section"),
    "a bare CR": (b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", "a bare CR or LF in the header section"),
    "a bare CR in the line": (b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", "a bare CR or LF in the request line"),
    "a folded line": (b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "a folded header line (obs-fold)"),
    "a fold first": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "a folded header line (obs-fold)"),
    "a blank before the colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "a blank before the colon of 'Host'"),
    "NUL in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", "NUL in the header section"),
    "NUL in the target": (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "NUL in the request line"),
    "no name": (b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", "header line 2 is no field"),
    "no colon": (b"GET / HTTP/1.1\r\nHost\r\n\r\n", "header line 1 is no field"),
    "Connection names what framing needs": (
        HEAD + b"Connection: close, Content-Length\r\nContent-Length: 0\r\n\r\n",
        "Connection names content-length",
    ),
    "Connection names Host": (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: HOST\r\n\r\n", "Connection names host, which framing needs"),
    "two Hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", "Host is given twice"),
    "two blanks": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "no request line of HTTP/1.0 or HTTP/1.1"),
    "no version": (b"GET /\r\nHost: a\r\n\r\n", "no request line of HTTP/1.0 or HTTP/1.1"),
    "another version": (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "no request line of HTTP/1.0 or HTTP/1.1"),
    "a small version": (b"GET / http/1.1\r\nHost: a\r\n\r\n", "no request line of HTTP/1.0 or HTTP/1.1"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "it speaks TLS, and this is plain HTTP"),
    "an endless line": (b"GET /" + b"a" * 70_000, "a header section over 65536 bytes"),
    "endless headers": (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 12_000 + b"\r\n", "a header section over 65536 bytes"),
    "a bad first chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "no chunk size"),
    "a chunk size with a sign": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n", "no chunk size"),
    "a chunk size of 0x": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", "no chunk size"),
    "an endless chunk size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 20 + b"1\r\n", "no chunk size"),
    "a bare LF after a chunk size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", "a bare LF between chunks"),
    "a chunk too long": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", "a chunk is longer than its size says"),
    "a bare CR in an extension": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;\ra\r\na\r\n0\r\n\r\n", "no chunk size"),
    "a folded trailer": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n", "no trailer field"),
    "endless extension": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 5000, "a line between chunks is over 4096 bytes"),
}


@pytest.mark.parametrize("request_, reason", REQUESTS.values(), ids=REQUESTS)
def test_an_ambiguous_request_is_answered_400_recorded_and_not_sent_on(lab: Lab, request_: bytes, reason: str) -> None:
    primary, candidate = lab.version(), lab.version()
    setup = lab.mirror(primary, candidate, unsafe=True)

    peer = setup.caller()
    peer.send(request_)
    answer = peer.read_to_end()

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert reason.encode() in answer
    for role in ("primary", "candidate"):
        seen = setup.seen(role)[0].exchange
        assert seen.response is None
        assert seen.problem.startswith("the relay refused the request: ")
        assert reason in seen.problem
    assert primary.requests == candidate.requests == []
    assert primary.connections == candidate.connections == 0


def test_a_body_that_breaks_later_is_broken_off(lab: Lab) -> None:
    primary, candidate = lab.version(), lab.version()
    setup = lab.mirror(primary, candidate, unsafe=True)

    peer = setup.caller()
    peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    setup.relay.settle("t")
    peer.send(b"zz\r\n")
    assert peer.read_to_end().startswith(b"HTTP/1.1 400 ")

    assert setup.seen("primary")[0].exchange.problem == "the relay refused the body of POST /p: no chunk size where one has to be"
    assert setup.seen("candidate")[0].exchange.problem == "the copy of POST /p was not sent: the caller did not send the whole request"
    assert candidate.requests == []


ANSWERS = {
    "length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "both Content-Length and",
    ),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "Content-Length is given twice"),
    "a sign": (b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc", "Content-Length is no plain number: '+3'"),
    "an unknown coding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "a Transfer-Encoding other than chunked"),
    "a bare LF": (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "a bare LF in the header section"),
    "a folded line": (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", "a folded header line (obs-fold)"),
    "a blank before the colon": (b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", "a blank before the colon of 'Content-Length'"),
    "NUL": (b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n", "NUL in the header section"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "no status line"),
    "garbage": (b"\x00\x01\x02" * 30, "no status line"),
    "no status": (b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n", "no status line of HTTP/1.0 or HTTP/1.1"),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", "no status line of HTTP/1.0 or HTTP/1.1"),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 12_000, "a header section over 65536 bytes"),
    "endless interim answers": (b"HTTP/1.1 103 X\r\n\r\n" * 200, "more than 100 interim answers (1xx)"),
    "an upgrade nobody asked for": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "101 without being asked"),
}


@pytest.mark.parametrize("answer, reason", ANSWERS.values(), ids=ANSWERS)
def test_an_ambiguous_answer_is_refused(lab: Lab, answer: bytes, reason: str) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(answer)
        peer.read(1)

    setup = lab.mirror(lab.version(script, "v1"), lab.version(script, "v2"))
    peer = setup.caller()
    peer.send(b"GET /q?secret HTTP/1.1\r\nHost: a\r\n\r\n")
    got = peer.read_to_end()

    if "interim" not in reason:
        assert got.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    for role, name in (("primary", "v1"), ("candidate", "v2")):
        problem = setup.seen(role)[0].exchange.problem
        assert problem.startswith(f"the {role} {name} (127.0.0.1:")
        assert f") answered GET /q with what is not plain HTTP/1.1: {reason}" in problem
        assert setup.seen(role)[0].exchange.response is None


def test_chunks_that_break_break_off_for_the_caller(lab: Lab) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"

    def script(peer: Peer) -> None:
        peer.read_until(b"\r\n\r\n")
        peer.send(head)
        peer.read(1)  # until the caller has it
        peer.send(b"oops\r\n")
        peer.read(1)

    setup = lab.mirror(lab.version(script, "v1"), lab.version())
    peer = setup.caller()
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
    assert peer.read(len(head)) == head
    peer.send(b"x")
    assert peer.read_to_end() == b""

    seen = setup.seen("primary")[0].exchange
    assert "answered GET / with what is not plain HTTP/1.1: no chunk size" in seen.problem
    assert seen.truncated
    assert seen.response is not None
    assert seen.response.body == b"hello"
