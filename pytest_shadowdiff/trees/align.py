"""Two lists -> which elements belong together, which are lost or gained, and whether the order changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import eq

from pytest_shadowdiff.rules import Marks
from pytest_shadowdiff.trees.budget import Budget
from pytest_shadowdiff.trees.sequences import Pairs, common, rising
from pytest_shadowdiff.trees.tokens import token, tokens
from pytest_shadowdiff.trees.values import same, same_types

_IDENTIFIERS = ("id", "_id", "uuid", "guid", "key", "code", "sku", "slug", "name", "path", "url", "href", "email")
_IDENTIFIERS_SET = frozenset(_IDENTIFIERS)
_MOST_CELLS = 1024
_ENOUGH = 0.5
_FEW = 4
_MOST_FIXED = 200_000


@dataclass(slots=True)
class Alignment:
    """How two lists belong together; elements that are plainly the same are left out.

    Attributes:
        pairs: positions (primary, candidate) of elements that belong together and have to be compared.
        missing: positions of the primary's elements that the candidate lost.
        added: positions of the candidate's elements that the primary lacks.
        reordered: elements that belong together stand in another order.
    """

    pairs: Pairs = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    reordered: bool = False


class Aligner:
    """Aligns lists within one comparison."""

    def __init__(self, budget: Budget, *, booleans: bool) -> None:
        self._budget = budget
        self._booleans = booleans

    def _same(self, one: object, other: object) -> bool:
        return same(one, other, booleans=self._booleans)

    def align(self, a: list[object], b: list[object], marks: Marks | None, *, key: str | None = None) -> Alignment:
        """Align two lists.

        Args:
            marks: the rules at the lists.
            key: the member that identifies an element, where a rule names it.
        """
        if len(a) == len(b):
            apart = self._apart(a, b)
            if 2 * len(apart) <= len(a):
                return self._in_place(a, b, apart, marks, key)
        start, end = self._common_ends(a, b)
        left, right = a[start : len(a) - end], b[start : len(b) - end]
        found = self._middle(left, right, marks, key)
        self._budget.look()
        return Alignment(
            pairs=sorted((start + i, start + j) for i, j in found.pairs if not self._same(left[i], right[j])),
            missing=sorted(start + i for i in found.missing),
            added=sorted(start + j for j in found.added),
            reordered=found.reordered,
        )

    def _common_ends(self, a: list[object], b: list[object]) -> tuple[int, int]:
        most = min(len(a), len(b))
        start = 0
        while start < most and self._same(a[start], b[start]):
            start += 1
        end = 0
        while end < most - start and self._same(a[-1 - end], b[-1 - end]):
            end += 1
        self._budget.spend(start + end)
        return start, end

    def _middle(self, a: list[object], b: list[object], marks: Marks | None, key: str | None) -> Alignment:
        if not a or not b:
            return Alignment(missing=list(range(len(a))), added=list(range(len(b))))
        if len(a) == len(b) == 1:
            return Alignment(pairs=[(0, 0)])
        return self._directed(a, b, marks, key)

    def _apart(self, a: list[object], b: list[object]) -> list[int]:
        """The positions at which two lists of one length differ."""
        self._budget.spend(len(a))
        alike = list(map(eq, a, b))
        if not self._booleans or same_types(list(compress(a, alike)), list(compress(b, alike))):
            return [n for n, is_alike in enumerate(alike) if not is_alike and not self._same(a[n], b[n])]
        return [n for n, (one, other) in enumerate(zip(a, b, strict=True)) if not self._same(one, other)]

    def _in_place(self, a: list[object], b: list[object], apart: list[int], marks: Marks | None, key: str | None) -> Alignment:
        """Most elements stand where they stood: only those that do not are aligned."""
        if marks is None and key is None and self._plainly_edited([a[n] for n in apart], [b[n] for n in apart]):
            return Alignment(pairs=[(n, n) for n in apart])
        found = self._directed([a[n] for n in apart], [b[n] for n in apart], marks, key)
        crosses = any(abs(apart[i] - apart[j]) != abs(i - j) for i, j in found.pairs)
        return Alignment(
            sorted((apart[i], apart[j]) for i, j in found.pairs if not self._same(a[apart[i]], b[apart[j]])),
            [apart[i] for i in found.missing],
            [apart[j] for j in found.added],
            reordered=found.reordered or crosses,
        )

    def _plainly_edited(self, a: list[object], b: list[object]) -> bool:
        """Whether a few objects are each what they were but for a member or two, and none is another's equal."""
        if len(a) > _FEW:
            return False
        for one, other in zip(a, b, strict=True):
            if not isinstance(one, dict) or not isinstance(other, dict) or one.keys() != other.keys():
                return False
            changed = [name for name in one if one[name] != other[name]]
            if 2 * len(changed) > len(one) or not _IDENTIFIERS_SET.isdisjoint(changed):
                return False
        return not any(one == other for i, one in enumerate(a) for j, other in enumerate(b) if i != j)

    def _directed(self, a: list[object], b: list[object], marks: Marks | None, key: str | None) -> Alignment:
        if len(a) == len(b) == 1:
            return Alignment(pairs=[(0, 0)])
        if _swaps(a, b):  # so that the two directions of a comparison align alike
            other = self._ordered(b, a, marks, key)
            return Alignment([(i, j) for j, i in other.pairs], other.added, other.missing, reordered=other.reordered)
        return self._ordered(a, b, marks, key)

    def _ordered(self, a: list[object], b: list[object], marks: Marks | None, key: str | None) -> Alignment:
        rest = _Rest(len(a), len(b))
        left, right = tokens(a, b, marks, self._budget)
        unique = _unique(left, right, self._budget)
        themselves = left is a and right is b  # values that are their own tokens, so that there is nothing more to compare
        if _same_multiset(left, right, unique=unique):
            if themselves:
                return Alignment(reordered=True)
        elif not unique:
            rest.take(common(left, right, self._budget))
        elif themselves and len(a) > _MOST_FIXED:
            return _of_many(left, right, self._budget)
        self._budget.look()
        equal = _equal(left, right, rest.open_a(), rest.open_b())
        self._budget.look()
        rest.take(equal)
        self._budget.look()
        self._by_members(a, b, rest, key)
        self._budget.look()
        reordered = not rest.rises()
        if rest.open_a() and rest.open_b():
            fixed = rising(sorted(rest.pairs), self._budget) if len(rest.pairs) <= _MOST_FIXED else []
            for run_a, run_b in rest.runs(fixed):
                rest.take(self._by_likeness(a, b, run_a, run_b))
            rest.take(zip(rest.open_a(), rest.open_b(), strict=False))
        return Alignment(
            pairs=rest.pairs,
            missing=rest.open_a(),
            added=rest.open_b(),
            reordered=reordered,
        )

    def _by_members(self, a: list[object], b: list[object], rest: _Rest, key: str | None) -> None:
        """Pair objects by what identifies them, or by the members whose values are found again."""
        open_a, open_b = rest.open_a(), rest.open_b()
        if not open_a or not open_b:
            return
        left = {i: element for i in open_a if isinstance(element := a[i], dict)}
        right = {j: element for j in open_b if isinstance(element := b[j], dict)}
        names = self._telling(list(left.values()), list(right.values()), key)
        if not names:
            return
        made_a = [self._projected(each, names) for each in left.values()]
        made_b = [self._projected(each, names) for each in right.values()]
        at_a, at_b = list(left), list(right)
        rest.take((at_a[i], at_b[j]) for i, j in common(made_a, made_b, self._budget))
        if len(names) == 1:
            taken_a, taken_b = rest.taken()
            free_a = [n for n, i in enumerate(at_a) if i not in taken_a]
            free_b = [m for m, j in enumerate(at_b) if j not in taken_b]
            rest.take((at_a[n], at_b[m]) for n, m in _equal(made_a, made_b, free_a, free_b))

    def _telling(self, left: Sequence[dict[str, object]], right: Sequence[dict[str, object]], key: str | None) -> tuple[str, ...]:
        """The member that identifies elements, or else those whose values mostly stand on both sides."""
        if not left or not right:
            return ()
        if key is not None:
            return (key,)
        found: list[str] = []
        for name in left[0]:
            count_a, count_b = self._values(left, name), self._values(right, name)
            shared = sum((count_a & count_b).values())
            if shared < _ENOUGH * min(len(left), len(right)) or shared == 0:
                continue
            if name.lower() in _IDENTIFIERS and len(count_a) == len(left) and len(count_b) == len(right):
                return (name,)
            found.append(name)
        return tuple(found)

    def _values(self, elements: Sequence[dict[str, object]], name: str) -> Counter[int]:
        return Counter(token(each[name], None, self._budget) for each in elements if name in each)

    def _projected(self, element: dict[str, object], names: tuple[str, ...]) -> tuple[int | None, ...]:
        return tuple(token(element[name], None, self._budget) if name in element else None for name in names)

    def _by_likeness(self, a: list[object], b: list[object], run_a: Sequence[int], run_b: Sequence[int]) -> Iterable[tuple[int, int]]:
        if len(run_a) == len(run_b) or len(run_a) * len(run_b) > _MOST_CELLS:
            return zip(run_a, run_b, strict=False)
        likeness = [[self._likeness(a[i], b[j]) for j in run_b] for i in run_a]
        return [(run_a[n], run_b[m]) for n, m in _best_path(likeness)]

    def _likeness(self, one: object, other: object) -> float:
        self._budget.spend()
        if type(one) is not type(other):
            return 0.001
        if isinstance(one, dict) and isinstance(other, dict):
            shared = one.keys() & other.keys()
            self._budget.spend(len(shared))
            alike = sum(1 for name in shared if self._same(one[name], other[name]))
            return 0.01 + (alike + 0.1 * len(shared)) / (1 + max(len(one), len(other)))
        return 0.01


