"""Numbers that stand for values while lists are aligned: equal values have equal tokens; the reverse is checked afterwards."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from decimal import Decimal

from pytest_shadowdiff.rules import Marks
from pytest_shadowdiff.trees.budget import Budget
from pytest_shadowdiff.trees.values import Repeated

_IGNORED = 0x1A4E
_MINUS_ONE = 0x1A4F
_NUMBERS = {int, float, Decimal}


def tokens(a: Sequence[object], b: Sequence[object], marks: Marks | None, budget: Budget) -> tuple[Sequence[Hashable], Sequence[Hashable]]:
    """One token an element of two lists; what rules ignore or tolerate does not count.

    Args:
        marks: the rules at the lists themselves.

    Returns:
        The tokens; the lists themselves where their elements, texts alone or numbers alone, stand for themselves.
    """
    budget.spend(len(a) + len(b))
    if marks is None:
        kinds = {*map(type, a), *map(type, b)}
        if kinds == {str} or kinds <= _NUMBERS:
            return a, b
    return _made(a, marks, budget), _made(b, marks, budget)


def _made(elements: Sequence[object], marks: Marks | None, budget: Budget) -> list[int]:
    return [token(each, marks.step(index) if marks else None, budget) for index, each in enumerate(elements)]


def token(value: object, marks: Marks | None, budget: Budget) -> int:
    """The token of one value."""
    kind = type(value)
    if marks is not None:
        decision = marks.decision()
        if decision is not None and decision.action == "ignore":
            return _IGNORED
        if decision is not None and decision.action == "tolerance" and kind is not dict and kind is not list:
            return hash(kind is str)
        unordered = decision is not None and decision.action == "unordered"
    else:
        unordered = False
    if isinstance(value, dict):
        return _object(value, marks, budget)
    if isinstance(value, (list, Repeated)):
        return _list(value, marks, budget, unordered=unordered)
    if kind in _NUMBERS and value == -1:
        return _MINUS_ONE  # Python gives -1 and -2 one hash
    return hash(("boolean", value)) if kind is bool else hash(value)


def _object(members: dict[str, object], marks: Marks | None, budget: Budget) -> int:
    budget.spend(len(members))
    parts = []
    for name, value in members.items():
        onward = marks.step(name) if marks else None
        made = token(value, onward, budget)
        if made != _IGNORED:
            parts.append((name, made))
    return hash(("object", frozenset(parts)))


def _list(elements: Sequence[object], marks: Marks | None, budget: Budget, *, unordered: bool) -> int:
    budget.spend(len(elements))
    parts = []
    for index, value in enumerate(elements):
        parts.append(token(value, marks.step(index) if marks else None, budget))
    if unordered:
        parts.sort()
    return hash(("array", *parts))
