"""A response with a field of another type is refused by name, not compared."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from pytest_shadowdiff import Response, compare

FINE = Response(200, [("A", "1")], b"x")


@pytest.mark.parametrize(
    "given,said",
    [
        (Response("200", [], b""), "status: expected an int, such as 200, not str '200'"),  # type: ignore[arg-type]
        (Response(status=True, headers=[], body=b""), "status: expected an int, such as 200, not bool True"),
        (Response(200, [], "x"), "body: expected bytes, not str 'x'; encode it first"),  # type: ignore[arg-type]
        (Response(200, [], None), "body: expected bytes, not NoneType None"),  # type: ignore[arg-type]
        (Response(200, {"A": "1"}, b""), "headers: expected pairs such as [('Content-Type', 'application/json')], not dict"),  # type: ignore[arg-type]
        (Response(200, [(b"A", b"1")], b""), "headers[0]: expected a pair of a name and a value, both str"),  # type: ignore[list-item]
        (Response(200, [("A", "1"), ("B", 2)], b""), "headers[1]: expected a pair"),  # type: ignore[list-item]
        (Response(200, [], b"", ["ab"]), "trailers[0]: expected a pair"),  # type: ignore[list-item]
        (b"x", ": bytes b'x' is no Response"),
    ],
)
def test_the_field_and_what_is_expected_are_named(given: Any, said: str) -> None:
    for side, one, other in (("primary", given, FINE), ("candidate", FINE, given), ("primary", given, given)):
        with pytest.raises(TypeError) as caught:
            compare(one, other)
        assert str(caught.value).startswith(side)
        assert said in str(caught.value)


def test_what_is_an_int_or_a_pair_is_taken() -> None:
    assert compare(Response(HTTPStatus.OK, (["A", "1"],), b"x"), FINE) == []  # type: ignore[arg-type]