class _Rest:
    """What has been paired, and what has not."""

    def __init__(self, length_a: int, length_b: int) -> None:
        self.pairs: Pairs = []
        self._taken_a = bytearray(length_a)
        self._taken_b = bytearray(length_b)

    def take(self, pairs: Iterable[tuple[int, int]]) -> None:
        for i, j in pairs:
            if not (self._taken_a[i] or self._taken_b[j]):
                self._taken_a[i] = self._taken_b[j] = 1
                self.pairs.append((i, j))

    def rises(self) -> bool:
        """Whether what was paired stands in the same order on both sides."""
        before = -1
        for _, j in sorted(self.pairs):
            if j < before:
                return False
            before = j
        return True

    def taken(self) -> tuple[set[int], set[int]]:
        return {i for i, is_taken in enumerate(self._taken_a) if is_taken}, {j for j, is_taken in enumerate(self._taken_b) if is_taken}

    def open_a(self) -> list[int]:
        return [i for i, is_taken in enumerate(self._taken_a) if not is_taken]

    def open_b(self) -> list[int]:
        return [j for j, is_taken in enumerate(self._taken_b) if not is_taken]

    def runs(self, fixed: Pairs) -> list[tuple[list[int], list[int]]]:
        """What is open between one fixed pair and the next, on either side."""
        runs = []
        here, there = 0, 0
        for i, j in [*fixed, (len(self._taken_a), len(self._taken_b))]:
            left = [n for n in range(here, i) if not self._taken_a[n]]
            right = [m for m in range(there, j) if not self._taken_b[m]]
            if left and right:
                runs.append((left, right))
            here, there = i + 1, j + 1
        return runs


