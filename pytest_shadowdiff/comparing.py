"""Two responses -> differences: status, headers, then the body by its kind."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_shadowdiff.model import Difference, Response, Rule


def compare(primary: Response, candidate: Response, rules: Sequence[Rule] = ()) -> list[Difference]:
    """Where the candidate's response means something else than the primary's."""
    raise NotImplementedError(primary, candidate, rules)
