"""What only the mirror made is no difference; everything else beside it still is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pytest_shadowdiff.comparing import Comparison, compare_exchanges
from pytest_shadowdiff.model import Exchange, Request, Response

HOST = ("Host", "httpbin:8000")
SHADOW = ("Host", "httpbin-shadow:8000")
ADDED = [("X-Envoy-Internal", "true"), ("X-Forwarded-For", "10.0.0.7")]


def exchange(
    request: list[tuple[str, str]], answer: object, *, headers: Any = (), target: str = "/headers", method: str = "GET"
) -> Exchange:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    kind = "text/plain" if isinstance(answer, bytes) else "application/json"
    return Exchange(Request(method, target, request), Response(200, (("Content-Type", kind), *headers), body), started=0.0)


def compared(one: object, other: object, *, added: Any = ADDED, headers: Any = ((), ())) -> Comparison:
    return compare_exchanges(exchange([HOST], one, headers=headers[0]), exchange([SHADOW, *added], other, headers=headers[1]))


def test_the_founding_document_s_own_example() -> None:
    one = {"headers": {"Accept": "*/*", "Host": "httpbin:8000", "User-Agent": "curl"}}
    other = {
        "headers": {
            "Accept": "*/*",
            "Host": "httpbin-shadow:8000",
            "User-Agent": "curl",
            "X-Envoy-Internal": "true",
            "X-Forwarded-For": "10.0.0.7",
        }
    }
    comparison = compared(one, other, headers=([("Content-Length", "90")], [("Content-Length", "150")]))
    assert comparison.differences == ()
    assert {d.path for d in comparison.mirror_made} == {"$.headers.Host", "$.headers['X-Envoy-Internal']", "$.headers['X-Forwarded-For']"}


@pytest.mark.parametrize(
    "one,other",
    [
        ({"url": "http://httpbin:8000/get"}, {"url": "http://httpbin-shadow:8000/get"}),
        ({"url": "http://httpbin:8000/get"}, {"url": "https://httpbin-shadow:8000/get"}),
        ({"host": "httpbin"}, {"host": "httpbin-shadow"}),
        ({"origin": "127.0.0.1"}, {"origin": "10.0.0.7"}),
        ({"HTTP_ACCEPT": "*/*"}, {"HTTP_ACCEPT": "*/*", "HTTP_X_ENVOY_INTERNAL": "true"}),
        ({"headers": [["accept", "*/*"]]}, {"headers": [["accept", "*/*"], ["x-envoy-internal", "true"]]}),
        ([{"name": "Accept", "value": "*"}], [{"name": "Accept", "value": "*"}, {"name": "X-Envoy-Internal", "value": "true"}]),
        ({"h": {"Accept": ["*/*"]}}, {"h": {"Accept": ["*/*"], "X-Envoy-Internal": ["true"]}}),
        (b"Host: httpbin:8000\nAccept: */*", b"Host: httpbin-shadow:8000\nAccept: */*\nX-Envoy-Internal: true"),
    ],
)
def test_what_a_service_echoes_of_it(one: object, other: object) -> None:
    assert compared(one, other).differences == ()


@pytest.mark.parametrize(
    "one,other,path",
    [
        ({"url": "http://httpbin:8000/get"}, {"url": "http://httpbin-shadow:8000/post"}, "$.url"),
        ({"host": "httpbin:8000"}, {"host": "elsewhere:8000"}, "$.host"),
        ({"origin": "127.0.0.1"}, {"origin": "10.0.0.8"}, "$.origin"),
        ({"origin": "somebody"}, {"origin": "10.0.0.7"}, "$.origin"),
        ({}, {"X-Envoy-Internal": "false"}, "$['X-Envoy-Internal']"),
        ({}, {"internal": "true"}, "$.internal"),
        ({"X-Envoy-Internal": "true"}, {}, "$['X-Envoy-Internal']"),
        ({"text": "httpbin is fine"}, {"text": "httpbin-shadowed is fine"}, "$.text"),
    ],
)
def test_what_looks_like_it_and_is_not(one: object, other: object, path: str) -> None:
    assert [d.path for d in compared(one, other).differences] == [path]


def test_a_header_that_both_received_with_another_value() -> None:
    one = compare_exchanges(
        exchange([HOST, ("X-B3-SpanId", "463ac35c9f6413ad")], {"span": "463ac35c9f6413ad"}),
        exchange([HOST, ("X-B3-SpanId", "a2fb4a1d1a96d312")], {"span": "a2fb4a1d1a96d312"}),
    )
    assert one.differences == ()


def test_nothing_is_explained_where_both_received_the_same() -> None:
    same = [HOST, *ADDED]
    found = compare_exchanges(exchange(same, {}), exchange(same, {"X-Envoy-Internal": "true"}))
    assert [d.path for d in found.differences] == ["$['X-Envoy-Internal']"]


def test_locations_with_each_side_s_own_authority() -> None:
    def moved(host: str, location: str) -> Exchange:
        return exchange([("Host", host)], b"", headers=[("Location", location)])

    assert compare_exchanges(moved("v1:80", "http://v1:80/a?b"), moved("v2:81", "http://v2:81/a?b")).differences == ()
    assert compare_exchanges(moved("v1:80", "http://v1:80/a"), moved("v2:81", "https://v2:81/a")).differences == ()
    assert len(compare_exchanges(moved("entry", "http://entry/a"), moved("entry", "https://entry/a")).differences) == 1
    secure = replace(moved("entry", "https://10.0.0.2:81/a"), origins=("https://10.0.0.2:81",))
    assert compare_exchanges(moved("entry", "http://entry/a"), secure).differences == ()
    assert len(compare_exchanges(moved("v1:80", "http://v1:80/a"), moved("v2:81", "http://v2:81/b")).differences) == 1
    assert len(compare_exchanges(moved("v1:80", "http://v1:80/a"), moved("v2:81", "http://v3:81/a")).differences) == 1
    known = compare_exchanges(
        replace(moved("entry", "http://127.0.0.1:8001/a"), origins=("http://127.0.0.1:8001",)),
        replace(moved("entry", "http://127.0.0.1:8002/a"), origins=("http://127.0.0.1:8002",)),
    )
    assert known.differences == ()


@pytest.mark.parametrize(
    "one, other, count",
    [
        ("/va/done", "/vb/done", 0),
        ("http://10.0.0.1:1/va/done", "http://10.0.0.2:1/vb/done", 0),
        ("/va", "/vb?", 1),
        ("/va/done", "/vb/gone", 1),
        ("/vax/done", "/vbx/done", 1),
        ("/va/done", "/done", 1),
    ],
)
def test_locations_below_each_side_s_own_prefix(one: str, other: str, count: int) -> None:
    def moved(location: str, origin: str) -> Exchange:
        return replace(exchange([("Host", "entry")], b"", headers=[("Location", location)]), origins=(origin,))

    comparison = compare_exchanges(moved(one, "http://10.0.0.1:1/va"), moved(other, "http://10.0.0.2:1/vb"))
    assert len(comparison.differences) == count


def test_what_is_equal_in_one_line() -> None:
    one = exchange([HOST], {"a": 1, "b": [1, 2, 3], "c": None}, headers=[("X-A", "1"), ("X-B", "1")])
    other = exchange([HOST], {"a": 2, "b": [1, 2, 3], "c": None}, headers=[("X-A", "1"), ("X-B", "2")])
    assert compare_exchanges(one, other).equal_parts == "status, 2 of 3 headers and 4 of 5 values are equal"


def test_a_head_has_no_body_and_what_was_not_seen_is_not_compared() -> None:
    one = exchange([HOST], b"", headers=[("Content-Length", "5")], method="HEAD")
    other = exchange([HOST], b"", headers=[("Content-Length", "6")], method="HEAD")
    assert [d.path for d in compare_exchanges(one, other).differences] == ["header:content-length"]
    blind = Exchange(other.request, Response(200, (), b""), started=0.0, not_seen=frozenset({"headers", "body"}))
    assert compare_exchanges(exchange([HOST], b"text", headers=[("X-A", "1")]), blind).differences == ()
