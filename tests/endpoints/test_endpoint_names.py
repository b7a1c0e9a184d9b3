from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.endpoints import Endpoints
from pytest_shadowdiff.model import Request, Rule


@pytest.mark.parametrize(
    "target, endpoint",
    [
        ("/", "GET /"),
        ("/orders", "GET /orders"),
        ("/orders/", "GET /orders/"),
        ("/orders/1?full=1", "GET /orders/{id}"),
        ("/orders/-1", "GET /orders/{id}"),
        ("/orders/1/items/22", "GET /orders/{id}/items/{id}"),
        ("/orders/5f0c6a3e-9b1d-4c7e-8a2f-3d4e5f6a7b8c", "GET /orders/{id}"),
        ("/orders/5F0C6A3E9B1D4C7E8A2F3D4E5F6A7B8C", "GET /orders/{id}"),
        ("/orders/%7B5f0c6a3e-9b1d-4c7e-8a2f-3d4e5f6a7b8c%7D", "GET /orders/{id}"),
        ("/days/2026-11-24/report", "GET /days/{id}/report"),
        ("/blobs/9e107d9d372bb6826bd81d3542a419d6", "GET /blobs/{id}"),
        ("/commits/3f3e61c", "GET /commits/3f3e61c"),
        ("/events/01ARZ3NDEKTSV4RRFFQ69G5FAV", "GET /events/{id}"),
        ("/customers/cus_9s6XKzkNRiz8i3", "GET /customers/{id}"),
        ("/browse/PROJ-123", "GET /browse/{id}"),
        ("/posts/why-we-moved-to-2-versions", "GET /posts/{id}"),
        ("/watch/dQw4w9WgXcQ", "GET /watch/{id}"),
        ("/users/user1@example.com", "GET /users/{id}"),
        ("/points/52.52,13.4", "GET /points/{id}"),
        ("/orders/12.json", "GET /orders/{id}.json"),
        ("/orders/12:cancel", "GET /orders/{id}:cancel"),
        ("/api/v2/orders", "GET /api/v2/orders"),
        ("/oauth2/token", "GET /oauth2/token"),
        ("/base64/SGk", "GET /base64/SGk"),
        ("/getting-started", "GET /getting-started"),
        ("http://example.com/orders/1", "GET /orders/{id}"),
        ("http://example.com", "GET /"),
        ("*", "GET *"),
    ],
)
def test_what_looks_like_an_id_is_one(target: str, endpoint: str) -> None:
    assert Endpoints().of(Request("GET", target)) == endpoint


def test_templates_of_rules_and_of_openapi_win_over_guesses() -> None:
    endpoints = Endpoints(
        [Rule(endpoint="GET /users/{name}"), Rule(endpoint="* /files/{path}.txt"), Rule()], ["/users/me", "POST /orders/{order_id}"]
    )
    assert endpoints.of(Request("GET", "/users/ada")) == "GET /users/{name}"
    assert endpoints.of(Request("GET", "/users/me")) == "GET /users/me"
    assert endpoints.of(Request("DELETE", "/files/a.txt")) == "DELETE /files/{path}.txt"
    assert endpoints.of(Request("DELETE", "/files/.txt")) == "DELETE /files/.txt"
    assert endpoints.of(Request("POST", "/orders/7")) == "POST /orders/{order_id}"
    assert endpoints.of(Request("GET", "/orders/7")) == "GET /orders/{id}"
    assert endpoints.of(Request("PUT", "/users/ada")) == "PUT /users/ada"


@given(st.text(max_size=2000))
def test_any_target_has_an_endpoint_and_it_depends_on_nothing_else(target: str) -> None:
    once, other = Endpoints(), Endpoints()
    other.of(Request("GET", "/somewhere/else/1"))
    assert once.of(Request("GET", target)) == once.of(Request("GET", target)) == other.of(Request("GET", target))


@given(st.integers(min_value=0), st.uuids())
def test_ids_never_make_endpoints_of_their_own(number: int, name: object) -> None:
    endpoints = Endpoints()
    assert endpoints.of(Request("GET", f"/orders/{number}")) == endpoints.of(Request("GET", f"/orders/{name}")) == "GET /orders/{id}"
