"""Paths of rules, followed beside a walk: which rule decides at a place, without evaluating anything on whole documents.

A path of names, indexes, wildcards, slices and descendants is a small automaton that takes one step where the walk takes
one. A path with a filter, or with an index from the end, needs the documents: it is evaluated once on each side, and the
places found make the automaton.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pytest_shadowdiff.model import Rule, Tolerance, Unordered
from pytest_shadowdiff.rules.paths import check, json_path

if TYPE_CHECKING:
    from jsonpath import JSONPath
    from jsonpath.selectors import JSONPathSelector

Key = str | int
Action = Literal["ignore", "tolerance", "unordered"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule says of a place."""

    action: Action
    rule: Rule
    rank: int
    tolerance: Tolerance | None = None
    unordered: Unordered | None = None


class _Cursor(Protocol):
    """How far a path has been followed; None where it cannot match any more."""

    def step(self, key: Key, other: Key) -> _Cursor | None: ...

    def arrived(self) -> bool: ...


class _Steps:
    """Positions in the segments of a path that needs no document."""

    __slots__ = ("_at", "_segments")

    def __init__(self, segments: tuple[_Segment, ...], at: frozenset[int]) -> None:
        self._segments = segments
        self._at = at

    def step(self, key: Key, other: Key) -> _Steps | None:
        segments, onward = self._segments, set()
        for position in self._at:
            if position == len(segments):
                continue
            segment = segments[position]
            if segment.descends:
                onward.add(position)
            if segment.takes(key) or (other != key and segment.takes(other)):
                onward.add(position + 1)
        return _Steps(segments, frozenset(onward)) if onward else None

    def arrived(self) -> bool:
        return len(self._segments) in self._at


class _Found:
    """A place in each document's tree of the places that a query found there."""

    __slots__ = ("_candidate", "_primary")

    def __init__(self, primary: _Branch | None, candidate: _Branch | None) -> None:
        self._primary = primary
        self._candidate = candidate

    def step(self, key: Key, other: Key) -> _Found | None:
        primary = self._primary.below.get(key) if self._primary else None
        candidate = self._candidate.below.get(other) if self._candidate else None
        return _Found(primary, candidate) if primary or candidate else None

    def arrived(self) -> bool:
        return any(branch is not None and branch.here for branch in (self._primary, self._candidate))


class _Branch:
    """A node in the tree of places that were found."""

    __slots__ = ("below", "here")

    def __init__(self) -> None:
        self.here = False
        self.below: dict[Key, _Branch] = {}

    def add(self, keys: Iterable[Key]) -> None:
        branch = self
        for key in keys:
            branch = branch.below.setdefault(key, _Branch())
        branch.here = True


@dataclass(frozen=True, slots=True)
class _Segment:
    """One segment of a path: whether it descends, and the keys that it takes."""

    descends: bool
    names: frozenset[str] = frozenset()
    indexes: frozenset[int] = frozenset()
    slices: tuple[slice, ...] = ()
    anything: bool = False

    def takes(self, key: Key) -> bool:
        if self.anything:
            return True
        if isinstance(key, str):
            return key in self.names
        return key in self.indexes or any(_in_slice(key, each) for each in self.slices)


def _in_slice(index: int, piece: slice) -> bool:
    start, step = piece.start or 0, 1 if piece.step is None else piece.step
    return step > 0 and index >= start and (piece.stop is None or index < piece.stop) and (index - start) % step == 0


@dataclass(frozen=True, slots=True)
class _Entry:
    """One path of one rule."""

    decision: Decision
    query: JSONPath
    segments: tuple[_Segment, ...] | None


class Marks:
    """The rules at a place of a walk; `None` stands for "no rule can say anything here or below"."""

    __slots__ = ("_cursors", "_ignored")

    def __init__(self, cursors: tuple[tuple[Decision, _Cursor], ...], ignored: Decision | None = None) -> None:
        self._cursors = cursors
        self._ignored = ignored

    def step(self, key: Key, other: Key | None = None) -> Marks | None:
        """The rules one step further down."""
        second = key if other is None else other
        ignored = self._best_ignore()
        onward = tuple((decision, moved) for decision, cursor in self._cursors if (moved := cursor.step(key, second)) is not None)
        return Marks(onward, ignored) if onward or ignored else None

    def decision(self) -> Decision | None:
        """What the first rule that names this place says."""
        arrived = [decision for decision, cursor in self._cursors if cursor.arrived()]
        if self._ignored is not None:
            arrived.append(self._ignored)
        return min(arrived, key=_order, default=None)

    def open(self) -> bool:
        """Whether any rule may still name a place below this one."""
        return bool(self._cursors)

    def _best_ignore(self) -> Decision | None:
        ignores = [decision for decision, cursor in self._cursors if decision.action == "ignore" and cursor.arrived()]
        if self._ignored is not None:
            ignores.append(self._ignored)
        return min(ignores, key=_order, default=None)


