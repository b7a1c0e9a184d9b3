"""Small edits of a dictionary that can be taken back one by one, whatever others have edited since. Pure: values in, values out.

An edit says what was there before, so that taking it back is the identity where nobody else wrote, and leaves
alone what somebody else wrote in the meantime. A list is never replaced: elements are put in and taken out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

Document = dict[str, Any]


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"

    def __copy__(self) -> _Absent:
        return self

    def __deepcopy__(self, _memo: object) -> _Absent:
        return self


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Where:
    """The element of a list whose field `key` is `value`: positions move when others edit."""

    key: str
    value: str


Step = str | Where
Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit, with all that is needed to take it back.

    Attributes:
        path: to the field that is set, or to the list that an element is put into.
        before: what the field was; `ABSENT` where there was none, and for an element.
        after: what the field becomes, or the element.
        index: where the element goes; beyond the end is the end.
        key: the element's field that identifies it even where others edit it; without one its content does.
        made: how many containers at the end of the path this edit makes (the list included); they go with it once empty.
    """

    action: Literal["set", "insert"]
    path: Path
    before: Any
    after: Any
    index: int = 0
    key: str | None = None
    made: int = 0


def setting(document: Mapping[str, Any], path: Path, value: Any) -> tuple[Edit, ...]:  # noqa: ANN401 (any JSON)
    """The edits that make the field at `path` hold `value`: of a mapping each field by itself, the others stay.

    Raises:
        ValueError: the path leads through something that is no mapping, or through an element that is not there.
    """
    found = _look(document, path)
    if isinstance(value, Mapping) and value and (isinstance(found, Mapping) or found is ABSENT):
        edits: list[Edit] = []
        current: Document = copy.deepcopy(dict(document))
        for key, inner in value.items():
            more = setting(current, (*path, key), inner)
            current = apply(current, more)
            edits += more
        return tuple(edits)
    if found is not ABSENT and _equal(found, value):
        return ()
    return (Edit("set", path, copy.deepcopy(found), copy.deepcopy(value), made=_to_make(document, path[:-1], Mapping)),)


def inserting(document: Mapping[str, Any], path: Path, element: Any, *, index: int = 0, key: str | None = None) -> Edit:  # noqa: ANN401
    """The edit that puts an element into the list at `path`, which is made where it is not there.

    Raises:
        ValueError: at the path is something else than a list, or the list has such an element already, which
            taking this one back could not tell from ours.
    """
    edit = Edit("insert", path, ABSENT, copy.deepcopy(element), index=index, key=key, made=_to_make(document, path, list))
    found = _look(document, path)
    if found is not ABSENT and _position(found, edit) is not None:
        message = f"{spell(path)} has such an element already"
        raise ValueError(message)
    return edit


def apply(document: Mapping[str, Any], edits: Sequence[Edit]) -> Document:
    """The document with the edits made, in their order; the one that was given stays as it is."""
    changed = copy.deepcopy(dict(document))
    for edit in edits:
        if edit.action == "insert":
            _container(changed, edit.path, list).insert(edit.index, copy.deepcopy(edit.after))
        else:
            _container(changed, edit.path[:-1], dict)[cast("str", edit.path[-1])] = copy.deepcopy(edit.after)
    return changed


def restore(document: Mapping[str, Any], edits: Sequence[Edit]) -> tuple[Document, tuple[str, ...]]:
    """The document with the edits taken back, newest first, and the paths that were left since others changed them.

    An edit that is not there (never made, or taken back before) changes nothing.
    """
    changed = copy.deepcopy(dict(document))
    left = [spell(edit.path) for edit in reversed(edits) if not _take_back(changed, edit)]
    return changed, tuple(left)


def visible(document: Mapping[str, Any], edits: Sequence[Edit]) -> bool:
    """Whether any of the edits is in the document."""
    return restore(document, edits)[0] != dict(document)


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> Document:
    """The least JSON merge patch (RFC 7396) that turns one into the other; lists whole, as it knows no other way.

    Raises:
        ValueError: `after` has a null where `before` has none: a merge patch cannot say that.
    """
    patch: Document = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key in before and _equal(before[key], value):
            continue
        if isinstance(value, Mapping) and isinstance(before.get(key), Mapping):
            patch[key] = merge_patch(before[key], value)
        elif value is None:
            message = f"a merge patch cannot set {key!r} to null"
            raise ValueError(message)
        else:
            patch[key] = copy.deepcopy(value)
    return patch


def spell(path: Path) -> str:
    """A path for people: `spec.http`, `spec.rules[name=ours].filters`."""
    text = ""
    for step in path:
        text += f"[{step.key}={step.value}]" if isinstance(step, Where) else f".{step}"
    return text.removeprefix(".")


