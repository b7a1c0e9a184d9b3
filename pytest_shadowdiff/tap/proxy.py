"""The tap `proxy`: the relay records what passes through it, so there is nothing else to watch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_shadowdiff.backends import TapPlan


@dataclass(frozen=True, slots=True)
class ProxyTap:
    """The relay's own recording."""

    plan: TapPlan

    def start(self) -> None:
        """The relay has begun already."""

    def asks(self) -> bool:
        """The relay knows what it asked again."""
        return True

    def settle(self) -> None:
        """The relay's own `settle` has been called by whoever calls this."""

    def stop(self) -> None:
        """The relay ends by itself."""


def create(plan: TapPlan) -> ProxyTap:
    """The tap, not yet started."""
    return ProxyTap(plan)
