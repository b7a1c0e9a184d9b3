"""The contract of a mirror, the same for each: see conftest.py for the mirrors and version.py for what the versions do."""

from __future__ import annotations

import json
import socket
import struct
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from pytest_shadowdiff.model import Role
    from tests.mirrors.conftest import Caller, Mirrored

SIDES: tuple[Role, Role] = ("primary", "candidate")
OURS = ("x-shadowdiff-id", "x-shadowdiff-run", "x-forwarded-proto")


def named(headers: list[tuple[str, str]], mirrored: Mirrored) -> list[tuple[str, str]]:
    """Headers as the mirror leaves them: names as the version wrote them, or small where a mesh's proxies are on the way."""
    return [(name.lower(), value) for name, value in headers] if mirrored.meshed else headers


def fields(head: str) -> dict[str, str]:
    """A request's headers, as HTTP has them: without their case, and without what is known to be the mirror's on both sides."""
    lines = (line.partition(": ") for line in head.split("\r\n")[1:])
    return {name.lower(): value for name, _, value in lines if name.lower() not in (*OURS, "connection")}


def test_the_caller_gets_the_primarys_answer(caller: Caller, mirrored: Mirrored) -> None:
    response = caller.ask("/json")
    assert response.status == 200
    assert response.body == b'{"id": 7, "name": "widget", "tags": ["a", "b"]}'
    (kept,) = named([("X-Mixed-Case", "Kept")], mirrored)
    assert kept in response.headers
    assert caller.verdicts() == ["same"]


@pytest.mark.parametrize("path", ["/plain", "/chunks", "/trailers", "/nothing", "/unchanged", "/unavailable", "/large?3000000"])
def test_every_kind_of_answer_arrives_whole_and_is_compared(caller: Caller, path: str) -> None:
    caller.ask(path)
    pair = caller.pair()
    assert str(pair.verdict) == "same", pair.reason
    assert pair.primary is not None
    assert pair.candidate is not None
    assert pair.primary.response is not None
    assert pair.candidate.response is not None
    assert pair.primary.response.body == pair.candidate.response.body
    assert pair.primary.seconds is not None
    assert pair.candidate.seconds is not None


def test_trailers_are_seen(caller: Caller, mirrored: Mirrored) -> None:
    caller.ask("/trailers")
    exchange = caller.pair().candidate
    assert exchange is not None
    assert exchange.response is not None
    trailers = [(name.lower(), value) for name, value in exchange.response.trailers]
    assert trailers == ([] if mirrored.meshed else [("x-sum", "12")])


def test_an_answer_to_head_has_no_body(caller: Caller, mirrored: Mirrored) -> None:
    response = caller.ask("/none", "HEAD")
    assert named([("Content-Length", "77")], mirrored)[0] in response.headers
    assert caller.verdicts() == ["same"]


