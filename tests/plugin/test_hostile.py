"""Versions that refuse, reset, hang, answer garbage, half an answer, too much or a bomb: a named `incomplete`, the caller unharmed."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

BODY = b'{"n": 1}'
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
GET_X = "def test_x(shadow):\n    assert shadow.get('/x').json() == {'n': 1}\n"


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang(connection: socket.socket) -> None:
    connection.settimeout(30)
    with suppress(OSError):
        while connection.recv(1000):
            pass


def forever(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
    for _ in range(3000):
        connection.sendall(b"tick\n")
        time.sleep(0.01)


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
    piece = b"x" * 1048576
    for _ in range(1024):
        connection.sendall(piece)


def says(*pieces: bytes) -> Callable[[socket.socket], None]:
    def say(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return say


def coded(body: bytes, coding: bytes = b"gzip") -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-encoding: %s\r\ncontent-length: %d\r\n\r\n%s" % (coding, len(body), body)


@pytest.fixture
def raw() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Starts a server that reads a request's head and then does as it is told, on each connection."""
    listeners: list[socket.socket] = []

    def start(act: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    head += piece
                act(connection)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize(
    "act, words",
    [
        (reset, ["reset"]),
        (hang, ["within 1 s"]),
        (forever, ["1 s"]),
        (flood, ["16777216", "max_body"]),
        (says(b""), ["closed"]),
        (says(b"SSH-2.0-OpenSSH_9.9\r\n"), ["HTTP"]),
        (says(b"\0" * 4096), ["HTTP"]),
        (says(b"HTTP/1.1 200 OK\r\n", b"x" * 300000), ["header"]),
        (says(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"), ["middle of its answer"]),
        (says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}"), ["middle of its answer"]),
        (says(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\ncontent-length: 9\r\n\r\n" + BODY), ["content-length"]),
        (says(coded(gzip.compress(b"0" * 100_000_000))), ["inflates", "max_body"]),
        (says(coded(gzip.compress(BODY)[:-9])), ["gzip"]),
        (says(coded(b"no gzip at all")), ["gzip"]),
        (says(coded(BODY, b"rot13")), ["rot13"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_candidate_that_cannot_be_compared(project: Any, raw: Any, act: Any, words: list[str]) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.url = raw(act)
    project.tests(GET_X)
    report = project.report("--shadow-timeout=1")
    project.result.assert_outcomes(passed=1, errors=1)
    assert project.result.ret == 1
    (pair,) = report["pairs"]
    assert pair["verdict"] == "incomplete"
    for word in words:
        assert word.lower() in pair["reason"].lower()
    assert "Traceback" not in project.result.stdout.str()
    assert project.result.duration < 120


def test_a_primary_that_breaks_off_breaks_off_for_the_caller_too(project: Any, raw: Any) -> None:
    project.v1.url = raw(says(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"))
    project.v2.json("/x", {"n": 1})
    project.tests(
        "import httpx, pytest\ndef test_x(shadow):\n    with pytest.raises(httpx.RemoteProtocolError):\n        shadow.get('/x')\n"
    )
    report = project.report("--shadow-timeout=1")
    project.result.assert_outcomes(passed=1, errors=1)
    assert report["pairs"][0]["verdict"] == "incomplete"
    assert report["pairs"][0]["primary"]["truncated"] is True


def test_a_caller_that_leaves_early(project: Any, raw: Any) -> None:
    project.v1.url = raw(forever)
    project.v2.url = raw(forever)
    project.tests("""
def test_x(shadow):
    with shadow.stream("GET", "/x") as response:
        next(response.iter_bytes())
""")
    report = project.report("--shadow-timeout=1")
    project.result.assert_outcomes(passed=1)
    assert [pair["verdict"] for pair in report["pairs"]] == ["skipped"]
    assert "left" in report["pairs"][0]["reason"]
    assert project.result.ret == 1  # nothing was compared at all


def test_an_answer_that_never_ends_is_named_and_does_not_hang_the_run(project: Any, raw: Any) -> None:
    project.v1.url = raw(forever)
    project.v2.url = raw(forever)
    project.tests("""
import threading

def test_x(shadow):
    begun = threading.Event()

    def listen():
        with shadow.stream("GET", "/x") as response:
            for _ in response.iter_bytes():
                begun.set()

    threading.Thread(target=listen, daemon=True).start()
    assert begun.wait(5)
""")
    report = project.report("--shadow-timeout=1")
    assert project.result.duration < 120
    assert [pair["verdict"] for pair in report["pairs"]] in (["incomplete"], ["skipped"])


def test_the_caller_never_waits_for_the_candidate(project: Any, raw: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.url = raw(hang)
    project.tests("""
import time

def test_x(shadow):
    started = time.monotonic()
    for _ in range(20):
        assert shadow.get("/x").json() == {"n": 1}
    assert time.monotonic() - started < 20  # the candidate would make it 40
""")
    report = project.report("--shadow-timeout=2")
    project.result.assert_outcomes(passed=1, errors=1)
    assert report["summary"]["incomplete"] == 20


def test_identical_garbage_is_the_same(project: Any, raw: Any) -> None:
    answer = says(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\xff]]nul")
    project.v1.url, project.v2.url = raw(answer), raw(answer)
    project.tests("def test_x(shadow):\n    shadow.get('/x')\n")
    report = project.report()
    assert [pair["verdict"] for pair in report["pairs"]] == ["same"]


def test_no_control_character_of_a_body_reaches_the_terminal(project: Any) -> None:
    nasty = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\n"
    project.v1.json("/x", {"n": 1, nasty: nasty})
    project.v2.json("/x", {"n": 1, nasty: nasty + "!"})
    project.tests(GET_X)
    text = project.run("-vv").stdout.str()
    for character in "\x1b\x07\x9b\u202e":
        assert character not in text
    assert json.dumps("owned")[1:-1] in text
