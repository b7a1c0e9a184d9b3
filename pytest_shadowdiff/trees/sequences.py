"""The longest common subsequence of two lists of tokens, as far as it can be had in about linear time.

Myers' O(ND) for what differs little (An O(ND) Difference Algorithm and Its Variations, 1986), patience anchors
(tokens that stand once on either side, longest increasing run) for what is long.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence

from pytest_shadowdiff.trees.budget import Budget

Pairs = list[tuple[int, int]]

_SMALL = 300
_MOST_EDITS = 2 * _SMALL
_MOST_EDITS_WHEN_LONG = 48


def common(a: Sequence[Hashable], b: Sequence[Hashable], budget: Budget) -> Pairs:
    """Pairs of positions with equal tokens, rising on both sides; near the longest such list, and often it."""
    if not a or not b:
        return []
    if len(a) <= _SMALL and len(b) <= _SMALL:
        return _edits(a, b, _MOST_EDITS, budget) or []
    anchors = _anchors(a, b, budget)
    if not anchors:
        return _edits(a, b, _MOST_EDITS_WHEN_LONG, budget) or []
    pairs: Pairs = []
    here, there = 0, 0
    for i, j in [*anchors, (len(a), len(b))]:
        pairs.extend(_between(a, b, (here, i), (there, j), budget))
        if i < len(a):
            pairs.append((i, j))
        here, there = i + 1, j + 1
    return pairs


def _between(a: Sequence[Hashable], b: Sequence[Hashable], rows: tuple[int, int], columns: tuple[int, int], budget: Budget) -> Pairs:
    (top, bottom), (left, right) = rows, columns
    if top == bottom or left == right:
        return []
    small = bottom - top <= _SMALL and right - left <= _SMALL
    found = _edits(a[top:bottom], b[left:right], _MOST_EDITS if small else _MOST_EDITS_WHEN_LONG, budget)
    return [(top + i, left + j) for i, j in found or []]


def _anchors(a: Sequence[Hashable], b: Sequence[Hashable], budget: Budget) -> Pairs:
    count_a = Counter(a)
    budget.look()
    count_b = Counter(b)
    budget.look()
    place = {token: j for j, token in enumerate(b) if count_b[token] == 1}
    once = [(i, place[token]) for i, token in enumerate(a) if count_a[token] == 1 and token in place]
    return rising(once, budget)


def rising(pairs: Pairs, budget: Budget) -> Pairs:
    """The longest part of `pairs`, which rise on the left, that rises on the right too."""
    tops: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for n, (_, j) in enumerate(pairs):
        budget.spend()
        at = bisect_left(tops, j)
        before.append(ends[at - 1] if at else -1)
        if at == len(tops):
            tops.append(j)
            ends.append(n)
        else:
            tops[at] = j
            ends[at] = n
    chain: Pairs = []
    n = ends[-1] if ends else -1
    while n >= 0:
        chain.append(pairs[n])
        n = before[n]
    return chain[::-1]


def _edits(a: Sequence[Hashable], b: Sequence[Hashable], most: int, budget: Budget) -> Pairs | None:
    """The common subsequence by the fewest edits; None where that takes more than `most`."""
    rows, columns = len(a), len(b)
    furthest: dict[int, int] = {1: 0}
    trace: list[dict[int, int]] = []
    for edits in range(min(most, rows + columns) + 1):
        trace.append(dict(furthest))
        budget.spend(2 * edits + 1)
        for diagonal in range(-edits, edits + 1, 2):
            down = diagonal == -edits or (diagonal != edits and furthest.get(diagonal - 1, -1) < furthest.get(diagonal + 1, -1))
            x = furthest.get(diagonal + 1, 0) if down else furthest.get(diagonal - 1, 0) + 1
            y = x - diagonal
            start = x
            while x < rows and y < columns and a[x] == b[y]:
                x += 1
                y += 1
            if x != start:
                budget.spend(x - start)
            furthest[diagonal] = x
            if x >= rows and y >= columns:
                return _walked_back(trace, rows, columns)
    return None


def _walked_back(trace: list[dict[int, int]], x: int, y: int) -> Pairs:
    pairs: Pairs = []
    for edits in range(len(trace) - 1, -1, -1):
        furthest = trace[edits]
        diagonal = x - y
        down = diagonal == -edits or (diagonal != edits and furthest.get(diagonal - 1, -1) < furthest.get(diagonal + 1, -1))
        came_from = diagonal + 1 if down else diagonal - 1
        left = furthest.get(came_from, 0)
        top = left - came_from
        while x > left and y > top and x > 0 and y > 0:
            if edits and (x, y) == ((left, top + 1) if down else (left + 1, top)):
                break
            x -= 1
            y -= 1
            pairs.append((x, y))
        x, y = left, top
    return pairs[::-1]