def _order(decision: Decision) -> tuple[int, int]:
    return decision.rank, 0 if decision.action == "ignore" else 1


class Selection:
    """The rules for one comparison, compiled.

    Args:
        rules: those whose endpoint matches, the first that names a path decides.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._named: dict[str, Decision] = {}
        self._queries: list[_Entry] = []
        self._elements: list[tuple[Decision, str]] = []
        for rank, rule in enumerate(rules):
            for decision, path in _paths(rule, rank):
                self._add(decision, path)

    def _add(self, decision: Decision, path: str) -> None:
        if path.startswith("$"):
            query = json_path(path)
            self._queries.append(_Entry(decision, query, _segments(query)))
        elif path.startswith("/"):
            check(path)
            self._elements.append((decision, path))
        else:
            check(path)
            self._named.setdefault(path.lower(), decision)

    def named(self, path: str) -> Decision | None:
        """What is said of `status`, `body`, `body:LINE`, `header:NAME` or `header:set-cookie:COOKIE`; the whole names its parts."""
        whole = "body" if path.startswith("body:") else "header:set-cookie" if path.startswith("header:set-cookie:") else path
        said = [self._named[each] for each in {path.lower(), whole} if each in self._named]
        return min(said, key=_order, default=None)

    def elements(self) -> Sequence[tuple[Decision, str]]:
        """The XPaths, for those who have a tree of elements."""
        return self._elements

    def marks(self, primary: object, candidate: object) -> Marks | None:
        """The rules at the root of two documents; None where there are none."""
        cursors: list[tuple[Decision, _Cursor]] = []
        for entry in self._queries:
            if entry.segments is not None:
                cursors.append((entry.decision, _Steps(entry.segments, frozenset({0}))))
            else:
                cursors.append((entry.decision, _Found(_located(entry.query, primary), _located(entry.query, candidate))))
        return Marks(tuple(cursors)) if cursors else None


def _paths(rule: Rule, rank: int) -> Iterable[tuple[Decision, str]]:
    for path in rule.ignore:
        yield Decision("ignore", rule, rank), path
    for tolerance in rule.tolerance:
        bound = tolerance if isinstance(tolerance, Tolerance) else Tolerance(**tolerance)
        yield Decision("tolerance", rule, rank, tolerance=bound), bound.path
    for unordered in rule.unordered:
        if isinstance(unordered, str):
            free = Unordered(unordered)
        else:
            free = unordered if isinstance(unordered, Unordered) else Unordered(**unordered)
        yield Decision("unordered", rule, rank, unordered=free), free.path


def _located(query: JSONPath, document: object) -> _Branch:
    root = _Branch()
    if isinstance(document, (dict, list)):
        for match in query.finditer(document):
            root.add(match.parts)
    return root


def _segments(query: JSONPath) -> tuple[_Segment, ...] | None:
    """The segments as an automaton takes them; None where the path needs the documents."""
    from jsonpath.segments import JSONPathRecursiveDescentSegment

    segments = []
    for each in query.segments:
        segment = _segment(each.selectors, descends=isinstance(each, JSONPathRecursiveDescentSegment))
        if segment is None:
            return None
        segments.append(segment)
    return tuple(segments)


def _segment(selectors: Iterable[JSONPathSelector], *, descends: bool) -> _Segment | None:
    from jsonpath.selectors import IndexSelector, NameSelector, SliceSelector, WildcardSelector

    names, indexes, slices, anything = set(), set(), [], False
    for selector in selectors:
        if isinstance(selector, NameSelector):
            names.add(selector.name)
        elif isinstance(selector, IndexSelector) and selector.index >= 0:
            indexes.add(selector.index)
        elif isinstance(selector, SliceSelector) and _counts_from_the_start(selector.slice):
            slices.append(selector.slice)
        elif isinstance(selector, WildcardSelector):
            anything = True
        else:
            return None
    return _Segment(descends, frozenset(names), frozenset(indexes), tuple(slices), anything)


def _counts_from_the_start(piece: slice) -> bool:
    return (piece.start or 0) >= 0 and (piece.stop is None or piece.stop >= 0) and (piece.step is None or piece.step > 0)
