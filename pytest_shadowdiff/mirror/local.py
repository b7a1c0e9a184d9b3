"""The mirror `local`: the relay itself answers with the primary's answer and copies to the candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.relay import Routing

if TYPE_CHECKING:
    from pytest_shadowdiff.backends import MirrorPlan
    from pytest_shadowdiff.model import Point, Role


@dataclass(frozen=True, slots=True)
class LocalMirror:
    """Versions on this machine, or anywhere a URL leads."""

    plan: MirrorPlan

    def start(self) -> Routing:
        """Nothing has to be set up: the way through the relay."""
        plan = self.plan
        if plan.primary is None:
            message = (
                "The mirror `local` needs a primary that this machine reaches: a `url`, `command` or `image`. "
                "Workloads in a cluster take the mirror `kubernetes`."
            )
            raise SetupError(message)
        return Routing(
            primary=plan.primary, copy=plan.candidate, ask_primary=plan.primary, ask_candidate=plan.candidate, control=plan.control
        )

    def points(self, known: Mapping[Role, Point]) -> Mapping[Role, Point]:
        """What is known already: the relay needs no other place to look."""
        return known

    def describe(self) -> Sequence[str]:
        """What goes where."""
        primary, candidate = self.plan.primary, self.plan.candidate
        if primary is None:
            return []
        copied = f", copied to {candidate.name}" if candidate is not None else ""
        return [f"local: {primary.name} answers{copied}"]

    def dropped(self) -> Mapping[str, int]:
        """Nothing unseen: what the relay drops stands in the spool, pair by pair, with its reason."""
        return {}

    def failure(self) -> str | None:
        """None: the relay is all there is, and says itself how it is."""
        return None

    def stop(self) -> None:
        """Nothing was set up."""


def create(plan: MirrorPlan) -> LocalMirror:
    """The mirror, not yet started."""
    return LocalMirror(plan)
