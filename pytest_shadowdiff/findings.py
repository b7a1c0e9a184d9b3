"""What only many requests show: each side's answers to the same requests, counted by endpoint and field, and where the two differ.

Requests come in pairs, so a pair whose answers agree at a field says nothing: what counts is whether those that do not agree
lean to one side. If both versions draw alike, a value stands as often on the left as on the right (an exact sign test, as
McNemar's), and the difference of the two counts is that of the two shares.

Everything adds up: two workers' statistics merged in any order are those of one process that saw all pairs. No body is read;
what varies has been named by the judge already.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_shadowdiff.fields import general, keep
from pytest_shadowdiff.model import Difference, Exchange, Kind, Pair, Verdict

ALPHA = 0.001
"""The probability that a run of two equal versions shows any finding at all, by Holm's correction for the number of tests."""
_LEAST_PAIRS = 20
_LEAST_UNEVEN = 10
"""Pairs that do not agree, below which nothing is said of a field."""
_LEAST_SHARE = 0.1
"""The least difference of two shares."""
_LEAST_SHIFT = 0.3
"""The least shift of a number, in standard deviations of the primary's."""
_LEAST_SLOWER = (2.0, 0.025)
"""How many times slower, and how many seconds, the median answer has to be."""
_LEAST_SIZE = 0.1
_STEADY = 1.0
"""Von Neumann's ratio is 2 for independent draws; below this, neighbours are alike, and their number proves nothing."""
_LEAST_RUNS = 8
_SCATTERED = 0.5
"""A value that is drawn anew each time comes in about as many runs as chance lays; one that is kept for a while, in fewer."""
_DECADE = 3e8
_MOST_ENDPOINTS = 500
_MOST_FIELDS = 100
_MOST_VALUES = 32
_LONGEST = 60
_GROWTH = math.log(1.02)
_SIDES = ("primary", "candidate")


@dataclass(frozen=True, slots=True)
class Finding:
    """A distribution that shifted.

    Attributes:
        path: where: `status`, `latency`, `size`, `header:NAME`, or a path in the body with list positions left out.
        what: one sentence for people.
        p: the probability of a shift this large by chance, corrected for the number of tests.
        primary: what the primary's answers showed.
        candidate: what the candidate's answers showed.
    """

    endpoint: str
    path: str
    what: str
    p: float
    primary: Mapping[str, object]
    candidate: Mapping[str, object]


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
        for name in _SUMS:
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


_SUMS = ("more", "less", "total", "squares", "ours", "ours_squares", "steps", "count")


@dataclass(slots=True)
class Field:
    """One field, in the pairs whose answers do not agree there.

    Attributes:
        values: by value, in how many of those pairs the primary, and the candidate, showed it, and in how many runs of pairs without a
            gap; None where there are too many values to count.
        numbers: where both are numbers.
    """

    values: dict[str, list[int]] | None = field(default_factory=dict)
    numbers: Shift = field(default_factory=Shift)
    _seen: dict[tuple[str, int], int] = field(default_factory=dict)

    def count(self, value: str, side: int, pair: int) -> None:
        """Count a value on a side, in the pair of that number."""
        if self.values is None:
            return
        counts = self.values.setdefault(value, [0, 0, 0, 0])
        counts[side] += 1
        counts[side + 2] += self._seen.get((value, side)) not in (pair - 1, pair)
        self._seen[value, side] = pair
        self._bound()

    def _bound(self) -> None:
        if self.values is not None and len(self.values) > _MOST_VALUES:
            self.values = None
            self._seen.clear()

    def merge(self, other: Field) -> None:
        """Add what another process has counted."""
        self.numbers.merge(other.numbers)
        if other.values is None:
            self.values = None
        elif self.values is not None:
            for value, counts in other.values.items():
                self.values[value] = [one + more for one, more in zip(self.values.get(value, [0, 0, 0, 0]), counts, strict=True)]
            self._bound()


@dataclass(slots=True)
class Endpoint:
    """What was counted at one endpoint.

    Attributes:
        pairs: judged pairs with both answers.
        told: fields that a verdict has named already, or a rule silences.
    """

    pairs: int = 0
    latency: dict[str, Durations] = field(default_factory=lambda: {side: Durations() for side in _SIDES})
    fields: dict[str, Field] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)


