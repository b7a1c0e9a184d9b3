"""What the primary itself showed so far, by endpoint and place. It may acquit what did not come again, and never convicts."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_shadowdiff.fields import general, keep
from pytest_shadowdiff.model import Pair, Verdict

_MOST_ENDPOINTS = 500
_MOST_PLACES = 200
_MOST_VALUES = 64
_LONGEST = 200


class Evidence:
    """Values that were taken for noise, where the primary's own answers to one request varied; within bounds.

    What is kept where there is no room for all depends on the values alone, so that it merges in any order.
    """

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, set[str]]] = {}

    def learn(self, pair: Pair) -> None:
        """Take in a judged pair."""
        if pair.verdict in (Verdict.NOISE, Verdict.DIFFERENT, Verdict.ACCEPTED):
            for difference in pair.noise:
                self._add(pair.endpoint, general(difference.path), (_written(difference.primary), _written(difference.candidate)))

    def merge(self, other: Evidence) -> None:
        """Take in what another process has seen."""
        for endpoint, places in other._seen.items():
            for place, values in places.items():
                self._add(endpoint, place, values)

    def knows(self, endpoint: str, path: str, value: object) -> bool:
        """Whether a value was noise at this place of another answer."""
        return _written(value) in self._seen.get(endpoint, {}).get(general(path), ())

    def _add(self, endpoint: str, place: str, values: Iterable[str]) -> None:
        places = self._seen.setdefault(endpoint, {})
        seen = places.setdefault(place, set())
        seen.update(values)
        keep(seen, _MOST_VALUES)
        keep(places, _MOST_PLACES)
        keep(self._seen, _MOST_ENDPOINTS)


def _written(value: object) -> str:
    return f"{type(value).__name__} {repr(value)[:_LONGEST]}"
