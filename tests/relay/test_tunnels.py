"""What is no HTTP/1.x request and answer is passed through, and skipped."""

from __future__ import annotations

import pytest

from tests.relay.conftest import OK, Lab, Peer

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def tunnel(answer: bytes) -> object:
    """Answers, then says everything back until the other side closes its half; then says goodbye."""

    def script(peer: Peer) -> None:
        peer.read_until(b"\r\n\r\n")
        peer.send(answer)
        peer.send(peer.seen)
        while block := peer.sock.recv(65536):
            peer.send(block)
        peer.send(b"goodbye")

    return script


CASES = {
    "WebSocket": (
        b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
        SWITCH,
        "an upgrade to websocket",
    ),
    "CONNECT": (b"CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", b"HTTP/1.1 200 Fine\r\n\r\n", "CONNECT"),
    "h2c": (
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "an upgrade to h2c",
    ),
}


@pytest.mark.parametrize("request_, answer, what", CASES.values(), ids=CASES)
def test_a_tunnel_is_passed_through_and_skipped(lab: Lab, request_: bytes, answer: bytes, what: str) -> None:
    candidate = lab.version()
    setup = lab.mirror(lab.version(tunnel(answer)), candidate, unsafe=True)  # type: ignore[arg-type]
    peer = setup.caller()
    peer.send(request_ + b"early")
    assert peer.read(len(answer) + 5) == answer + b"early"
    for word in (b"\0\xff not HTTP\r\n\r\n", b"x" * 1_000_000):
        peer.send(word)
        assert peer.read(len(word)) == word
    peer.sock.shutdown(1)
    assert peer.read_to_end() == b"goodbye"

    assert [event.reason for event in setup.skipped()] == [f"{what} is passed through, not mirrored"]
    assert candidate.connections == 0


def test_http_2_without_asking_is_passed_through(lab: Lab) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
    setup = lab.mirror(lab.version(tunnel(b"")), lab.version())  # type: ignore[arg-type]
    peer = setup.caller()
    peer.send(preface)
    assert peer.read(len(preface) - 18) == preface[18:]
    peer.close()
    assert [event.reason for event in setup.skipped()] == ["HTTP/2 is passed through, not mirrored"]


def test_an_upgrade_that_is_declined_is_an_answer_like_any(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version())
    peer = setup.caller()
    for _ in range(2):
        peer.send(CASES["h2c"][0])
        assert peer.read(len(OK)) == OK
    assert len(setup.skipped(2)) == 2
