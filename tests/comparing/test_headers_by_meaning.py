"""Headers: what means the same is the same, and what does not is a difference at `header:NAME`."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256, sha512

import pytest

from pytest_shadowdiff import Difference, Response, Rule, compare

Headers = list[tuple[str, str]]
DATE = ("Date", "Tue, 01 Jan 2030 00:00:00 GMT")
LATER = ("Date", "Tue, 01 Jan 2030 00:00:10 GMT")


def paths(one: Headers, other: Headers, *rules: Rule) -> list[str]:
    return [d.path for d in compare(Response(200, one, b"x"), Response(200, other, b"x"), rules)]


@pytest.mark.parametrize(
    "one,other",
    [
        ([("X-A", "1"), ("X-B", "2")], [("x-b", "2"), ("x-a", "1")]),
        (
            [DATE, ("Connection", "keep-alive"), ("Keep-Alive", "timeout=5")],
            [("Date", "Wed, 02 Jan 2030 00:00:00 GMT"), ("Connection", "close")],
        ),
        ([("Content-Length", "1")], [("Transfer-Encoding", "chunked")]),
        ([("Connection", "x-hop"), ("X-Hop", "1")], []),
        ([("Server", "gunicorn/20")], [("Server", "gunicorn/21")]),
        ([("Vary", "Accept, Origin")], [("Vary", "origin"), ("Vary", "ACCEPT")]),
        ([("Allow", "GET, POST")], [("Allow", "POST,GET")]),
        ([("Cache-Control", "max-age=60, public")], [("cache-control", "Public,max-age=60")]),
        ([("Content-Type", 'text/plain; charset="UTF-8"')], [("Content-Type", "Text/Plain;charset=utf-8")]),
        ([("Content-Security-Policy", "default-src 'self'; img-src a b")], [("Content-Security-Policy", "img-src b a;default-src 'self'")]),
        ([("Set-Cookie", "a=1; Path=/; HttpOnly"), ("Set-Cookie", "b=2")], [("Set-Cookie", "b=2"), ("Set-Cookie", "a=1;HTTPONLY;path=/")]),
        (
            [DATE, ("Set-Cookie", "a=1; Expires=Tue, 01 Jan 2030 01:00:00 GMT")],
            [LATER, ("Set-Cookie", "a=1; Expires=Tue, 01 Jan 2030 01:00:10 GMT")],
        ),
        (
            [("Content-Security-Policy", "default-src 'none'; default-src *; img-src a")],
            [("Content-Security-Policy", "img-src a; Default-Src 'none'")],
        ),
        (
            [("Content-Security-Policy", "default-src a"), ("Content-Security-Policy", "img-src b")],
            [("Content-Security-Policy", "img-src b, default-src a;")],
        ),
        ([("Cache-Control", "no-cache, no-cache")], [("Cache-Control", "no-cache")]),
        ([("Set-Cookie", "a=1; Max-Age=60")], [("Set-Cookie", "a=1; max-age=60")]),
        ([("Set-Cookie", "a=1; Max-Age=60; Expires=garbage")], [("Set-Cookie", "a=1; Max-Age=60")]),
        ([DATE, ("Expires", "Tue, 01 Jan 2030 01:00:00 GMT")], [LATER, ("Expires", "Tue, 01 Jan 2030 01:00:09 GMT")]),
        ([("ETag", '"a"')], [("ETag", '"b"')]),
        ([("Age", "3"), ("traceparent", "00-a-b-01")], [("Age", "5"), ("traceparent", "00-c-d-01")]),
        ([("X-Envoy-Upstream-Service-Time", "3")], []),
        ([("Link", '</a>; rel="next", </b>; rel=prev')], [("Link", "</b>; rel=prev"), ("Link", "</a>;rel=next")]),
        ([("Server-Timing", "db;dur=1")], [("Server-Timing", "db;dur=2")]),
        ([("WWW-Authenticate", "Basic realm=a"), ("WWW-Authenticate", "Bearer")], [("WWW-Authenticate", "Bearer, Basic realm=a")]),
        (
            [("WWW-Authenticate", 'Digest realm="a", nonce="b,c", stale=FALSE, algorithm=MD5')],
            [("WWW-Authenticate", 'digest Algorithm=md5, stale="False", nonce = "b,c", realm=a')],
        ),
        ([("Proxy-Authenticate", "Negotiate YWI==, Basic realm=a")], [("Proxy-Authenticate", "basic realm=a, negotiate YWI==")]),
        ([("X-Request-Id", "1")], [("X-Request-Id", "2")]),
        ([("ETag", 'W/"a"')], [("ETag", 'W/"b"')]),
        ([("ETag", f'"{sha256(b"x").hexdigest()}"')], [("ETag", f'"{sha512(b"x").hexdigest()}"')]),
    ],
)
def test_the_same_meaning(one: Headers, other: Headers) -> None:
    assert paths(one, other) == []
    assert paths(other, one) == []


@pytest.mark.parametrize(
    "one,other,path",
    [
        ([("X-A", "1")], [], "header:x-a"),
        ([("X-A", "1")], [("X-A", "2")], "header:x-a"),
        ([("X-A", "1"), ("X-A", "2")], [("X-A", "2"), ("X-A", "1")], "header:x-a"),
        ([("X-A", "1"), ("X-A", "1")], [("X-A", "1")], "header:x-a"),
        ([("Vary", "Accept")], [("Vary", "Accept, Origin")], "header:vary"),
        (
            [("WWW-Authenticate", "Digest realm=a, stale=true")],
            [("WWW-Authenticate", "Digest realm=a, stale=false")],
            "header:www-authenticate",
        ),
        ([("WWW-Authenticate", "Basic realm=a")], [("WWW-Authenticate", "Basic realm=A")], "header:www-authenticate"),
        ([("WWW-Authenticate", "Negotiate YWI=")], [("WWW-Authenticate", "Negotiate ywi=")], "header:www-authenticate"),
        ([("WWW-Authenticate", "Basic realm=a, Bearer")], [("WWW-Authenticate", "Basic realm=a")], "header:www-authenticate"),
        ([("X-Request-Id", "1")], [], "header:x-request-id"),
        ([("Age", "3")], [("Age", "soon")], "header:age"),
        ([("ETag", '"a"')], [("ETag", "a")], "header:etag"),
        ([("ETag", f'"{sha256(b"x").hexdigest()}"')], [("ETag", f'"{sha256(b"y").hexdigest()}"')], "header:etag"),
        ([("Allow", "GET")], [("Allow", "get")], "header:allow"),
        ([("Cache-Control", "max-age=60")], [("Cache-Control", "max-age=61")], "header:cache-control"),
        ([("Cache-Control", "no-store")], [], "header:cache-control"),
        ([("Content-Type", "text/plain")], [("Content-Type", "text/plain; charset=utf-8")], "header:content-type"),
        (
            [("Strict-Transport-Security", "max-age=1; includeSubDomains")],
            [("Strict-Transport-Security", "max-age=1")],
            "header:strict-transport-security",
        ),
        ([("Access-Control-Allow-Origin", "*")], [("Access-Control-Allow-Origin", "http://a")], "header:access-control-allow-origin"),
        ([("Set-Cookie", "a=1; HttpOnly")], [("Set-Cookie", "a=1")], "header:set-cookie:a"),
        ([("Set-Cookie", "a=1")], [("Set-Cookie", "a=2")], "header:set-cookie:a"),
        ([("Set-Cookie", "a=1")], [], "header:set-cookie:a"),
        ([("Set-Cookie", "a=1; SameSite=Lax")], [("Set-Cookie", "a=1; SameSite=None")], "header:set-cookie:a"),
        ([("Set-Cookie", "a=1; Max-Age=60")], [("Set-Cookie", "a=1; Max-Age=6000")], "header:set-cookie:a"),
        (
            [("Content-Security-Policy", "default-src 'none'; default-src *")],
            [("Content-Security-Policy", "default-src *; default-src 'none'")],
            "header:content-security-policy",
        ),
        (
            [("Content-Security-Policy", "default-src a"), ("Content-Security-Policy", "img-src b")],
            [("Content-Security-Policy", "default-src a; img-src b")],
            "header:content-security-policy",
        ),
        ([("Cache-Control", "max-age=1, max-age=2")], [("Cache-Control", "max-age=2, max-age=1")], "header:cache-control"),
        ([("Set-Cookie", "a=1; Expires=garbage")], [("Set-Cookie", "a=1")], "header:set-cookie:a"),
        ([("Set-Cookie", "a=1; Expires=garbage")], [("Set-Cookie", "a=1; Expires=other")], "header:set-cookie:a"),
        ([("Set-Cookie", "a=1; Max-Age=--5")], [("Set-Cookie", "a=1")], "header:set-cookie:a"),
        ([("Set-Cookie", f"a=1; Max-Age={'9' * 20}")], [("Set-Cookie", "a=1")], "header:set-cookie:a"),
        ([("ETag", '"a"')], [("ETag", 'W/"a"')], "header:etag"),
        ([("ETag", '"a"')], [], "header:etag"),
        ([("Location", "/a")], [("Location", "/b")], "header:location"),
        (
            [("Last-Modified", "Tue, 01 Jan 2030 00:00:00 GMT")],
            [("Last-Modified", "Tue, 01 Jan 2030 01:00:00 GMT")],
            "header:last-modified",
        ),
        ([("Link", "</a>; rel=next")], [("Link", "</a>; rel=prev")], "header:link"),
        ([("Content-Encoding", "identity")], [("Content-Encoding", "")], "header:content-encoding"),
    ],
)
def test_another_meaning(one: Headers, other: Headers, path: str) -> None:
    assert paths(one, other) == [path]
    assert paths(other, one) == [path]


def test_a_cookie_is_shown_whole_with_its_attributes() -> None:
    (found,) = compare(Response(200, [("Set-Cookie", "a=1; Path=/; Secure")], b""), Response(200, [("Set-Cookie", "a=1; Path=/")], b""))
    assert found == Difference("header:set-cookie:a", "header_changed", "a=1; path=/; secure", "a=1; path=/")


def test_a_digest_is_held_to_its_own_body() -> None:
    def answer(body: bytes, of: bytes) -> Response:
        digest = b64encode(sha256(of).digest()).decode()
        return Response(200, [("Digest", f"sha-256={digest}"), ("Content-Type", "application/json")], body)

    assert [d.path for d in compare(answer(b'{"a":1}', b'{"a":1}'), answer(b'{"a": 1}', b'{"a": 1}'))] == []
    assert [d.path for d in compare(answer(b'{"a":1}', b'{"a":1}'), answer(b'{"a": 1}', b"other"))] == ["header:digest"]


def test_rules_name_headers_in_any_case_and_the_status() -> None:
    assert paths([("X-Build", "1")], [("X-Build", "2")], Rule(ignore=("header:X-build",))) == []
    assert paths([("Set-Cookie", "a=1")], [("Set-Cookie", "a=2")], Rule(ignore=("header:set-cookie",))) == []
    two = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=1")]
    other = [("Set-Cookie", "a=2"), ("Set-Cookie", "b=2")]
    assert paths(two, other, Rule(ignore=("header:set-cookie:a",))) == ["header:set-cookie:b"]
    assert compare(Response(200, (), b""), Response(201, (), b""), [Rule(ignore=("status",))]) == []


def test_status_and_trailers() -> None:
    one = Response(200, (), b"", trailers=(("X-Sum", "1"),))
    other = Response(404, (), b"", trailers=(("X-Sum", "2"),))
    assert [(d.path, d.kind) for d in compare(one, other)] == [("status", "status_changed"), ("header:x-sum", "header_changed")]


def test_another_version_of_http_is_the_connection_s_affair() -> None:
    assert compare(Response(200, (), b"x", http_version="1.0"), Response(200, (), b"x")) == []


@pytest.mark.parametrize(
    "name, one, other",
    [
        ("Retry-After", "\xb2", "3"),
        ("Retry-After", "1" * 16 + "1111", "1" * 16 + "2222"),
        ("Set-Cookie", "a=1; Max-Age=\xb2", "a=1; Max-Age=3"),
        ("Set-Cookie", "a=1; Max-Age=" + "9" * 400, "a=1; Max-Age=3"),
    ],
)
def test_numbers_that_are_none(name: str, one: str, other: str) -> None:
    assert compare(Response(200, ((name, one),), b""), Response(200, ((name, other),), b""))
