"""Edits are taken back to the very same document, and what others edited in between survives."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.cluster.patching import (
    ABSENT,
    Edit,
    Where,
    apply,
    from_json,
    inserting,
    merge_patch,
    restore,
    setting,
    spell,
    to_json,
    visible,
)

NAMES = st.sampled_from(["a", "b", "c", "d"])
LEAVES = st.one_of(st.booleans(), st.integers(-2, 2), st.sampled_from(["", "x", "y"]))
VALUES = st.recursive(LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)), max_leaves=8)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=4)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)


@st.composite
def edited(draw: st.DrawFn) -> tuple[dict[str, Any], list[Edit]]:
    """A document, and edits that were planned one after the other on it."""
    document = draw(DOCUMENTS)
    edits: list[Edit] = []
    current = document
    for _ in range(draw(st.integers(1, 4))):
        path = draw(PATHS)
        try:
            if draw(st.booleans()):
                planned = list(setting(current, path, draw(VALUES)))
            else:
                planned = [inserting(current, path, {"ours": draw(VALUES), "number": len(edits)}, index=draw(st.integers(0, 3)))]
        except ValueError:
            continue
        edits += planned
        current = apply(current, planned)
    return document, edits


@given(edited())
def test_restore_is_the_identity(made: tuple[dict[str, Any], list[Edit]]) -> None:
    document, edits = made
    before = copy.deepcopy(document)
    changed = apply(document, edits)
    back, left = restore(changed, edits)
    assert document == before
    assert repr(back) == repr(before) or back == before
    assert merge_patch(before, back) == {}
    assert left == ()
    assert restore(back, edits)[0] == before, "taking back twice changed something"


@given(edited(), st.dictionaries(st.sampled_from(["e", "f"]), VALUES, min_size=1, max_size=2))
def test_foreign_fields_survive(made: tuple[dict[str, Any], list[Edit]], foreign: dict[str, Any]) -> None:
    document, edits = made
    changed = apply(document, edits)
    changed.update(foreign)
    back, _ = restore(changed, edits)
    assert back == {**document, **foreign}


@given(st.lists(VALUES, max_size=4), st.lists(VALUES, max_size=3), st.integers(0, 9), st.data())
def test_foreign_elements_survive_around_ours(theirs: list[Any], foreign: list[Any], index: int, data: st.DataObject) -> None:
    ours = {"name": "shadowdiff", "match": [1]}
    document = {"spec": {"http": list(theirs)}}
    edit = inserting(document, ("spec", "http"), ours, index=index)
    changed = apply(document, [edit])
    for element in foreign:
        changed["spec"]["http"].insert(data.draw(st.integers(0, len(changed["spec"]["http"]))), element)
    wanted = [element for element in changed["spec"]["http"] if element != ours]
    back, left = restore(changed, [edit])
    assert back["spec"]["http"] == wanted
    assert left == ()


@given(DOCUMENTS, DOCUMENTS)
def test_a_merge_patch_leads_from_one_to_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert merge_patch(_merged(before, merge_patch(before, after)), after) == {}


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396, as it stands there."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


@given(edited())
def test_edits_survive_the_journal(made: tuple[dict[str, Any], list[Edit]]) -> None:
    import json

    document, edits = made
    read = [from_json(json.loads(json.dumps(to_json(edit)))) for edit in edits]
    assert read == edits
    assert restore(apply(document, edits), read)[0] == document


def test_a_field_that_somebody_changed_since_is_left_and_named() -> None:
    document = {"spec": {"weight": 90}}
    edits = setting(document, ("spec", "weight"), 100)
    back, left = restore({"spec": {"weight": 50}}, edits)
    assert back == {"spec": {"weight": 50}}
    assert left == ("spec.weight",)


def test_what_was_made_around_a_field_goes_with_it_unless_somebody_uses_it() -> None:
    edits = setting({"metadata": {}}, ("metadata", "annotations", "ours"), "1")
    changed = apply({"metadata": {}}, edits)
    assert restore(changed, edits)[0] == {"metadata": {}}
    changed["metadata"]["annotations"]["theirs"] = "2"
    assert restore(changed, edits)[0] == {"metadata": {"annotations": {"theirs": "2"}}}


def test_an_empty_list_that_was_there_stays() -> None:
    documents: list[dict[str, Any]] = [{"rules": []}, {}]
    for document in documents:
        edit = inserting(document, ("rules",), {"name": "ours"})
        assert restore(apply(document, [edit]), [edit])[0] == document


def test_an_element_with_filled_in_fields_is_still_ours() -> None:
    edit = inserting({"rules": [1]}, ("rules",), {"backendRefs": [{"name": "v1"}]})
    assert restore({"rules": [{"backendRefs": [{"name": "v1", "weight": 1}], "matches": []}, 1]}, [edit])[0] == {"rules": [1]}


def test_an_element_known_by_its_name_goes_even_when_edited() -> None:
    edit = inserting({"subsets": []}, ("subsets",), {"name": "v2", "labels": {"version": "v2"}}, key="name")
    assert restore({"subsets": [{"name": "v2", "labels": {"version": "v3"}}]}, [edit])[0] == {"subsets": []}


def test_an_element_is_found_by_its_name_wherever_it_is() -> None:
    document = {"rules": [{"name": "a"}, {"name": "b", "filters": [1]}]}
    edit = inserting(document, ("rules", Where("name", "b"), "filters"), 2)
    changed = apply(document, [edit])
    assert changed["rules"][1]["filters"] == [2, 1]
    changed["rules"].reverse()
    assert restore(changed, [edit])[0]["rules"][0] == {"name": "b", "filters": [1]}
    assert spell(edit.path) == "rules[name=b].filters"


def test_true_is_not_one() -> None:
    edits = setting({"x": 1}, ("x",), value=True)
    assert [edit.before for edit in edits] == [1]
    assert apply({"x": 1}, edits)["x"] is True


def test_visible_says_whether_any_of_it_is_there() -> None:
    edits = setting({}, ("a",), "1")
    assert edits[0].before is ABSENT
    assert visible({"a": "1"}, edits)
    assert not visible({"b": "1"}, edits)


@pytest.mark.parametrize("path", [("a", "b"), ("list", Where("name", "none"), "x")])
def test_a_path_that_leads_nowhere_is_refused_by_name(path: Any) -> None:
    with pytest.raises(ValueError, match=r"a is no mapping|list\[name=none\]"):
        setting({"a": 1, "list": []}, path, "x")
