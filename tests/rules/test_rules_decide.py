"""Which rule decides, and how far what it says reaches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_shadowdiff import Response, Rule, compare
from pytest_shadowdiff.comparing import compare_exchanges
from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.model import Exchange, Request, Tolerance
from pytest_shadowdiff.rules import matching


def answer(document: Any) -> Response:
    return Response(200, (("Content-Type", "application/json"),), json.dumps(document).encode())


def paths(one: Any, other: Any, *rules: Rule) -> list[str]:
    return [d.path for d in compare(answer(one), answer(other), rules)]


ONE = {"a": {"b": 1, "c": [{"d": 1, "e": 1}, {"d": 2, "e": 2}]}, "f": 1}
OTHER = {"a": {"b": 2, "c": [{"d": 3, "e": 1}, {"d": 4, "e": 5}]}, "f": 2}
ALL = ["$.a.b", "$.a.c[0].d", "$.a.c[1].d", "$.a.c[1].e", "$.f"]


@pytest.mark.parametrize(
    "ignored,left",
    [
        ("$.f", ALL[:4]),
        ("$.a", ["$.f"]),
        ("$", []),
        ("$.*", []),
        ("$..d", ["$.a.b", "$.a.c[1].e", "$.f"]),
        ("$.a.c[*].d", ["$.a.b", "$.a.c[1].e", "$.f"]),
        ("$.a.c[1].d", ["$.a.b", "$.a.c[0].d", "$.a.c[1].e", "$.f"]),
        ("$.a.c[-1].d", ["$.a.b", "$.a.c[0].d", "$.a.c[1].e", "$.f"]),
        ("$.a.c[:1]", ["$.a.b", "$.a.c[1].d", "$.a.c[1].e", "$.f"]),
        ("$.a.c[::2]", ["$.a.b", "$.a.c[1].d", "$.a.c[1].e", "$.f"]),
        ("$.a.c[?@.e == 1].d", ["$.a.b", "$.a.c[1].d", "$.a.c[1].e", "$.f"]),
        ("$['a','f']", []),
        ("$.a.c", ["$.a.b", "$.f"]),
        ("$.missing", ALL),
        ("$.a.c[7]", ALL),
        ("$.b", ALL),
    ],
)
def test_an_ignored_path_and_all_below_it(ignored: str, left: list[str]) -> None:
    assert paths(ONE, OTHER, Rule(ignore=(ignored,))) == left


def test_what_is_ignored_may_be_missing() -> None:
    assert paths({"a": 1}, {}, Rule(ignore=("$.a",))) == []
    assert paths({}, {"a": 1}, Rule(ignore=("$.a",))) == []


def test_the_first_rule_that_names_a_path_decides() -> None:
    strict = Rule(tolerance=({"path": "$.f", "absolute": 0.1},))
    lax = Rule(ignore=("$.f",))
    assert paths({"f": 1}, {"f": 2}, strict, lax) == ["$.f"]
    assert paths({"f": 1}, {"f": 2}, lax, strict) == []
    assert paths({"f": {"g": 1}}, {"f": {"g": 2}}, Rule(tolerance=({"path": "$.f.g", "absolute": 0.1},)), lax) == ["$.f.g"]
    assert paths({"f": {"g": 1}}, {"f": {"g": 2}}, lax, Rule(tolerance=({"path": "$.f.g", "absolute": 0.1},))) == []


@pytest.mark.parametrize(
    "one,other,bounds,silent",
    [
        (1, 1.01, {"absolute": 0.01}, True),
        (1, 1.02, {"absolute": 0.01}, False),
        (0.1, 0.3, {"absolute": 0.2}, True),
        (100, 101, {"relative": 0.01}, True),
        (101, 100, {"relative": 0.01}, True),
        (100, 103, {"relative": 0.01}, False),
        (100, 103, {"relative": 0.01, "absolute": 5}, True),
        ("1.00", "1.01", {"absolute": 0.01}, True),
        (1, "1.001", {"absolute": 0.01}, False),
        (1, True, {"absolute": 5}, False),
        (1, None, {"absolute": 5}, False),
        ("2030-01-01T00:00:00Z", "2030-01-01T00:00:02Z", {"seconds": 2}, True),
        ("2030-01-01T00:00:00Z", "2030-01-01T00:00:02.001Z", {"seconds": 2}, False),
        ("2030-01-01T00:00:00Z", "2030-01-01T02:00:00.5+02:00", {"seconds": 1}, True),
        ("Tue, 01 Jan 2030 00:00:00 GMT", "Tue, 01 Jan 2030 00:00:01 GMT", {"seconds": 1}, True),
        (1893456000, 1893456001, {"seconds": 1}, True),
        ("a", "b", {"seconds": 1}, False),
        (10**40, 10**40 + 1, {"absolute": 1}, True),
    ],
)
def test_tolerance(one: Any, other: Any, bounds: dict[str, float], silent: bool) -> None:  # noqa: FBT001
    rule = Rule(tolerance=({"path": "$.v", **bounds},))
    assert paths({"v": one}, {"v": other}, rule) == ([] if silent else ["$.v"])


def test_unordered_lists() -> None:
    one = {"items": [{"id": 1, "v": 1}, {"id": 2, "v": 2}, {"id": 3, "v": 3}]}
    other = {"items": [{"id": 3, "v": 3}, {"id": 1, "v": 9}, {"id": 2, "v": 2}]}
    assert paths(one, other, Rule(unordered=({"path": "$.items", "key": "id"},))) == ["$.items[0].v"]
    assert paths(one, other, Rule(unordered=("$.items",))) == ["$.items[0].v"]
    assert paths(one, other) == ["$.items", "$.items[0].v"]
    assert paths({"a": [1, 2, 2]}, {"a": [2, 1, 1]}, Rule(unordered=("$.a",))) != []


def test_elements_are_paired_by_what_no_rule_ignores() -> None:
    one = [{"n": n, "at": n} for n in range(10)]
    other = [{"n": n, "at": 100 + n} for n in range(10) if n != 4]
    assert paths(one, other, Rule(ignore=("$[*].at",))) == ["$[4]"]
    assert paths(one, other, Rule(tolerance=({"path": "$[*].at", "absolute": 200},))) == ["$[4]"]


def test_what_is_silenced_is_not_lost() -> None:
    def exchange(document: Any) -> Exchange:
        return Exchange(Request("GET", "/"), answer(document), started=0.0)

    rule = Rule(ignore=("$.a.b", "$..d"), origin="here")
    comparison = compare_exchanges(exchange(ONE), exchange(OTHER), [rule])
    assert [d.path for d in comparison.differences] == ["$.a.c[1].e", "$.f"]
    assert [d.path for d in comparison.silenced] == ["$.a.b", "$.a.c[0].d", "$.a.c[1].d"]
    assert comparison.silencing == (rule, rule, rule)


def test_a_wrong_path_in_a_rule_made_by_hand() -> None:
    with pytest.raises(SettingsError, match=r"'\$\.a\[' is no JSONPath"):
        paths(ONE, OTHER, Rule(ignore=("$.a[",)))


@pytest.mark.parametrize(
    "rule,said",
    [
        ({"tolerance": ({"path": "$.f", "absolute": float("nan")},)}, ["rules[1], tolerance[0], absolute: nan is no bound", "0 or more"]),
        ({"tolerance": ({"path": "$.f", "absolute": float("inf")},)}, ["absolute: inf is no bound"]),
        ({"tolerance": ({"path": "$.f", "relative": -0.1},)}, ["relative: -0.1 is no bound"]),
        ({"tolerance": (Tolerance("$.f", seconds=-1),)}, ["tolerance[0], seconds: -1 is no bound"]),
        ({"tolerance": ({"path": "$.f", "absolute": 10**400},)}, ["is no bound"]),
        ({"tolerance": (Tolerance("$.f"),)}, ["no bound is given. Allowed: one or more of absolute, relative, seconds"]),
        ({"tolerance": "$.f"}, ["tolerance: '$.f' is no list", '[{path = "$..price", absolute = 0.01}]']),
        ({"tolerance": ("$.f",)}, ["tolerance[0]: '$.f' is no table. Allowed keys: path, absolute, relative, seconds"]),
        ({"tolerance": {"path": "$.f", "absolute": 1}}, ["tolerance: {'path': '$.f', 'absolute': 1} is no list"]),
        ({"tolerance": ({"path": "$.f", "absolut": 1},)}, ["unknown key 'absolut'", "Did you mean 'absolute'?"]),
        ({"unordered": ({"path": "$.f", "kye": "id"},)}, ["unknown key 'kye'", "Did you mean 'key'?"]),
        ({"ignore": "$.f"}, ["rules[1], ignore: '$.f' is no list", '["$.updated_at", "header:x-build"]']),
        ({"ignore": ("updated_at",)}, ["ignore[0]: 'updated_at' is no path", "Did you mean '$.updated_at'?"]),
        ({"endpoint": "GET /x/{"}, ["rules[1], endpoint: 'GET /x/{': a placeholder is a name in braces"]),
        ({"origin": "here", "ignore": (7,)}, ["here, ignore[0]: 7 is no text"]),
    ],
)
def test_a_wrong_rule_made_by_hand_is_said_at_its_place(rule: dict[str, Any], said: list[str]) -> None:
    for other in (OTHER, ONE):
        with pytest.raises(SettingsError) as caught:
            paths(ONE, other, Rule(), Rule(**rule))
        assert all(part in str(caught.value) for part in said), str(caught.value)


@pytest.mark.parametrize("rules", [Rule(), "$.a", ["$.a"], [{"ignore": ["$.a"]}], None])
def test_what_is_no_rule_is_refused(rules: Any) -> None:
    with pytest.raises(SettingsError, match=r"Allowed: a (list|Rule)"):
        compare(answer(ONE), answer(OTHER), rules)


def test_a_bound_that_is_none_is_not_given() -> None:
    assert paths({"f": 1}, {"f": 2}, Rule(tolerance=({"path": "$.f", "absolute": 1, "relative": None},))) == []


@pytest.mark.parametrize(
    "endpoint,method,path,holds",
    [
        ("", "GET", "/a", True),
        ("*", "PUT", "/a", True),
        ("GET /orders/{id}", "GET", "/orders/1?full=1", True),
        ("GET /orders/{id}", "GET", "http://host/orders/1", True),
        ("get /orders/{id}", "GET", "/orders/1", True),
        ("GET /orders/{id}", "POST", "/orders/1", False),
        ("* /orders/{id}", "POST", "/orders/1", True),
        ("GET /orders/{id}", "GET", "/orders/1/items", False),
        ("GET /orders/{id}", "GET", "/orders/", False),
        ("GET /orders/{id}/items/{n}", "GET", "/orders/a-b/items/7", True),
        ("GET /files/{name}.json", "GET", "/files/a.b.json", True),
        ("GET /files/{name}.json", "GET", "/files/a.xml", False),
        ("GET /a.c", "GET", "/abc", False),
        ("GET /caf%C3%A9", "GET", "/café", True),
        ("GET /café", "GET", "/caf%c3%a9", True),
        ("GET *", "GET", "/anything/at/all", True),
    ],
)
def test_endpoints(endpoint: str, method: str, path: str, holds: bool) -> None:  # noqa: FBT001
    rule = Rule(endpoint=endpoint)
    assert matching([rule], method, path) == ((rule,) if holds else ())
