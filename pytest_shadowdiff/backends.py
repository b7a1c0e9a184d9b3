"""What a mirror and a tap are made from, and what each has to do; a backend satisfies its Protocol and has no base class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_shadowdiff.model import Point, Role, Upstream

if TYPE_CHECKING:
    from pytest_shadowdiff.relay import Routing
    from pytest_shadowdiff.settings import Settings


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """All that a mirror is made from.

    Attributes:
        primary, candidate, control: the versions, started and answering; None for a workload, which a
            mirror of a cluster finds by itself, and where a run has no candidate or no third target.
        directory: private to the run, 0700; gone at its end.
    """

    settings: Settings
    run_id: str
    directory: Path
    primary: Upstream | None
    candidate: Upstream | None
    control: Upstream | None = None


class Mirror(Protocol):
    """The routing that sends a request to the primary and a copy to the candidate."""

    def start(self) -> Routing:
        """Set it up, wait until it works, and say how the relay (everyone's entrance) reaches it.

        Raises:
            SetupError: it does not work; all that was set up is undone.
        """

    def points(self, known: Mapping[Role, Point]) -> Mapping[Role, Point]:
        """Where a tap finds each version, once started.

        Args:
            known: what is known of the versions that were started here; a mirror adds what it has.
        """

    def describe(self) -> Sequence[str]:
        """Lines for the summary: what goes where, what is copied, how much."""

    def dropped(self) -> Mapping[str, int]:
        """What the mirror itself says it dropped, by reason."""

    def failure(self) -> str | None:
        """Why it no longer does its work; None while it does."""

    def stop(self) -> None:
        """Undo everything; safe to call twice, and after a `start` that failed."""


@dataclass(frozen=True, slots=True)
class TapPlan:
    """All that a tap is made from; `spool` is the folder that it appends to."""

    settings: Settings
    run_id: str
    spool: Path
    points: Mapping[Role, Point] = field(default_factory=dict)


class Tap(Protocol):
    """Something that sees exchanges and appends them to the spool."""

    def start(self) -> None:
        """Begin to watch.

        Raises:
            SetupError: it cannot watch there.
        """

    def asks(self) -> bool:
        """Whether what is asked again can be told from callers' own requests; where not, nobody is asked."""

    def settle(self) -> None:
        """Return when all that passed before this call is in the spool; bounded in time."""

    def stop(self) -> None:
        """End; safe to call twice, and after a `start` that failed."""
