"""What only many requests show: each side's answers to the same requests, counted by endpoint and field, and where the two differ.

Requests come in pairs, so a pair whose answers agree at a field says nothing: what counts is whether those that do not agree
lean to one side. If both versions draw alike, a value stands as often on the left as on the right (an exact sign test, as
McNemar's), and the difference of the two counts is that of the two shares.

Everything adds up: two workers' statistics merged in any order are those of one process that saw all pairs. No body is read;
what varies has been named by the judge already.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_shadowdiff.fields import general, keep
from pytest_shadowdiff.findings.counts import SIDES, SUMS, Durations, Endpoint, Field, Shift
from pytest_shadowdiff.findings.shifts import Finding, sign_test, tests
from pytest_shadowdiff.model import Difference, Exchange, Kind, Pair, Verdict

__all__ = ["ALPHA", "Finding", "Statistics", "sign_test"]

ALPHA = 0.001
"""The probability that a run of two equal versions shows any finding at all, by Holm's correction for the number of tests."""
_DECADE = 3e8
_MOST_ENDPOINTS = 500
_MOST_FIELDS = 100
_LONGEST = 60


class Statistics:
    """Counts of all judged pairs."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}

    def add(self, pair: Pair) -> None:
        """Count a judged pair."""
        primary, candidate = _whole(pair.primary), _whole(pair.candidate)
        endpoint = self._endpoint(pair.endpoint)
        for side, exchange in zip(SIDES, (primary, candidate), strict=True):
            if exchange is not None and exchange.seconds is not None:
                endpoint.latency[side].add(exchange.seconds)
        if primary is None or candidate is None or pair.verdict in (Verdict.SKIPPED, Verdict.INCOMPLETE):
            return
        endpoint.pairs += 1
        if primary.seconds is not None and candidate.seconds is not None:
            self._field(endpoint, "latency").numbers.add(primary.seconds, candidate.seconds)
        endpoint.told.update(general(difference.path) for difference in (*pair.differences, *pair.silenced))
        keep(endpoint.told, _MOST_FIELDS)
        if pair.noise and primary.response is not None and candidate.response is not None:
            self._field(endpoint, "size").numbers.add(len(primary.response.body), len(candidate.response.body))
            self._noise(endpoint, pair, (primary.started, candidate.started))

    def _noise(self, endpoint: Endpoint, pair: Pair, at: tuple[float, float]) -> None:
        lengths: dict[str, int] = {}
        fields: dict[str, list[Difference]] = {}
        for difference in pair.noise:
            name = general(difference.path)
            if name.endswith("[*]") and difference.kind in (Kind.ADDED, Kind.MISSING):
                of_list = name[:-3]
                lengths[of_list] = lengths.get(of_list, 0) + (1 if difference.kind == Kind.ADDED else -1)
                continue
            fields.setdefault(name, []).append(difference)
        for name, differences in fields.items():
            _count(self._field(endpoint, name), differences, at, endpoint.pairs)
        for name, longer in lengths.items():
            length = self._field(endpoint, f"{name} length").numbers
            length.add(0.0, float(longer))

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
            for side in SIDES:
                ours.latency[side].merge(theirs.latency[side])
            for path, counted in theirs.fields.items():
                self._field(ours, path).merge(counted)

    def latency(self, endpoint: str) -> dict[str, dict[str, float]]:
        """Percentiles in seconds: `{"primary": {"p50": 0.01, "p99": 0.2}, "candidate": {...}}`; a side without answers has none."""
        found = self.endpoints.get(endpoint, Endpoint())
        shares = (("p50", 0.5), ("p99", 0.99))
        return {
            side: {name: value for name, share in shares if (value := found.latency[side].percentile(share)) is not None} for side in SIDES
        }

    def findings(self) -> list[Finding]:
        """Where the two sides' distributions differ by more than chance explains, the least probable first."""
        made = [finding for name, endpoint in sorted(self.endpoints.items()) for finding in tests(name, endpoint)]
        made.sort(key=lambda finding: (finding.p, finding.endpoint, finding.path))
        found: dict[tuple[str, str], Finding] = {}
        for rank, finding in enumerate(made):
            corrected = finding.p * (len(made) - rank)
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
                    path: {"values": counted.values, "open": counted.open, "numbers": [getattr(counted.numbers, name) for name in SUMS]}
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
                fields={
                    path: Field(counted["values"], counted["open"], Shift(*counted["numbers"]))
                    for path, counted in endpoint["fields"].items()
                },
                told=set(endpoint["told"]),
            )
        return statistics


_ABSENT = object()


def _count(counted: Field, differences: Sequence[Difference], at: tuple[float, float], pair: int) -> None:
    """Count one pair at one field: once, however many elements of its lists differ there, for they may well hang together."""
    numbers: list[tuple[float, float]] = []
    leaning: Counter[str] = Counter()
    for difference in differences:
        primary = _ABSENT if difference.kind == Kind.ADDED else difference.primary
        candidate = _ABSENT if difference.kind == Kind.MISSING else difference.candidate
        if _is_number(primary) and _is_number(candidate) and difference.path != "status" and not _is_time(float(primary), at[0]):  # type: ignore[arg-type]
            numbers.append((float(primary), float(candidate)))  # type: ignore[arg-type]
        leaning.subtract(_names(primary))
        leaning.update(_names(candidate))
    if numbers:
        ours, theirs = (sum(side) / len(numbers) for side in zip(*numbers, strict=True))
        counted.numbers.add(ours, theirs)
    for name, more in leaning.items():
        if more:
            counted.count(name, 1 if more > 0 else 0, pair)


def _whole(exchange: Exchange | None) -> Exchange | None:
    if exchange is None or exchange.response is None or exchange.problem or exchange.truncated:
        return None
    return exchange


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e100  # noqa: PLR2004


def _is_time(value: float, now: float) -> bool:
    """Unix seconds, or thousandths of them: the candidate is asked a moment later, always."""
    return any(abs(value / unit - now) < _DECADE for unit in (1.0, 1e3, 1e6, 1e9))


def _names(value: object) -> tuple[str, ...]:
    """What a value is counted as: its kind, and itself where it may be one of a few."""
    if value is _ABSENT:
        return ("absent",)
    if value is None:
        return ("null",)
    if isinstance(value, str):
        return "text", repr(value[:_LONGEST])
    if isinstance(value, bool):
        return (str(value).lower(),)
    return ("a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "a number",)
