"""Rules as they are written: what is wrong is said at its place, with what is allowed and the nearest name."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.model import Tolerance, Unordered
from pytest_shadowdiff.rules import rule_from

PLACE = "pyproject.toml, rules[1]"


def test_a_rule_as_the_configuration_writes_it() -> None:
    rule = rule_from(
        {
            "endpoint": "GET /orders/{id}",
            "ignore": ["$.updated_at", "header:x-build", "status", "body", "body:3", "/a/@b", "header:set-cookie:sid"],
            "unordered": ["$.items", {"path": "$.lines", "key": "id"}],
            "tolerance": [{"path": "$..price", "absolute": 0.01, "relative": 1}, {"path": "$.at", "seconds": 2}],
        },
        PLACE,
    )
    assert rule.endpoint == "GET /orders/{id}"
    assert len(rule.ignore) == 7
    assert rule.unordered == (Unordered("$.items"), Unordered("$.lines", "id"))
    assert rule.tolerance == (Tolerance("$..price", absolute=0.01, relative=1.0), Tolerance("$.at", seconds=2.0))
    assert rule.origin == PLACE


@pytest.mark.parametrize(
    "written,said",
    [
        ({"ingore": ["$.a"]}, ["unknown key 'ingore'", "Allowed: endpoint, ignore, unordered, tolerance", "Did you mean 'ignore'?"]),
        ({"ignore": "$.a"}, ["ignore: '$.a' is no list", '["$.updated_at", "header:x-build"]']),
        ({"ignore": ["$.a", 7]}, ["ignore[1]: 7 is no text"]),
        ({"ignore": ["updated_at"]}, ["ignore[0]: 'updated_at' is no path", "Did you mean '$.updated_at'?"]),
        ({"ignore": ["statsu"]}, ["Did you mean 'status'?"]),
        ({"ignore": ["header:"]}, ["'header:' names no header"]),
        ({"ignore": ["$.a["]}, ["ignore[0]: '$.a[' is no JSONPath of RFC 9535", "at character 5"]),
        ({"ignore": ["$.a | $.b"]}, ["no JSONPath of RFC 9535", "at character 5"]),
        ({"ignore": ["/a["]}, ["'/a[' is no XPath"]),
        ({"ignore": ["$" + ".a" * 4000]}, ["the path has 8001 characters. Allowed: 4096"]),
        ({"ignore": ["$[?match(@.a, '(a+)+b')]"]}, ["may take for ever"]),
        ({"ignore": ["$[?search(@.a, '(a|a)*b')]"]}, ["may take for ever"]),
        ({"endpoint": "orders"}, ["endpoint: 'orders' is no endpoint", "GET /orders/{id}"]),
        ({"endpoint": "GET /orders/{id"}, ["a placeholder is a name in braces"]),
        ({"endpoint": 7}, ["endpoint: 7 is no text"]),
        ({"unordered": [{"path": "$.a", "kye": "id"}]}, ["unordered[0]: unknown key 'kye'", "Did you mean 'key'?"]),
        ({"unordered": [{"key": "id"}]}, ["unordered[0]: the path is missing"]),
        ({"unordered": [{"path": "$.a", "key": 1}]}, ["unordered[0], key: 1 is no text"]),
        ({"tolerance": ["$.a"]}, ["tolerance[0]: '$.a' is no table"]),
        ({"tolerance": [{"path": "$.a"}]}, ["tolerance[0]: no bound is given", "absolute, relative, seconds"]),
        ({"tolerance": [{"path": "$.a", "absolute": -1}]}, ["tolerance[0], absolute: -1 is no bound"]),
        ({"tolerance": [{"path": "$.a", "absolute": True}]}, ["absolute: True is no bound"]),
        ({"tolerance": [{"path": "$.a", "seconds": float("inf")}]}, ["seconds: inf is no bound"]),
        ("ignore", ["'ignore' is no table"]),
    ],
)
def test_what_is_wrong_is_said_at_its_place(written: Any, said: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        rule_from(written, PLACE)
    message = str(caught.value)
    assert message.startswith(PLACE)
    assert all(part in message for part in said), message
