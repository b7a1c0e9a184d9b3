"""What the primary itself showed so far, by endpoint and path. It may acquit what did not come again, and never convicts."""

from __future__ import annotations

from pytest_shadowdiff.model import Pair


class Evidence:
    """Answers of the primary, within bounds."""

    def learn(self, pair: Pair) -> None:
        """Take in a judged pair."""

    def merge(self, other: Evidence) -> None:
        """Take in what another process has seen."""
