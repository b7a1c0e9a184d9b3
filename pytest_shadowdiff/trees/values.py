"""What single values mean: their type, and whether two of them are the same by exact value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite, isnan
from typing import Any, Final, Literal

import orjson

from pytest_shadowdiff.trees.budget import Budget


class Absent:
    """Nothing is there: not even a null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


class Repeated(tuple[object, ...]):
    """The values of a member whose name stands more than once in its object, in the order of the document."""

    __slots__ = ()


class Enormous(str):
    """A number whose exponent goes beyond what any arithmetic here reaches: its digits and its exponent, normalised."""

    __slots__ = ()


ABSENT: Final = Absent()
_MOST_SHOWN = 100
_NAN = float("nan")

Type = Literal["null", "boolean", "number", "string", "array", "object", "repeated", "other"]

_TYPES: dict[type, Type] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    Decimal: "number",
    Enormous: "number",
    str: "string",
    list: "array",
    dict: "object",
    Repeated: "repeated",
}


def type_of(value: object) -> Type:
    """The type of a value, in JSON's terms."""
    return _TYPES.get(type(value), "other")


def same_scalars(a: object, b: object) -> bool:
    """Whether two values that are not containers are the same: `1` is `1.0`, and neither `True` nor `"1"`.

    A float stands for the shortest decimal that reads as it, since a parser that keeps floats has proved
    that nothing was rounded.
    """
    if a is b:
        return True
    kind = type(a)
    if kind is type(b):
        return a == b
    if _TYPES.get(kind) != "number" or _TYPES.get(type(b)) != "number" or kind is Enormous or type(b) is Enormous:
        return False
    return a == b or (_decimal(a) == _decimal(b) and (kind is float or type(b) is float))


def _decimal(number: object) -> Decimal:
    if isinstance(number, float):
        return Decimal(repr(number))
    return Decimal(number) if isinstance(number, int) else Decimal(str(number))


def same(a: object, b: object, *, booleans: bool = True) -> bool:
    """Whether two values are plainly the same, asked in C where it can be; False may still turn out to be no difference.

    Attributes:
        booleans: whether either document holds any, for to Python `True` is `1`, at any depth.
    """
    if a is b:
        return True
    kind = type(a)
    if kind is not dict and kind is not list:
        return kind is not Repeated and same_scalars(a, b)
    if kind is not type(b) or a != b:
        return False
    return not booleans or same_types(a, b)


def same_types(a: object, b: object) -> bool:
    """Whether two containers that Python calls equal hold booleans at the same places."""
    try:
        return orjson.dumps(a) == orjson.dumps(b) or (
            orjson.dumps(a, option=orjson.OPT_SORT_KEYS) == orjson.dumps(b, option=orjson.OPT_SORT_KEYS)
        )
    except (TypeError, RecursionError):  # decimals, big integers, lone surrogates, depth: the walk looks closer
        return False


def plain(value: object) -> object:
    """A value as people and JSON writers expect it: what a float or an int says as exactly is one, in containers too."""
    if isinstance(value, Decimal):
        return _plain_number(value)
    if not isinstance(value, (dict, list, Repeated)):
        return value
    made: Any = {} if isinstance(value, dict) else []
    rest: list[tuple[Any, Any]] = [(value, made)]
    while rest:  # a document may be nested deeper than calls may be
        source, target = rest.pop()
        for key, each in source.items() if isinstance(source, dict) else enumerate(source):
            inner: Any = plain(each) if isinstance(each, Decimal) else each
            if isinstance(each, (dict, list, Repeated)):
                inner = {} if isinstance(each, dict) else []
                rest.append((each, inner))
            if isinstance(target, dict):
                target[key] = inner
            else:
                target.append(inner)
    return made


def repeated(value: object) -> object:
    """The values of a name that stands more than once as one text, which says so: `1, 2 (twice)`; any other value as it is."""
    if not isinstance(value, Repeated):
        return value
    shown = ", ".join(json.dumps(plain(each), ensure_ascii=False, default=str) for each in value[:_MOST_SHOWN])
    times = "twice" if len(value) == 2 else f"{len(value)} times"  # noqa: PLR2004 - so it is said
    return f"{shown}{', …' if len(value) > _MOST_SHOWN else ''} ({times})"


def _plain_number(number: Decimal) -> float | Decimal:
    near = float(number)
    return near if isfinite(near) and Decimal(repr(near)) == number else number


def counted(value: object, most: int) -> int:
    """How many values a document holds, containers not counted unless they are empty; stops beyond `most`."""
    count = 0
    rest = [value]
    while rest and count <= most:
        item = rest.pop()
        if type(item) is dict and item:
            rest.extend(item.values())
        elif type(item) is list and item:
            rest.extend(item)
        else:
            count += 1
    return count


def named(value: object, budget: Budget) -> object:
    """A value as binary formats read it, made into a tree of the walk's types: names are texts, sequences lists.

    Raises:
        IncompleteError: it is nested deeper than `max_depth`, as what refers to itself is without end.
    """
    made: list[Any] = [None]
    rest: list[tuple[Any, Any, Any, int]] = [(value, made, 0, 0)]
    while rest:
        source, target, key, depth = rest.pop()
        budget.spend()
        if isinstance(source, Mapping):
            budget.descend(depth)
            inner: Any = {}
            rest.extend(
                (member, inner, name if isinstance(name, str) else repr(name), depth + 1) for name, member in reversed(list(source.items()))
            )
        elif isinstance(source, (list, tuple, set, frozenset)):
            budget.descend(depth)
            budget.spend(len(source))
            elements = sorted(source, key=repr) if isinstance(source, (set, frozenset)) else source
            inner = [None] * len(elements)
            rest.extend((element, inner, n, depth + 1) for n, element in enumerate(elements))
        else:
            inner = _NAN if isinstance(source, float) and isnan(source) else source
        target[key] = inner
    return made[0]
