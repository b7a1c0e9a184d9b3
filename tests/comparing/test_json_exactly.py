"""JSON by exact value and type: what a fast parser would hide."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from itertools import combinations
from pathlib import Path

import pytest

from pytest_shadowdiff import Difference, IncompleteError, Response, Rule, compare


def answer(body: bytes | str) -> Response:
    return Response(200, (("Content-Type", "application/json"),), body.encode() if isinstance(body, str) else body)


def kinds(one: bytes | str, other: bytes | str) -> list[tuple[str, str]]:
    return [(d.path, d.kind) for d in compare(answer(one), answer(other))]


@pytest.mark.parametrize(
    "one,other",
    [
        ('{"a":1}', '{"a":1.0}'),
        ('{"a":1}', '{ "a" : 10e-1 }'),
        ('{"a":0}', '{"a":-0.0}'),
        ('{"a":1,"b":[true]}', '{"b":[true],"a":1}'),
        ('{"a":12345678901234567890123}', '{"a":12345678901234567890123}  '),
        ('{"a":1e400}', '{"a":10e399}'),
        ('{"a":1.23456789012345e18}', '{"a":1234567890123450000}'),
        ('{"a":"\\u00e9"}', '{"a":"é"}'),
        ('{"a":"\\ud800"}', '{"a": "\\uD800"}'),
        ('{"a":NaN}', '{"a": NaN}'),
        ('{"a":"\\"\\\\"}', '{"a":"\\u0022\\u005c"}'),
        ("\ufeff[1]", "[1]"),
        ('{"a":"{\\"x\\":1,\\"y\\":2}"}', '{"a":"{\\"y\\":2, \\"x\\":1}"}'),
    ],
)
def test_the_same_in_other_words(one: str, other: str) -> None:
    assert kinds(one, other) == []
    assert kinds(other, one) == []


@pytest.mark.parametrize(
    "one,other,path,kind",
    [
        ('{"a":1}', '{"a":true}', "$.a", "type_changed"),
        ('{"a":[1,[0]]}', '{"a":[1,[false]]}', "$.a[1][0]", "type_changed"),
        ('{"a":1}', '{"a":"1"}', "$.a", "type_changed"),
        ('{"a":null}', "{}", "$.a", "missing"),
        ('{"a":null}', '{"a":0}', "$.a", "type_changed"),
        ('{"a":9007199254740993}', '{"a":9007199254740992.0}', "$.a", "value_changed"),
        ('{"a":18446744073709551616}', '{"a":18446744073709551617}', "$.a", "value_changed"),
        ('{"a":0.1}', '{"a":0.10000000000000000001}', "$.a", "value_changed"),
        ('{"a":1e-400}', '{"a":0}', "$.a", "value_changed"),
        ('{"a":1,"a":2}', '{"a":2}', "$.a", "value_changed"),
        ('{"a":1,"a":2}', '{"a":1,"a":3}', "$.a", "value_changed"),
        ('{"b":"\\u0022","a":1,"a":2}', '{"b":"\\"","a":2}', "$.a", "value_changed"),
        ('{"a":NaN}', '{"a":Infinity}', "$.a", "value_changed"),
        ('{"a":"\\ud800"}', '{"a":"\\ud801"}', "$.a", "value_changed"),
        ('{"a":"{\\"x\\":1}"}', '{"a":"{\\"x\\":2}"}', "$.a.x", "value_changed"),
        ('{"odd key":1}', "{}", "$['odd key']", "missing"),
        ('{"it\'s":1}', "{}", "$['it\\'s']", "missing"),
        ("[[-1],[5]]", "[[-2],[5]]", "$[0][0]", "value_changed"),
        ("1", "2", "$", "value_changed"),
    ],
)
def test_other_things_in_like_words(one: str, other: str, path: str, kind: str) -> None:
    assert kinds(one, other) == [(path, kind)]


def test_numbers_are_shown_as_plain_numbers_where_they_can_be() -> None:
    (found,) = compare(answer('{"a":1.5,"big":123456789012345678901}'), answer('{"a":2.5,"big":123456789012345678901}'))
    assert found == Difference("$.a", "value_changed", 1.5, 2.5)
    assert isinstance(found.primary, float)
    (exact,) = compare(answer('{"a":0.1}'), answer('{"a":0.10000000000000000001}'))
    assert exact.candidate == Decimal("0.10000000000000000001")


@pytest.mark.parametrize(
    "one,other,primary,candidate",
    [
        ('{"a":1,"a":2}', '{"a":2}', "1, 2 (twice)", 2),
        ('{"a":2}', '{"a":1.50,"a":"é","a":{"b":[null]}}', 2, '1.5, "é", {"b": [null]} (3 times)'),
        ('{"a":2,"a":2}', '{"a":2}', "2, 2 (twice)", 2),
        ('{"a":1,"a":2}', '{"a":1,"a":2,"a":2}', "1, 2 (twice)", "1, 2, 2 (3 times)"),
        ('{"a":1,"a":{"a":1,"a":0.10000000000000000001}}', '{"a":{}}', '1, {"a": [1, "0.10000000000000000001"]} (twice)', {}),
    ],
)
def test_a_name_that_stands_more_than_once_is_said_to(one: str, other: str, primary: object, candidate: object) -> None:
    assert compare(answer(one), answer(other)) == [Difference("$.a", "value_changed", primary, candidate)]
    assert compare(answer(one), answer(other), [Rule(ignore=("$.a",))]) == []
    assert compare(answer(one), answer(other), [Rule(tolerance=({"path": "$.a", "absolute": 9},))]) != []


def test_names_that_stand_as_often_are_compared_value_by_value() -> None:
    assert compare(answer('{"a":1,"a":2}'), answer('{"a":3,"a":2}')) == [Difference("$.a", "value_changed", 1, 3)]
    assert compare(answer('{"a":1,"a":2}'), answer("{}")) == [Difference("$.a", "missing", "1, 2 (twice)", None)]


@pytest.mark.parametrize("broken", ['{"a":1', '{"a":1}}', "{'a':1}", '{"a":01}', '{"a":"\n"}', "[1,]", b'{"a":"\xff"}', "{"])
def test_a_broken_document_is_a_difference_with_its_place(broken: str | bytes) -> None:
    (found,) = compare(answer('{"a":1}'), answer(broken))
    assert (found.path, found.kind) == ("body", "body_changed")
    assert "no JSON" in str(found.candidate)
    assert "line 1, column" in str(found.candidate) or "line 2, column" in str(found.candidate) or "byte" in str(found.candidate)


def test_two_broken_documents_are_compared_as_text() -> None:
    assert kinds('{"a":1', '{"a":2') == [("body", "body_changed")]


def test_a_thousand_elements_of_which_one_is_lost() -> None:
    elements = [f'{{"n":{n},"at":"2030-01-01"}}' for n in range(1000)]
    other = elements[:500] + elements[501:]
    assert kinds(f"[{','.join(elements)}]", f"[{','.join(other)}]") == [("$[500]", "missing")]


def test_elements_belong_together_by_what_identifies_them() -> None:
    one = '[{"id":1,"v":"a","t":11},{"id":2,"v":"b","t":12},{"id":3,"v":"c","t":13}]'
    other = '[{"id":1,"v":"a","t":21},{"id":3,"v":"x","t":23}]'
    assert kinds(one, other) == [
        ("$[0].t", "value_changed"),
        ("$[1]", "missing"),
        ("$[2].v", "value_changed"),
        ("$[2].t", "value_changed"),
    ]


def test_texts_among_elements_of_other_types_are_still_the_same_texts() -> None:
    assert kinds('["p","q","r"]', '["r",{"k":1},"p"]') == [("$", "reordered"), ("$[1]", "type_changed")]
    assert kinds("[7,8,9]", '[9,"x",7]') == [("$", "reordered"), ("$[1]", "type_changed")]


def test_minus_one_is_not_minus_two_where_elements_move() -> None:
    assert kinds('[{"a":-1},{"a":-2}]', '[{"a":-2},{"a":-1.0}]') == [("$", "reordered")]


@pytest.mark.parametrize("moved", [2, 3, 6])
def test_a_few_elements_that_change_places_among_many_are_reordered(moved: int) -> None:
    places = list(range(0, 2 * moved, 2))
    order = list(range(4 * moved))
    for place, came in zip(places, [*places[1:], places[0]], strict=True):
        order[place] = came

    def written(numbers: list[int]) -> str:
        return "[" + ",".join(f'{{"n":{n},"kind":"x","on":true}}' for n in numbers) + "]"

    assert kinds(written(sorted(order)), written(order)) == [("$", "reordered")]


def test_an_element_that_moved_and_changed() -> None:
    one = '[{"id":1,"v":"a"},{"id":2,"v":"b"},{"id":3,"v":"c"}]'
    other = '[{"id":3,"v":"c!"},{"id":1,"v":"a"},{"id":2,"v":"b"}]'
    assert kinds(one, other) == [("$", "reordered"), ("$[2].v", "value_changed")]


def _all_of_the_suite(data: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted((data / "json").glob("*.json"))]


def test_each_text_of_the_suite_is_itself(data: Path) -> None:
    texts = _all_of_the_suite(data)
    assert len(texts) == 318
    for text in texts:
        assert kinds(text, bytes(bytearray(text))) == []


def test_no_text_of_the_suite_is_another_that_means_something_else(data: Path) -> None:
    import json

    meanings: list[tuple[bytes, object]] = []
    for text in _all_of_the_suite(data):
        try:
            meanings.append((text, _meaning(json.loads(text, object_pairs_hook=list, parse_float=_number))))
        except (ValueError, RecursionError):
            meanings.append((text, ("broken", text)))
    wrong = []
    for (one, meaning), (other, other_meaning) in combinations(meanings, 2):
        try:
            equal = kinds(one, other) == []
        except IncompleteError:
            equal = False
        if equal and meaning != other_meaning:
            wrong.append((one, other))
    # what a UTF-16 text says in the library's reading is what it says here, too; texts that both are no JSON are compared as text
    assert [pair for pair in wrong if not _the_same_text(*pair)] == []


def _the_same_text(one: bytes, other: bytes) -> bool:
    """Texts that are no JSON differ in nothing but how their lines end."""
    return one.replace(b"\r", b"\n").strip() == other.replace(b"\r", b"\n").strip()


def _number(text: str) -> object:
    try:
        return Decimal(text)
    except InvalidOperation:
        return f"beyond arithmetic: {text}"


def _meaning(value: object) -> object:
    if isinstance(value, list):
        return ("list", tuple(map(_meaning, value)))
    if isinstance(value, tuple):
        return tuple(map(_meaning, value))
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    return ("number", value)
