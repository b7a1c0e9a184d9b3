"""What is counted of an endpoint's pairs: durations, values, numbers, each in a form that adds up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = frozenset({"null", "absent", "a number", "text", "a list", "an object"})
"""What values are counted as whose own number is not bounded, or means nothing."""
SIDES = ("primary", "candidate")
_STEADY = 1.0
"""Von Neumann's ratio is 2 for independent draws; below this, neighbours are alike, and their number proves nothing."""
_MOST_VALUES = 32
_GROWTH = math.log(1.02)


@dataclass(slots=True)
class Durations:
    """A sketch of durations: counts in buckets that are 2 % wide, so a percentile is right to 1 %."""

    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, seconds: float) -> None:
        """Count one duration, in seconds."""
        bucket = math.ceil(math.log(max(seconds, 1e-6)) / _GROWTH)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def merge(self, other: Durations) -> None:
        """Add what another sketch has counted."""
        _add_up(self.buckets, other.buckets)

    def percentile(self, share: float) -> float | None:
        """The duration that `share` (0 to 1) of all do not exceed, in seconds; None where nothing was counted."""
        left = math.ceil(share * sum(self.buckets.values()))
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                return math.exp((bucket - 0.5) * _GROWTH)
        return None


@dataclass(slots=True)
class Shift:
    """Numbers in pairs: by how much the candidate's is larger, and how that is spread.

    Attributes:
        more, less: pairs in which the candidate's number is the larger, or the smaller.
        total, squares: of the differences.
        ours, ours_squares: of the primary's numbers.
        steps, count: squared steps from one difference to the next, and how many.
    """

    more: int = 0
    less: int = 0
    total: float = 0.0
    squares: float = 0.0
    ours: float = 0.0
    ours_squares: float = 0.0
    steps: float = 0.0
    count: int = 0
    _last: float | None = None

    def add(self, primary: float, candidate: float) -> None:
        """Count one pair of numbers."""
        apart = candidate - primary
        self.more += apart > 0
        self.less += apart < 0
        self.total += apart
        self.squares += apart * apart
        self.ours += primary
        self.ours_squares += primary * primary
        if self._last is not None:
            self.steps += (apart - self._last) ** 2
            self.count += 1
        self._last = apart

    def merge(self, other: Shift) -> None:
        """Add what another process has counted."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def pairs(self) -> int:
        """How many pairs do not agree."""
        return self.more + self.less

    def independent(self) -> bool:
        """Whether neighbours are no more alike than any two: they are in a clock that drifts, a counter, or what is kept for a while."""
        spread = self.squares - self.total**2 / max(self.pairs, 1)
        return self.count > 0 and (spread <= 0 or self.steps / self.count >= _STEADY * spread / max(self.pairs, 1))

    def deviation(self) -> float:
        """The standard deviation of the primary's numbers."""
        pairs = max(self.pairs, 1)
        return math.sqrt(max(self.ours_squares / pairs - (self.ours / pairs) ** 2, 0.0))


SUMS = ("more", "less", "total", "squares", "ours", "ours_squares", "steps", "count")


@dataclass(slots=True)
class Field:
    """One field, in the pairs whose answers do not agree there.

    Attributes:
        values: by value, in how many of those pairs the primary, and the candidate, showed it, and in how many runs of pairs without a gap.
        open: there are too many values to count, but for their kinds.
        numbers: where both are numbers.
    """

    values: dict[str, list[int]] = field(default_factory=dict)
    open: bool = False
    numbers: Shift = field(default_factory=Shift)
    _seen: dict[tuple[str, int], int] = field(default_factory=dict)

    def count(self, value: str, side: int, pair: int) -> None:
        """Count a value on a side, in the pair of that number."""
        if self.open and value not in KINDS:
            return
        counts = self.values.setdefault(value, [0, 0, 0, 0])
        counts[side] += 1
        counts[side + 2] += self._seen.get((value, side)) not in (pair - 1, pair)
        self._seen[value, side] = pair
        self._bound()

    def merge(self, other: Field) -> None:
        """Add what another process has counted."""
        self.numbers.merge(other.numbers)
        self.open = self.open or other.open
        for value, counts in other.values.items():
            self.values[value] = [one + more for one, more in zip(self.values.get(value, [0, 0, 0, 0]), counts, strict=True)]
        self._bound()

    def _bound(self) -> None:
        self.open = self.open or len(self.values.keys() - KINDS) > _MOST_VALUES
        if self.open and self.values.keys() - KINDS:
            self.values = {value: counts for value, counts in self.values.items() if value in KINDS}
            self._seen = {seen: pair for seen, pair in self._seen.items() if seen[0] in KINDS}


@dataclass(slots=True)
class Endpoint:
    """What was counted at one endpoint.

    Attributes:
        pairs: judged pairs with both answers.
        told: fields that a verdict has named already, or a rule silences.
    """

    pairs: int = 0
    latency: dict[str, Durations] = field(default_factory=lambda: {side: Durations() for side in SIDES})
    fields: dict[str, Field] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)


def _add_up(counts: dict[int, int], others: Mapping[int, int]) -> None:
    for name, count in others.items():
        counts[name] = counts.get(name, 0) + count