def to_json(edit: Edit) -> Document:
    """An edit as JSON, for the journal."""
    written: Document = {
        "action": edit.action,
        "path": [[step.key, step.value] if isinstance(step, Where) else step for step in edit.path],
        "after": edit.after,
    }
    if edit.before is not ABSENT:
        written["before"] = edit.before
    if edit.made:
        written["made"] = edit.made
    if edit.action == "insert":
        written["index"] = edit.index
        if edit.key is not None:
            written["key"] = edit.key
    return written


def from_json(written: Mapping[str, Any]) -> Edit:
    """An edit from the journal.

    Raises:
        ValueError: it is no edit.
    """
    try:
        path = tuple(step if isinstance(step, str) else Where(*step) for step in written["path"])
        action = written["action"]
        if action not in ("set", "insert"):
            raise ValueError(action)
        return Edit(
            action,
            path,
            written.get("before", ABSENT),
            written["after"],
            index=written.get("index", 0),
            key=written.get("key"),
            made=written.get("made", 0),
        )
    except (KeyError, TypeError) as error:
        message = f"no edit: {error!r}"
        raise ValueError(message) from None


def _take_back(document: Document, edit: Edit) -> bool:
    """Take it back in place; whether that went, or there was nothing to take back."""
    if edit.action == "insert":
        found = _look(document, edit.path)
        if not isinstance(found, list):
            return True
        position = _position(found, edit)
        if position is None:
            return True
        del found[position]
        _prune(document, edit.path, edit.made)
        return True
    found = _look(document, edit.path)
    if found is ABSENT or (edit.before is not ABSENT and _equal(found, edit.before)):
        return True
    if not (_holds(found, edit.after) if isinstance(found, list) else _equal(found, edit.after)):
        return False
    field = cast("str", edit.path[-1])
    parent = _look(document, edit.path[:-1])
    if edit.before is ABSENT:
        del parent[field]
        _prune(document, edit.path[:-1], edit.made)
    else:
        parent[field] = copy.deepcopy(edit.before)
    return True


def _position(elements: Sequence[Any], edit: Edit) -> int | None:
    if edit.key is not None:
        mine = edit.after.get(edit.key)
        same = [n for n, each in enumerate(elements) if isinstance(each, Mapping) and each.get(edit.key) == mine]
        return same[0] if same else None
    exact = [n for n, each in enumerate(elements) if _equal(each, edit.after)]
    grown = exact or [n for n, each in enumerate(elements) if _holds(each, edit.after)]
    if not grown:
        return None
    return min(grown, key=lambda n: abs(n - edit.index))


def _prune(document: Document, path: Path, made: int) -> None:
    """Remove what the edit had made around its field, from the inside, as far as it is empty."""
    for length in range(len(path), len(path) - made, -1):
        if _look(document, path[:length]) not in ({}, []):
            return
        del _look(document, path[: length - 1])[cast("str", path[length - 1])]


def _holds(current: Any, ours: Any) -> bool:  # noqa: ANN401 (any JSON)
    """Whether it is ours, perhaps with fields that the API server filled in."""
    if isinstance(ours, Mapping):
        return isinstance(current, Mapping) and all(key in current and _holds(current[key], ours[key]) for key in ours)
    if isinstance(ours, list):
        return isinstance(current, list) and len(current) == len(ours) and all(map(_holds, current, ours))
    return _equal(current, ours)


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401 (any JSON)
    """Equal as JSON: true is not 1."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _look(document: Any, path: Path) -> Any:  # noqa: ANN401 (any JSON)
    current = document
    for step in path:
        if isinstance(step, Where):
            elements = current if isinstance(current, list) else []
            current = next((each for each in elements if isinstance(each, Mapping) and each.get(step.key) == step.value), ABSENT)
        else:
            current = current.get(step, ABSENT) if isinstance(current, Mapping) else ABSENT
        if current is ABSENT:
            return ABSENT
    return current


def _to_make(document: Mapping[str, Any], path: Path, kind: type[Any]) -> int:
    """How many containers at the path's end, the last of that kind, are not there yet."""
    there = len(path)
    while there and _look(document, path[:there]) is ABSENT:
        there -= 1
    if any(isinstance(step, Where) for step in path[there:]):
        message = f"{spell(path)} is not there"
        raise ValueError(message)
    if not isinstance(_look(document, path[:there]), Mapping if there < len(path) else kind):
        message = f"{spell(path[:there])} is no {'mapping' if there < len(path) or kind is not list else 'list'}"
        raise ValueError(message)  # noqa: TRY004 (the value of a document, no type of ours)
    return len(path) - there


def _container(document: Document, path: Path, kind: type[dict[str, Any] | list[Any]]) -> Any:  # noqa: ANN401 (a list or a mapping)
    current: Any = document
    for number, step in enumerate(path):
        following = _look(current, (step,))
        if following is ABSENT:
            following = kind() if number == len(path) - 1 else {}
            current[step] = following
        current = following
    return current