class Statistics:
    """Counts of all judged pairs."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}

    def add(self, pair: Pair) -> None:
        """Count a judged pair."""
        primary, candidate = _whole(pair.primary), _whole(pair.candidate)
        endpoint = self._endpoint(pair.endpoint)
        for side, exchange in zip(_SIDES, (primary, candidate), strict=True):
            if exchange is not None and exchange.seconds is not None:
                endpoint.latency[side].add(exchange.seconds)
        if primary is None or candidate is None or pair.verdict in (Verdict.SKIPPED, Verdict.INCOMPLETE):
            return
        endpoint.pairs += 1
        if primary.seconds is not None and candidate.seconds is not None:
            self._field(endpoint, "latency").numbers.add(primary.seconds, candidate.seconds)
        endpoint.told.update(general(difference.path) for difference in (*pair.differences, *pair.silenced))
        keep(endpoint.told, _MOST_FIELDS)
        if pair.noise:
            self._noise(endpoint, pair, (primary.started, candidate.started))

    def _noise(self, endpoint: Endpoint, pair: Pair, at: tuple[float, float]) -> None:
        lengths: dict[str, int] = {}
        for difference in pair.noise:
            name = general(difference.path)
            if name.endswith("[*]") and difference.kind in (Kind.ADDED, Kind.MISSING):
                of_list = name[:-3]
                lengths[of_list] = lengths.get(of_list, 0) + (1 if difference.kind == Kind.ADDED else -1)
                continue
            self._difference(self._field(endpoint, name), difference, at, endpoint.pairs)
        for name, longer in lengths.items():
            length = self._field(endpoint, f"{name} length").numbers
            length.add(0.0, float(longer))

    def _difference(self, counted: Field, difference: Difference, at: tuple[float, float], pair: int) -> None:
        primary = _ABSENT if difference.kind == Kind.ADDED else difference.primary
        candidate = _ABSENT if difference.kind == Kind.MISSING else difference.candidate
        if _is_number(primary) and _is_number(candidate):
            ours, theirs = float(primary), float(candidate)  # type: ignore[arg-type]
            if not _is_time(ours, at[0]):
                counted.numbers.add(ours, theirs)
        for side, value in enumerate((primary, candidate)):
            counted.count(_written(value), side, pair)

    def _endpoint(self, name: str) -> Endpoint:
        found = self.endpoints.get(name)
        if found is None:
            found = self.endpoints[name] = Endpoint()
            keep(self.endpoints, _MOST_ENDPOINTS)
        return found

    def _field(self, endpoint: Endpoint, name: str) -> Field:
        found = endpoint.fields.get(name)
        if found is None:
            found = endpoint.fields[name] = Field()
            keep(endpoint.fields, _MOST_FIELDS)
        return found

    def merge(self, other: Statistics) -> None:
        """Add what another process has counted."""
        for name, theirs in other.endpoints.items():
            ours = self._endpoint(name)
            ours.pairs += theirs.pairs
            ours.told |= theirs.told
            keep(ours.told, _MOST_FIELDS)
            for side in _SIDES:
                ours.latency[side].merge(theirs.latency[side])
            for path, counted in theirs.fields.items():
                self._field(ours, path).merge(counted)

    def latency(self, endpoint: str) -> dict[str, dict[str, float]]:
        """Percentiles in seconds: `{"primary": {"p50": 0.01, "p99": 0.2}, "candidate": {...}}`; a side without answers has none."""
        found = self.endpoints.get(endpoint, Endpoint())
        shares = (("p50", 0.5), ("p99", 0.99))
        return {
            side: {name: value for name, share in shares if (value := found.latency[side].percentile(share)) is not None} for side in _SIDES
        }

    def findings(self) -> list[Finding]:
        """Where the two sides' distributions differ by more than chance explains, the least probable first."""
        tests = [finding for name, endpoint in sorted(self.endpoints.items()) for finding in _tests(name, endpoint)]
        tests.sort(key=lambda finding: (finding.p, finding.endpoint, finding.path))
        found: dict[tuple[str, str], Finding] = {}
        for rank, finding in enumerate(tests):
            corrected = finding.p * (len(tests) - rank)
            if corrected >= ALPHA:
                break
            if finding.what:
                place = finding.endpoint, finding.path
                found.setdefault(place, Finding(*place, finding.what, min(corrected, 1.0), finding.primary, finding.candidate))
        return list(found.values())

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            name: {
                "pairs": endpoint.pairs,
                "latency": {side: [*map(list, sketch.buckets.items())] for side, sketch in endpoint.latency.items()},
                "told": sorted(endpoint.told),
                "fields": {
                    path: {"values": counted.values, "numbers": [getattr(counted.numbers, name) for name in _SUMS]}
                    for path, counted in endpoint.fields.items()
                },
            }
            for name, endpoint in self.endpoints.items()
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Statistics:
        """What `to_dict` made."""
        statistics = cls()
        for name, endpoint in data.items():
            statistics.endpoints[name] = Endpoint(
                pairs=endpoint["pairs"],
                latency={
                    side: Durations({int(bucket): count for bucket, count in buckets}) for side, buckets in endpoint["latency"].items()
                },
                fields={path: Field(counted["values"], Shift(*counted["numbers"])) for path, counted in endpoint["fields"].items()},
                told=set(endpoint["told"]),
            )
        return statistics


