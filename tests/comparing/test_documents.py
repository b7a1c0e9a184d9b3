"""Property tests over random JSON documents: what was edited is found where it was edited, and nothing else is."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from deepdiff import DeepDiff
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_shadowdiff import Difference, Response, Rule, compare

Path = list[str | int]

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=5), max_leaves=30
)
objects = st.dictionaries(st.text(min_size=1, max_size=4), documents, min_size=1, max_size=5)


def answer(document: object) -> Response:
    return Response(200, (("Content-Type", "application/json"),), json.dumps(document).encode("utf-8", "surrogatepass"))


def compared(one: object, other: object, *rules: Rule) -> list[Difference]:
    return compare(answer(one), answer(other), rules)


def places(document: Any, path: Path | None = None) -> list[Path]:
    """Every place in a document, the root first."""
    here = path or []
    found = [here]
    if isinstance(document, dict):
        for name, value in document.items():
            found += places(value, [*here, name])
    elif isinstance(document, list):
        for index, value in enumerate(document):
            found += places(value, [*here, index])
    return found


def at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def written(path: Path) -> str:
    """RFC 9535, 2.7, told anew: shorthand where a name allows it."""
    said = "$"
    for key in path:
        if isinstance(key, int):
            said += f"[{key}]"
        elif key.isascii() and key.isidentifier():
            said += f".{key}"
        else:
            short = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", "'": "\\'", "\\": "\\\\"}
            special = [short.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) in (0x7F, 0x2028, 0x2029) else c) for c in key]
            said += f"['{''.join(special)}']"
    return said


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


EDITS: dict[str, tuple[Callable[[Any], bool], Callable[[Any], Any], str]] = {
    "number to another": (is_number, lambda v: v + 1 if abs(v) < 2**50 else 0, "value_changed"),
    "number to its text": (is_number, str, "type_changed"),
    "number to true": (lambda v: is_number(v) and v == 1, lambda v: True, "type_changed"),
    "text longer": (lambda v: isinstance(v, str), lambda v: v + "x", "value_changed"),
    "text to null": (lambda v: isinstance(v, str), lambda v: None, "type_changed"),
    "text to array": (lambda v: isinstance(v, str), lambda v: [v], "type_changed"),
    "boolean flipped": (lambda v: isinstance(v, bool), lambda v: not v, "value_changed"),
    "boolean to number": (lambda v: isinstance(v, bool), int, "type_changed"),
    "null to empty": (lambda v: v is None, lambda v: "", "type_changed"),
    "object to null": (lambda v: isinstance(v, dict), lambda v: None, "type_changed"),
    "array to object": (lambda v: isinstance(v, list), lambda v: {}, "type_changed"),
    "array emptied of its type": (lambda v: isinstance(v, list), lambda v: "", "type_changed"),
}


MADE = {"number": 1, "text": "text", "boolean": True, "null": None, "object": {"a": 1}, "array": [1]}


@given(documents)
def test_a_document_is_equal_to_itself_however_it_is_written(document: Any) -> None:
    spaced = Response(
        200, (("Content-Type", "application/json"),), json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")
    )
    assert compare(answer(document), spaced) == []


@pytest.mark.parametrize("edit", EDITS)
@given(data=st.data(), document=objects)
@settings(max_examples=25, deadline=None)
def test_an_edit_is_found_at_its_path(edit: str, data: st.DataObject, document: Any) -> None:
    fits, change, kind = EDITS[edit]
    fitting = [path for path in places(document) if path and fits(at(document, path)) and isinstance(at(document, path[:-1]), dict)]
    if not fitting:
        document = {**document, "made": MADE[edit.partition(" ")[0]]}
        fitting = [path for path in places(document) if path and fits(at(document, path)) and isinstance(at(document, path[:-1]), dict)]
    assume(fitting)
    path = data.draw(st.sampled_from(fitting))
    edited = copy.deepcopy(document)
    at(edited, path[:-1])[path[-1]] = change(at(document, path))
    # a list of which one element differs is aligned by what its elements hold, so the list above may explain the edit otherwise
    assume(not any(isinstance(key, int) for key in path))
    assert [(d.path, d.kind) for d in compared(document, edited)] == [(written(path), kind)]


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(), min_size=1), min_size=1, max_size=30), st.data())
def test_one_element_lost_is_one_difference(elements: list[Any], data: st.DataObject) -> None:
    at_index = data.draw(st.integers(0, len(elements) - 1))
    found = compared(elements, elements[:at_index] + elements[at_index + 1 :])
    assert [(d.kind, d.primary, d.candidate) for d in found] == [("missing", elements[at_index], None)]


@given(documents, documents)
@settings(max_examples=100)
def test_what_is_found_does_not_hang_on_the_side(one: Any, other: Any) -> None:
    mirrored = {"missing": "added", "added": "missing"}
    there = sorted((d.kind, repr(d.primary), repr(d.candidate)) for d in compared(one, other))
    back = sorted((mirrored.get(d.kind, d.kind), repr(d.candidate), repr(d.primary)) for d in compared(other, one))
    assert there == back


@given(documents, documents)
@settings(max_examples=100)
def test_deepdiff_agrees_on_whether_there_is_any_difference(one: Any, other: Any) -> None:
    differs = bool(DeepDiff(one, other, ignore_numeric_type_changes=True, ignore_type_in_groups=[(int, float)], number_to_string_func=None))
    decoded_alike = _same(one, other)
    assert bool(compared(one, other)) == (not decoded_alike)
    if not decoded_alike and not _rounded(one) and not _rounded(other):
        assert differs or _only_types_differ(one, other)


def _same(one: Any, other: Any) -> bool:
    """Told anew, in the simplest way there is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if is_number(one) and is_number(other):
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def _rounded(document: Any) -> bool:
    return any(isinstance(at(document, path), int) and abs(at(document, path)) > 2**53 for path in places(document))


def _only_types_differ(one: Any, other: Any) -> bool:
    return bool(one == other)


@given(objects, st.data())
def test_ignoring_a_path_hides_that_path_only(document: Any, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(document)))
    others = {key: [value, "more"] for key, value in document.items()}
    found = compared(document, others, Rule(ignore=(written([name]),)))
    every = compared(document, others)
    hidden = written([name])
    assert found == [d for d in every if not (d.path == hidden or d.path.startswith((hidden + ".", hidden + "[")))]


@given(st.lists(st.integers(0, 9), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_a_permutation_is_one_reordering(elements: list[int], random: Any) -> None:
    shuffled = list(elements)
    random.shuffle(shuffled)
    found = compared({"list": elements}, {"list": shuffled})
    expected = [] if shuffled == elements else [Difference("$.list", "reordered", elements, shuffled)]
    assert found == expected
    assert compared({"list": elements}, {"list": shuffled}, Rule(unordered=("$.list",))) == []
