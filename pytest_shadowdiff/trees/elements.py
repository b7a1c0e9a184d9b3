"""Two trees of elements -> where they differ, by XPath: names, attributes, text, children in their order.

An element is an object: `""` holds its name, `@NAME` an attribute, `#` its children, which are elements and texts. A processing
instruction is one too, whose name is its step in an XPath; its text stands at `@`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_shadowdiff.model import Kind
from pytest_shadowdiff.rules import Decision
from pytest_shadowdiff.trees.align import Aligner
from pytest_shadowdiff.trees.budget import Budget, too_deep
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.tolerance import within

Element = dict[str, Any]
Said = Mapping[tuple[int, str], Decision]

NAME = ""
CHILDREN = "#"
INSTRUCTION = "@"


@dataclass(frozen=True, slots=True)
class Markup:
    """A document of elements.

    Attributes:
        said: what rules say of an element (by its identity and ""), its attribute (`@NAME`) or its text (`#`).
        around: the processing instructions before and after the root.
    """

    root: Element
    said: dict[tuple[int, str], Decision] = field(default_factory=dict)
    around: list[Element] = field(default_factory=list)


def differences(primary: Markup, candidate: Markup, budget: Budget) -> list[Found]:
    """Where two documents of elements mean something else, in the order of the document.

    Raises:
        IncompleteError: a limit was reached.
    """
    try:
        return _Walk({**primary.said, **candidate.said}, budget).run(primary, candidate)
    except RecursionError:
        raise too_deep(budget.limits) from None


@dataclass(frozen=True, slots=True)
class _Step:
    one: Any
    other: Any
    path: str
    depth: int
    ignored: Decision | None


class _Walk:
    def __init__(self, said: Said, budget: Budget) -> None:
        self._said = said
        self._budget = budget
        self._aligner = Aligner(budget, booleans=False)
        self._found: list[Found] = []
        self._stack: list[_Step] = []

    def run(self, primary: Markup, candidate: Markup) -> list[Found]:
        one, other = primary.root, candidate.root
        if one != other:
            self._stack.append(_Step(one, other, f"/{one[NAME]}", 1, None))
        if primary.around != candidate.around:
            self._children(_Step(None, None, "", 0, None), primary.around, candidate.around, None)
        while self._stack:
            self._visit(self._stack.pop())
        return self._found

    def _visit(self, step: _Step) -> None:
        self._budget.spend()
        self._budget.descend(step.depth)
        one, other = step.one, step.other
        if isinstance(one, dict) and isinstance(other, dict) and one[NAME] == other[NAME]:
            self._elements(step)
        elif one is None or other is None:
            self._emit(Kind.ADDED if one is None else Kind.MISSING, step, _shown(one), _shown(other), self._of(one, other, NAME))
        else:
            kind = Kind.VALUE_CHANGED if isinstance(one, str) and isinstance(other, str) else Kind.TYPE_CHANGED
            self._emit(kind, step, _shown(one), _shown(other), None)

    def _elements(self, step: _Step) -> None:
        one, other = step.one, step.other
        decision = self._of(one, other, NAME)
        ignored = step.ignored or (decision if decision is not None and decision.action == "ignore" else None)
        here = _Step(one, other, step.path, step.depth, ignored)
        for name in [*one, *(name for name in other if name not in one)]:
            if name.startswith("@") and one.get(name) != other.get(name):
                kind = Kind.ADDED if name not in one else Kind.MISSING if name not in other else Kind.VALUE_CHANGED
                path = step.path if name == INSTRUCTION else f"{step.path}/{name}"
                place = _Step(one, other, path, step.depth, ignored)
                self._emit(kind, place, one.get(name), other.get(name), self._of(one, other, name))
        if one.get(CHILDREN) != other.get(CHILDREN):
            self._children(here, one.get(CHILDREN, []), other.get(CHILDREN, []), decision)

    def _children(self, step: _Step, one: list[Any], other: list[Any], decision: Decision | None) -> None:
        self._budget.look()
        unordered = decision.unordered if decision is not None else None
        found = self._aligner.align(one, other, None, key=f"@{unordered.key}" if unordered is not None and unordered.key else None)
        if found.reordered:
            self._emit(Kind.REORDERED, step, _names(one), _names(other), decision if unordered is not None else None)
        ours, theirs = _places(one), _places(other)
        steps = [(i, self._below(step, one[i], other[j], ours[i])) for i, j in found.pairs]
        steps += [(i, self._below(step, one[i], None, ours[i])) for i in found.missing]
        steps += [(j, self._below(step, None, other[j], theirs[j])) for j in found.added]
        steps.sort(key=lambda each: each[0])
        self._stack.extend(below for _, below in reversed(steps))

    def _below(self, step: _Step, one: object, other: object, place: str) -> _Step:
        text = self._of(step.one, step.other, CHILDREN) if isinstance(one, str) or isinstance(other, str) else None
        ignored = step.ignored or text
        return _Step(one, other, f"{step.path}/{place}", step.depth + 1, ignored)

    def _of(self, one: object, other: object, what: str) -> Decision | None:
        if not self._said:
            return None
        said = [self._said[key] for key in ((id(one), what), (id(other), what)) if key in self._said]
        return min(said, key=lambda decision: decision.rank, default=None)

    def _emit(self, kind: Kind, step: _Step, one: object, other: object, own: Decision | None) -> None:
        decision = step.ignored if own is None or (step.ignored is not None and step.ignored.rank <= own.rank) else own
        if decision is not None and decision.tolerance is not None and not within(one, other, decision.tolerance):
            decision = None
        if decision is not None and decision.action == "unordered" and kind is not Kind.REORDERED:
            decision = None
        name = step.path.rpartition("/")[2].lstrip("@")
        self._found.append(Found(step.path, kind, one, other, name, decision.rule if decision is not None else None))


def _places(children: list[Any]) -> list[str]:
    """Each child's step in an XPath: its name, and its number where it is not the only one of that name."""
    names = [child[NAME] if isinstance(child, dict) else "text()" for child in children]
    counts = Counter(names)
    seen: Counter[str] = Counter()
    places = []
    for name in names:
        seen[name] += 1
        places.append(f"{name}[{seen[name]}]" if counts[name] > 1 else name)
    return places


def _names(children: list[Any]) -> list[str]:
    return [child[NAME] if isinstance(child, dict) else child for child in children]


def _shown(node: object) -> object:
    """A text as it is; an element as its markup would read, cut where it is long."""
    if not isinstance(node, dict):
        return node
    return _markup(node, 20)[:400]


def _markup(element: Element, left: int) -> str:
    if INSTRUCTION in element:
        return f"<?{element[NAME].split(chr(39))[1]} {element[INSTRUCTION]}?>"
    attributes = "".join(f' {name[1:]}="{value}"' for name, value in element.items() if name.startswith("@"))
    children = element.get(CHILDREN, [])
    if left <= 0:
        return f"<{element[NAME]}{attributes}>…"
    inner = "".join(child if isinstance(child, str) else _markup(child, left - 1) for child in children[:50])
    return f"<{element[NAME]}{attributes}>{inner}</{element[NAME]}>" if children else f"<{element[NAME]}{attributes}/>"