def _of_many(left: Sequence[Hashable], right: Sequence[Hashable], budget: Budget) -> Alignment:
    """Very many single values, none of them twice: told by sets, without a pair for each."""
    in_left, in_right = set(left), set(right)
    budget.look()
    lost = [i for i, value in enumerate(left) if value not in in_right]
    gained = [j for j, value in enumerate(right) if value not in in_left]
    budget.look()
    kept, others = [value for value in left if value in in_right], [value for value in right if value in in_left]
    changed = min(len(lost), len(gained))
    pairs = list(zip(lost[:changed], gained[:changed], strict=True))
    return Alignment(pairs, lost[changed:], gained[changed:], reordered=kept != others)


def _unique(left: Sequence[Hashable], right: Sequence[Hashable], budget: Budget) -> bool:
    """Whether no token stands twice on a side, so that equal ones belong together wherever they stand."""
    budget.look()
    return len(set(left)) == len(left) and len(set(right)) == len(right)


def _same_multiset(left: Sequence[Hashable], right: Sequence[Hashable], *, unique: bool) -> bool:
    if len(left) != len(right):
        return False
    once, other = set(left), set(right)
    return once == other and (unique or Counter(left) == Counter(right))


def _equal(left: Sequence[Hashable], right: Sequence[Hashable], open_a: Sequence[int], open_b: Sequence[int]) -> Pairs:
    """Pairs of equal tokens, wherever they stand, the first with the first."""
    last = {right[j]: j for j in open_b}
    if len(last) == len(open_b):
        return [(i, last.pop(left[i])) for i in open_a if left[i] in last]
    places: defaultdict[Hashable, list[int]] = defaultdict(list)
    for j in reversed(open_b):
        places[right[j]].append(j)
    return [(i, places[left[i]].pop()) for i in open_a if places.get(left[i])]


def _best_path(likeness: list[list[float]]) -> Pairs:
    """The rising pairs with the greatest sum."""
    rows, columns = len(likeness), len(likeness[0])
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], best[i + 1][j + 1] + likeness[i][j])
    pairs: Pairs = []
    i = j = 0
    while i < rows and j < columns:
        if best[i][j] == best[i + 1][j + 1] + likeness[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _swaps(a: list[object], b: list[object]) -> bool:
    if len(a) != len(b):
        return len(a) > len(b)
    for one, other in zip(a[:8], b[:8], strict=True):
        left, right = _sketch(one), _sketch(other)
        if left != right:
            return left > right
    return False


def _sketch(value: object) -> str:
    if isinstance(value, dict):
        return "object " + " ".join(
            f"{name} {_sketch(member)}" for name, member in sorted(value.items())[:8] if not isinstance(member, (dict, list))
        )
    if isinstance(value, list):
        return f"array {len(value)}"
    return f"{type(value).__name__} {str(value)[:64]}"