_ABSENT = object()


def _whole(exchange: Exchange | None) -> Exchange | None:
    if exchange is None or exchange.response is None or exchange.problem or exchange.truncated:
        return None
    return exchange


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e100  # noqa: PLR2004


def _is_time(value: float, now: float) -> bool:
    """Unix seconds, or thousandths of them: the candidate is asked a moment later, always."""
    return any(abs(value / unit - now) < _DECADE for unit in (1.0, 1e3, 1e6, 1e9))


def _written(value: object) -> str:
    if value is _ABSENT:
        return "absent"
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, str):
        return repr(value[:_LONGEST])
    return "null" if value is None else str(value)[:_LONGEST].lower()


def _add_up(counts: dict[int, int], others: Mapping[int, int]) -> None:
    for name, count in others.items():
        counts[name] = counts.get(name, 0) + count


def _tests(name: str, endpoint: Endpoint) -> Iterator[Finding]:
    """Every test that is made at an endpoint; what is too small an effect counts as a test and says nothing."""
    if endpoint.pairs < _LEAST_PAIRS:
        return
    for path, counted in sorted(endpoint.fields.items()):
        if path.removesuffix(" length") in endpoint.told:
            continue
        shift = counted.numbers
        if shift.pairs >= _LEAST_UNEVEN:
            yield _latency(name, endpoint, shift) if path == "latency" else _number(name, path, endpoint.pairs, shift)
        for value, counts in sorted((counted.values or {}).items()):
            if counts[0] + counts[1] >= _LEAST_UNEVEN:
                yield _share(name, path, endpoint.pairs, value, counts)


def _share(name: str, path: str, pairs: int, value: str, counts: list[int]) -> Finding:
    ours, theirs, *runs = counts
    more = "more" if theirs > ours else "less"
    shift = abs(theirs - ours) / pairs
    often = max(ours, theirs)
    scattered = max(runs) >= max(_LEAST_RUNS, _SCATTERED * often * (pairs - often + 1) / pairs)
    what = f"{value} is {more} frequent in the candidate: it alone shows it in {theirs} of {pairs} pairs, the primary alone in {ours}"
    shown: list[dict[str, object]] = [{"value": value, "alone": count, "pairs": pairs} for count in (ours, theirs)]
    return Finding(name, path, what if shift >= _LEAST_SHARE and scattered else "", sign_test(ours, theirs), *shown)


def _number(name: str, path: str, pairs: int, shift: Shift) -> Finding:
    of_length = path.endswith(" length")
    mean = shift.total / shift.pairs
    deviation = math.sqrt(shift.squares / shift.pairs) if of_length else shift.deviation()
    large = abs(mean) >= _LEAST_SHIFT * deviation and shift.pairs >= _LEAST_SHARE * pairs and shift.independent()
    word = ("longer" if mean > 0 else "shorter") if of_length else ("larger" if mean > 0 else "smaller")
    what = (
        f"{word} in the candidate in {max(shift.more, shift.less)} of {shift.pairs} pairs that differ here, by {abs(mean):.4g} on average"
    )
    start = 0.0 if of_length else shift.ours / shift.pairs
    ours: dict[str, object] = {} if of_length else {"mean": start, "larger": shift.less}
    theirs: dict[str, object] = {"longer_by": mean} if of_length else {"mean": start + mean, "larger": shift.more}
    return Finding(name, path.removesuffix(" length"), what if large else "", sign_test(shift.less, shift.more), ours, theirs)


def _latency(name: str, endpoint: Endpoint, shift: Shift) -> Finding:
    ours, theirs = (endpoint.latency[side].percentile(0.5) or 0.0 for side in _SIDES)
    slower, apart = _LEAST_SLOWER
    large = theirs > ours * slower and theirs - ours > apart
    what = f"the candidate is slower: half of its answers take more than {theirs:.3g} s, of the primary's more than {ours:.3g} s"
    return Finding(name, "latency", what if large else "", sign_test(shift.less, shift.more), {"p50": ours}, {"p50": theirs})


def sign_test(less: int, more: int) -> float:
    """The probability that a fair coin falls as unevenly as this, or more so; two-sided and exact."""
    tosses, fewer = less + more, min(less, more)
    if 2 * fewer >= tosses:
        return 1.0
    log_half = -tosses * math.log(2)
    logs = [math.lgamma(tosses + 1) - math.lgamma(k + 1) - math.lgamma(tosses - k + 1) + log_half for k in range(fewer + 1)]
    largest = max(logs)
    return min(1.0, 2 * math.exp(largest) * sum(math.exp(each - largest) for each in logs))
