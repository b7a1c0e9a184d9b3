"""What only many requests show: how each side's answers are distributed, by endpoint, and where the two differ.

Everything here adds up: two workers' statistics merged in any order are those of one process that saw all pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_shadowdiff.model import Exchange, Pair

_GROWTH = math.log(1.02)
"""Durations are counted in buckets that are 2 % wide, so a percentile is right to 1 %."""
_SIDES = ("primary", "candidate")


@dataclass(frozen=True, slots=True)
class Finding:
    """A distribution that shifted.

    Attributes:
        path: where: `status`, `latency`, `size`, or a path in the body with list positions left out.
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
    """A sketch of durations: counts in buckets of growing width."""

    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, seconds: float) -> None:
        """Count one duration, in seconds."""
        bucket = math.ceil(math.log(max(seconds, 1e-6)) / _GROWTH)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def merge(self, other: Durations) -> None:
        """Add what another sketch has counted."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    def percentile(self, share: float) -> float | None:
        """The duration that `share` (0 to 1) of all do not exceed, in seconds; None where nothing was counted."""
        left = math.ceil(share * sum(self.buckets.values()))
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                return math.exp((bucket - 0.5) * _GROWTH)
        return None


@dataclass(slots=True)
class Endpoint:
    """What was counted at one endpoint."""

    latency: dict[str, Durations] = field(default_factory=lambda: {side: Durations() for side in _SIDES})


class Statistics:
    """Counts and sketches of all judged pairs."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}

    def add(self, pair: Pair) -> None:
        """Count a judged pair."""
        endpoint = self.endpoints.setdefault(pair.endpoint, Endpoint())
        for side, exchange in (("primary", pair.primary), ("candidate", pair.candidate)):
            if _whole(exchange) and exchange is not None and exchange.seconds is not None:
                endpoint.latency[side].add(exchange.seconds)

    def merge(self, other: Statistics) -> None:
        """Add what another process has counted."""
        for name, theirs in other.endpoints.items():
            ours = self.endpoints.setdefault(name, Endpoint())
            for side in _SIDES:
                ours.latency[side].merge(theirs.latency[side])

    def latency(self, endpoint: str) -> dict[str, dict[str, float]]:
        """Percentiles in seconds: `{"primary": {"p50": 0.01, "p99": 0.2}, "candidate": {...}}`; a side without answers has none."""
        found = self.endpoints.get(endpoint, Endpoint())
        return {
            side: {
                name: value for name, share in (("p50", 0.5), ("p99", 0.99)) if (value := found.latency[side].percentile(share)) is not None
            }
            for side in _SIDES
        }

    def findings(self) -> list[Finding]:
        """Where the two sides' distributions differ by more than chance explains."""
        return []

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            name: {
                "latency": {
                    side: [[bucket, count] for bucket, count in sketch.buckets.items()] for side, sketch in endpoint.latency.items()
                }
            }
            for name, endpoint in self.endpoints.items()
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Statistics:
        """What `to_dict` made."""
        statistics = cls()
        for name, endpoint in data.items():
            sketches = {side: Durations(dict(map(tuple, buckets))) for side, buckets in endpoint["latency"].items()}
            statistics.endpoints[name] = Endpoint(sketches)
        return statistics


def _whole(exchange: Exchange | None) -> bool:
    return exchange is not None and exchange.response is not None and not exchange.problem and not exchange.truncated
