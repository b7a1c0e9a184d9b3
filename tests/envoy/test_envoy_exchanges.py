"""What an Envoy of ours does to requests and answers, and what its tap says of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from pytest_shadowdiff.envoy import marks
from pytest_shadowdiff.envoy.statistics import dropped
from pytest_shadowdiff.envoy.tapstream import Wanted
from pytest_shadowdiff.model import Tls

if TYPE_CHECKING:
    from tests.envoy.conftest import Lab


def test_both_versions_get_the_request_as_it_was_sent(lab: Lab) -> None:
    lab.ask("/a?x=%zz", X_Forwarded_For="203.0.113.9, 198.51.100.1", X_Request_Id="mine", Host="shop.example:81")
    primary, candidate = lab.both()
    assert primary.exchange.request == replace(candidate.exchange.request, headers=primary.exchange.request.headers)
    assert lab.primary.heads == lab.candidate.heads
    (head,) = lab.primary.heads
    assert head.startswith("GET /a?x=%zz HTTP/1.1\r\n")
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    assert fields["host"] == "shop.example:81"
    assert fields["x-forwarded-for"] == "203.0.113.9, 198.51.100.1"
    assert fields["x-request-id"] == "mine"
    assert not {name for name in fields if name.startswith("x-envoy") or name in (marks.FORWARDED, marks.SIDE)}


def test_the_answer_keeps_its_names_and_its_server(lab: Lab) -> None:
    lab.primary.answers["/a"] = b"HTTP/1.1 203 Fine\r\nSERVER: mine\r\nX-Two: 1\r\nx-two: 2\r\nContent-Length: 0\r\n\r\n"
    response = lab.ask("/a")
    assert (response.status, response.reason) == (203, "Fine")
    named = [field for field in response.headers if field[0].lower() in ("server", "x-two")]
    assert named[:2] == [("SERVER", "mine"), ("X-Two", "1")]
    assert named[2][1] == "2"


def test_a_request_without_the_runs_mark_is_neither_copied_nor_shown(lab: Lab) -> None:
    lab.ask("/a", marked=False)
    lab.ask("/b", marked=False, X_Shadowdiff_Run="of-another-run")
    lab.ask("/c")
    assert {one.pair for one in lab.shown(2)} == {"/c"}
    assert len(lab.primary.heads) == 3
    assert len(lab.candidate.heads) == 1


@pytest.mark.parametrize("side", ["primary", "candidate"])
def test_one_version_is_asked_alone(lab: Lab, side: str) -> None:
    lab.ask("/a", X_Shadowdiff_Side=side, X_Shadowdiff_Attempt="2")
    (shown,) = lab.shown(1)
    assert (shown.listener, shown.attempt) == (side, 2)
    assert len(lab.primary.heads) + len(lab.candidate.heads) == 1


def test_a_probe_reaches_the_taps_and_no_version(lab: Lab) -> None:
    assert lab.ask("/a", X_Shadowdiff_Probe="7").status == 204
    assert [one.probe for one in lab.shown(2)] == ["7", "7"]
    assert lab.primary.heads == lab.candidate.heads == []


def test_an_answer_of_envoys_own_is_no_answer_of_the_version(lab: Lab) -> None:
    lab.candidate.answers["/a"] = b""
    lab.candidate.resets.add("/a")
    assert lab.ask("/a").status == 200
    primary, candidate = lab.both()
    assert primary.exchange.problem == ""
    assert candidate.exchange.response is None
    assert "no answer; Envoy says upstream_reset" in candidate.exchange.problem


def test_a_version_that_is_not_there_is_said_to_be_so(lab: Lab) -> None:
    lab.candidate.close()
    lab.ask("/a")
    _, candidate = lab.both()
    assert "Connection_refused" in candidate.exchange.problem
    assert dropped(lab.process.admin) == {"candidate: connections that failed": 1}


def test_the_mark_of_an_own_answer_reaches_no_caller(lab: Lab) -> None:
    lab.primary.answers["/a"] = b""
    lab.primary.ends.add("/a")
    response = lab.ask("/a")
    assert response.status == 503
    assert marks.ANSWERED not in {name.lower() for name, _ in response.headers}


@pytest.mark.parametrize(
    "answer, whole",
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", True),
    ],
    ids=["chunks", "broken-chunks", "no-chunks", "no-end", "short", "length", "empty", "204", "304", "until-close"],
)
def test_whether_an_answer_ended_is_seen(lab: Lab, answer: bytes, whole: bool) -> None:  # noqa: FBT001
    lab.candidate.answers["/a"] = answer
    lab.candidate.ends.add("/a")
    lab.ask("/a")
    _, candidate = lab.both()
    assert candidate.exchange.truncated is not whole
    assert (candidate.exchange.seconds is not None) is whole
    assert candidate.exchange.response is not None
    assert all(name != marks.END for name, _ in candidate.exchange.response.trailers)


def test_what_the_tap_cut_is_truncated(start_lab: Callable[..., Lab]) -> None:
    lab = start_lab(wanted=Wanted("r1", 1000))
    lab.candidate.answers["/a"] = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
    lab.ask("/a")
    primary, candidate = lab.both()
    assert not primary.exchange.truncated
    assert candidate.exchange.truncated
    assert candidate.exchange.response is not None
    assert len(candidate.exchange.response.body) == 1000


def test_bytes_beyond_ascii_survive(lab: Lab) -> None:
    lab.primary.answers["/a"] = b"HTTP/1.1 200 OK\r\nX-Name: caf\xc3\xa9\r\nContent-Length: 4\r\n\r\n\x00\xff\xfe\x80"
    lab.ask("/a")
    primary, _ = lab.both()
    assert primary.exchange.response is not None
    assert primary.exchange.response.body == b"\x00\xff\xfe\x80"
    assert ("x-name", "caf\xc3\xa9") in primary.exchange.response.headers


def test_prefix_host_and_headers_are_the_targets(start_lab: Callable[..., Lab]) -> None:
    lab = start_lab(
        lambda one: replace(one, prefix="/base", host_header="own.example", headers=(("X-Token", "100%"), ("Accept", "text/csv")))
    )
    lab.ask("/a//b?c", Host="shop.example", Accept="text/html")
    lab.both()
    for head in (*lab.primary.heads, *lab.candidate.heads):
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        assert head.startswith("GET /base/a//b?c ")
        assert fields["host"] == "own.example"
        assert fields["x-token"] == "100%"
        assert fields["accept"] == "text/csv"


def test_a_candidate_that_hangs_holds_up_nobody(start_lab: Callable[..., Lab]) -> None:
    lab = start_lab(configured=lambda one: replace(one, copy_connections=2))
    lab.candidate.answers["/a"] = b""
    begun = time.monotonic()
    for _ in range(40):
        assert lab.ask("/a").status == 200
    assert time.monotonic() - begun < 10
    assert len(lab.primary.heads) == 40
    assert len(lab.candidate.heads) < 10, "each of Envoy's threads may overlook what another opens at that moment"


def test_a_large_request_does_not_wait_for_a_candidate_that_does_not_read(start_lab: Callable[..., Lab]) -> None:
    lab = start_lab()
    lab.candidate.deaf = True
    reply = lab.ask("/a", body=b"x" * 8_000_000)
    assert reply.status == 200


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_to_a_version(start_lab: Callable[..., Lab], tmp_path: Path, trusted: bool) -> None:  # noqa: FBT001
    authority, other = trustme.CA(), trustme.CA()
    (authority if trusted else other).cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("shop.example")
    tls = Tls(ca=str(tmp_path / "ca.pem"), server_name="shop.example")
    lab = start_lab(lambda one: replace(one, tls=tls), certificate=certificate)
    reply = lab.ask("/a")
    _, candidate = lab.both()
    if trusted:
        assert (reply.status, reply.body) == (200, b"ok")
        assert candidate.exchange.problem == ""
    else:
        assert reply.status == 503
        assert "CERTIFICATE_VERIFY_FAILED" in candidate.exchange.problem
