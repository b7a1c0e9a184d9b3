"""Taps: where both answers are seen. A mirrored answer is discarded by whoever mirrored it, so without a tap nobody ever reads it.

Nothing is judged here, and nothing a tap does may delay a caller. A tap is one module with a function
`create(plan) -> Tap` and one line in `TAPS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_shadowdiff.model import Point, Role

if TYPE_CHECKING:
    from pytest_shadowdiff.settings import Settings

__all__ = ["TAPS", "Point", "Tap", "TapPlan", "Watch", "create"]


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of a tap before it is imported.

    Attributes:
        not_seen: the parts of a response that it cannot show; where there are any, `partial` is the best verdict.
    """

    module: str
    not_seen: frozenset[str] = frozenset()


TAPS: Mapping[str, Watch] = {
    "proxy": Watch("pytest_shadowdiff.tap.proxy"),
}


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

    def settle(self) -> None:
        """Return when all that passed before this call is in the spool; bounded in time."""

    def stop(self) -> None:
        """End; safe to call twice, and after a `start` that failed."""


def create(name: str, plan: TapPlan) -> Tap:
    """The tap of that name, not yet started."""
    tap: Tap = import_module(TAPS[name].module).create(plan)
    return tap
