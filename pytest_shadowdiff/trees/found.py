"""What a walk finds: a difference, and the rule that silences it, if one does."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_shadowdiff.model import Difference, Kind, Rule


@dataclass(frozen=True, slots=True)
class Found:
    """A difference in a body.

    Attributes:
        name: the member's name, where a member differs.
        rule: the rule that silences it; None where none does.
    """

    path: str
    kind: Kind
    primary: object
    candidate: object
    name: str | None = None
    rule: Rule | None = None

    def difference(self) -> Difference:
        """As the public value."""
        return Difference(self.path, str(self.kind), self.primary, self.candidate)
