"""Two trees of values -> where they differ: one walk over what is not plainly the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_shadowdiff.model import Kind
from pytest_shadowdiff.rules import Decision, Marks
from pytest_shadowdiff.trees.align import Aligner
from pytest_shadowdiff.trees.budget import Budget, too_deep
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.places import Place, written
from pytest_shadowdiff.trees.tolerance import within
from pytest_shadowdiff.trees.values import ABSENT, Repeated, repeated, same, same_scalars, type_of

Unfold = Callable[[str], object]


def _folded(text: str) -> object:
    del text
    return ABSENT


@dataclass(frozen=True, slots=True)
class Ground:
    """What a walk stands on.

    Attributes:
        marks: the rules at the root.
        booleans: whether either document may hold a boolean.
        unfold: a text that is itself a document -> that document, else ABSENT.
        root: how paths begin.
    """

    budget: Budget
    marks: Marks | None = None
    booleans: bool = True
    unfold: Unfold = _folded
    root: str = "$"


def differences(primary: object, candidate: object, ground: Ground) -> list[Found]:
    """Where two documents mean something else, in the order of the document.

    Raises:
        IncompleteError: a limit was reached.
    """
    try:
        return _Walk(ground).run(primary, candidate)
    except RecursionError:
        raise too_deep(ground.budget.limits) from None


_SINGLE = frozenset({str, int, float, bool})
_Step = tuple[object, object, Place, Marks | None]


class _Walk:
    """A walk with a stack of its own, so that the nesting of a document is no nesting of calls."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._budget = ground.budget
        self._aligner = Aligner(ground.budget, booleans=ground.booleans)
        self._found: list[Found] = []
        self._stack: list[_Step] = []

    def run(self, primary: object, candidate: object) -> list[Found]:
        self._stack.append((primary, candidate, Place(), self._ground.marks))
        while self._stack:
            a, b, place, marks = self._stack.pop()
            self._visit(a, b, place, marks)
        return self._found

    def _same(self, a: object, b: object) -> bool:
        return same(a, b, booleans=self._ground.booleans)

    def _visit(self, a: object, b: object, place: Place, marks: Marks | None) -> None:
        self._budget.spend()
        decision = marks.decision() if marks is not None else None
        if a is ABSENT or b is ABSENT:
            self._emit(Kind.ADDED if a is ABSENT else Kind.MISSING, repeated(a), repeated(b), place, decision)
        elif isinstance(a, dict) and isinstance(b, dict):
            self._enter(place)
            self._objects(a, b, place, marks)
        elif isinstance(a, list) and isinstance(b, list):
            self._enter(place)
            self._lists(a, b, place, marks, decision)
        elif isinstance(a, Repeated) or isinstance(b, Repeated):
            self._repeated(a, b, place, marks, decision)
        else:
            self._scalars(a, b, place, marks, decision)

    def _enter(self, place: Place) -> None:
        self._budget.descend(place.depth)
        self._budget.look()

    def _objects(self, a: dict[str, object], b: dict[str, object], place: Place, marks: Marks | None) -> None:
        self._budget.spend(len(a) + len(b))
        steps: list[_Step] = []
        for name, value in a.items():
            other = b.get(name, ABSENT)
            if value is other or (type(value) in _SINGLE and type(other) is type(value) and value == other):
                continue  # most members, so without a call
            if not self._same(value, other):
                steps.append((value, other, Place(place, name), marks.step(name) if marks is not None else None))
        for name, other in b.items():
            if name not in a:
                steps.append((ABSENT, other, Place(place, name), marks.step(name) if marks is not None else None))
        self._stack.extend(reversed(steps))

    def _lists(self, a: list[object], b: list[object], place: Place, marks: Marks | None, decision: Decision | None) -> None:
        unordered = decision.unordered if decision is not None and decision.action == "unordered" else None
        found = self._aligner.align(a, b, marks, key=unordered.key if unordered is not None else None)
        if found.reordered:
            silencing = decision if decision is not None and (unordered is not None or decision.action == "ignore") else None
            self._emit(Kind.REORDERED, a, b, place, silencing)
        steps: list[tuple[int, _Step]] = [(i, (a[i], b[j], *self._below(place, marks, i, j))) for i, j in found.pairs]
        steps += [(i, (a[i], ABSENT, *self._below(place, marks, i, i))) for i in found.missing]
        steps += [(j, (ABSENT, b[j], *self._below(place, marks, j, j))) for j in found.added]
        steps.sort(key=lambda step: step[0])
        self._stack.extend(step for _, step in reversed(steps))

    def _below(self, place: Place, marks: Marks | None, i: int, j: int) -> tuple[Place, Marks | None]:
        return Place(place, i, j), marks.step(i, j) if marks is not None else None

    def _repeated(self, a: object, b: object, place: Place, marks: Marks | None, decision: Decision | None) -> None:
        """A name that stands more than once: value by value where it does so on both sides, else one difference that says so."""
        if isinstance(a, Repeated) and isinstance(b, Repeated) and len(a) == len(b):
            self._stack.extend((one, other, place, marks) for one, other in zip(a, b, strict=True) if not self._same(one, other))
            return
        ignoring = decision if decision is not None and decision.action == "ignore" else None
        self._emit(Kind.VALUE_CHANGED, repeated(a), repeated(b), place, ignoring)

    def _scalars(self, a: object, b: object, place: Place, marks: Marks | None, decision: Decision | None) -> None:
        if same_scalars(a, b):
            return
        if isinstance(a, str) and isinstance(b, str):
            inner, other = self._ground.unfold(a), self._ground.unfold(b)
            if inner is not ABSENT and other is not ABSENT:
                if not self._same(inner, other):
                    self._stack.append((inner, other, place, marks))
                return
        silencing = decision
        if decision is not None and decision.tolerance is not None:
            silencing = decision if within(a, b, decision.tolerance) else None
        kind = Kind.VALUE_CHANGED if type_of(a) == type_of(b) != "other" or type(a) is type(b) else Kind.TYPE_CHANGED
        self._emit(kind, a, b, place, silencing)

    def _emit(self, kind: Kind, a: object, b: object, place: Place, decision: Decision | None) -> None:
        rule = decision.rule if decision is not None and _silences(decision, kind) else None
        primary, candidate = (None if side is ABSENT else side for side in (a, b))
        self._found.append(Found(written(place.keys(), self._ground.root), kind, primary, candidate, place.name(), rule))


def _silences(decision: Decision, kind: Kind) -> bool:
    return decision.action == "ignore" or (decision.action == "tolerance" and kind is Kind.VALUE_CHANGED) or kind is Kind.REORDERED
