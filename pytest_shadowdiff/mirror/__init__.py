"""Mirrors: who answers the caller, and who gets the copy. Nothing is observed here: that is the taps' job.

A backend is one module with a function `create(plan) -> Mirror` and one line in `MIRRORS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytest_shadowdiff.model import Point, Role, Upstream
    from pytest_shadowdiff.relay import Routing
    from pytest_shadowdiff.settings import Settings


@dataclass(frozen=True, slots=True)
class Backend:
    """What is known of a mirror before it is imported.

    Attributes:
        module: where its `create` stands.
        taps: the taps it can offer, its best first.
        enacts_routes: takes `--shadow-route` files.
        ways: the kinds of target it can mirror between: "url", "command", "image", "workload".
    """

    module: str
    taps: tuple[str, ...]
    enacts_routes: bool = False
    ways: tuple[str, ...] = ("url", "command", "image")


MIRRORS: Mapping[str, Backend] = {
    "local": Backend("pytest_shadowdiff.mirror.local", taps=("proxy",), ways=("url", "command")),
}


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


def create(name: str, plan: MirrorPlan) -> Mirror:
    """The mirror of that name, not yet started."""
    mirror: Mirror = import_module(MIRRORS[name].module).create(plan)
    return mirror