def test_chunks_reach_the_caller_as_chunks(caller: Caller) -> None:
    answer = caller.raw(b"GET /chunks HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    assert b"transfer-encoding: chunked" in answer.lower()
    assert answer.endswith(b"0\r\n\r\n")


def test_both_versions_see_the_same_request(caller: Caller, mirrored: Mirrored) -> None:
    path = "/plain?q=%2F..%2f&Z=a+b%zz"
    caller.ask(
        path, "GET", None, Host="shop.example:81", X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https", Accept_Encoding="br", X_Odd="1"
    )
    assert caller.verdicts() == ["same"]
    ((first, _),), ((second, _),) = mirrored.seen("primary", path), mirrored.seen("candidate", path)
    assert first.split("\r\n")[0] == second.split("\r\n")[0] == f"GET {path} HTTP/1.1"
    assert fields(first) == fields(second)
    assert fields(first)["host"] == (mirrored.host if mirrored.meshed else "shop.example:81")
    assert fields(first)["x-forwarded-for"] == "203.0.113.9"
    assert fields(first)["x-odd"] == "1"


def test_the_raw_path_stays_as_it_is(caller: Caller, mirrored: Mirrored) -> None:
    path = "//a/../b//./c%2Fd;x=1?y=//"
    caller.raw(f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
    assert caller.verdicts() == ["same"]
    arrives = "//b//c%2Fd;x=1?y=//" if mirrored.meshed else path  # a mesh's proxies resolve dots
    assert len(mirrored.seen("primary", arrives)) == len(mirrored.seen("candidate", arrives)) == 1


def test_an_echo_of_the_request_is_the_same(caller: Caller) -> None:
    caller.ask("/echo")
    assert caller.verdicts() == ["same"]


def test_a_difference_is_found_and_shown_to_reproduce(caller: Caller) -> None:
    caller.ask("/v2/wrong")
    pair = caller.pair()
    assert str(pair.verdict) == "different"
    assert [(one.path, one.primary, one.candidate) for one in pair.differences] == [("$.name", "widget", "WIDGET")]
    assert pair.control is not None
    assert pair.repeats


def test_noise_is_told_by_asking_again(caller: Caller) -> None:
    caller.ask("/uuid")
    pair = caller.pair()
    assert str(pair.verdict) in ("noise", "same"), pair
    assert pair.control is not None
    assert pair.control.response is not None


@pytest.mark.parametrize("path", ["/v2/reset", "/v2/half", "/v2/broken-chunks", "/v2/hang"])
def test_a_candidate_that_does_not_answer_is_incomplete_and_never_reaches_the_caller(caller: Caller, path: str) -> None:
    begun = time.monotonic()
    response = caller.ask(path)
    assert time.monotonic() - begun < 1.0
    assert json.loads(response.body)["name"] == "widget"
    pair = caller.pair()
    assert str(pair.verdict) == "incomplete"
    assert "candidate" in pair.reason


def test_a_candidates_own_503_is_its_answer(caller: Caller) -> None:
    caller.ask("/v2/unavailable")
    pair = caller.pair()
    assert str(pair.verdict) == "different"
    assert "status" in [one.path for one in pair.differences]


def test_a_slow_candidate_does_not_delay_the_caller(caller: Caller) -> None:
    begun = time.monotonic()
    caller.ask("/v2/slow?1.2")
    assert time.monotonic() - begun < 1.2
    pair = caller.pair()
    assert str(pair.verdict) == "different", pair
    assert pair.candidate is not None
    assert pair.candidate.seconds is not None
    assert pair.candidate.seconds >= 0.7


def test_a_primary_that_breaks_off_is_incomplete(caller: Caller, mirrored: Mirrored) -> None:
    """Envoy may lose what came right before the end; that the answer is not whole, the caller sees by its length."""
    head, _, body = caller.raw(b"GET /half HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").partition(b"\r\n\r\n")
    assert (b"content-length: 100" if mirrored.meshed else b"Content-Length: 100") in head
    assert b"half".startswith(body)
    assert caller.verdicts() == ["incomplete"]


def test_a_write_is_not_copied_without_permission(caller: Caller, mirrored: Mirrored) -> None:
    path = f"/plain?{uuid4()}"
    caller.ask(path, "POST", b"body")
    assert caller.verdicts() == ["skipped"]
    assert len(mirrored.seen("primary", path)) == 1
    assert mirrored.seen("candidate", path) == []


def test_a_write_is_copied_once_with_permission_and_never_asked_again(writer: Caller, mirrored: Mirrored) -> None:
    body, path = bytes(range(256)) * 4000, f"/v2/plain?{uuid4()}"
    writer.ask(path, "PUT", body)
    pair = writer.pair()
    assert str(pair.verdict) == "different"
    assert pair.control is None
    ((_, first),), ((_, second),) = (mirrored.seen(role, path) for role in SIDES)
    assert first == second == body.decode("latin-1")


def test_a_chunked_request_arrives_whole_on_both_sides(writer: Caller, mirrored: Mirrored) -> None:
    path = f"/plain?{uuid4()}"
    head = f"POST {path} HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
    request = head + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    assert b" 200 " in writer.raw(request)[:15]
    assert writer.verdicts() == ["same"]
    assert [body for role in SIDES for _, body in mirrored.seen(role, path)] == ["abcdefg"] * 2


def test_an_upgrade_is_passed_through_and_skipped(caller: Caller, mirrored: Mirrored) -> None:
    parts = urlsplit(caller.entry.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(b"GET /upgrade HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        head = connection.recv(65536)
        assert head.startswith(b"HTTP/1.1 101 ")
        connection.sendall(b"abc")
        assert connection.recv(65536) == b"cba"
    assert caller.verdicts() == ["skipped"]
    assert mirrored.seen("candidate", "/upgrade") == []


def test_an_old_client_is_served(caller: Caller) -> None:
    answer = caller.raw(b"GET /plain HTTP/1.0\r\n\r\n")
    assert b" 200 " in answer[:15]
    assert answer.endswith(b"plain")
    assert caller.verdicts() == ["same"]


def test_a_caller_that_leaves_is_skipped(caller: Caller) -> None:
    parts = urlsplit(caller.entry.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(b"GET /slow?0.3 HTTP/1.1\r\nHost: here\r\n\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset: else it may wait, half closed
    assert caller.verdicts() == ["skipped"]


@pytest.mark.parametrize("path", ["/json", "/chunks", "/in-two?0.3", "/large?3000000"])
def test_a_caller_that_looks_at_the_status_only_is_compared(caller: Caller, path: str) -> None:
    with urllib.request.urlopen(caller.entry.url + path) as response:
        assert response.status == 200
    assert caller.verdicts() == ["same"]


def test_a_caller_that_only_waits_gets_its_answer(caller: Caller, mirrored: Mirrored) -> None:
    """Behind a proxy it cannot be told in time from one that has left, so there its pair is skipped."""
    parts = urlsplit(caller.entry.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(b"GET /slow?0.2 HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while block := connection.recv(65536):
            answer += block
    assert answer.endswith(b'{"id": 7}')
    assert caller.verdicts() == (["same"] if mirrored.mirror == "local" else ["skipped"])


def test_many_callers_at_once_and_one_wrong_answer(caller: Caller) -> None:
    def calls(worker: int) -> None:
        for number in range(20):
            path = "/v2/wrong" if (worker, number) == (17, 11) else f"/number?{worker}-{number}"
            response = caller.ask(path)
            assert worker == 17 or json.loads(response.body) == {"number": f"{worker}-{number}"}

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(calls, range(50)))
    pairs = caller.pairs()
    counts = Counter(str(pair.verdict) for pair in pairs)
    assert counts == {"same": 999, "different": 1}, {pair.reason for pair in pairs}
    assert [pair.request.target for pair in pairs if pair.differences] == ["/v2/wrong"]
    assert len({pair.id for pair in pairs}) == 1000
