"""What one comparison may cost, in CPU seconds of its thread and in nesting."""

from __future__ import annotations

from time import thread_time
from typing import TYPE_CHECKING

from pytest_shadowdiff.errors import IncompleteError

if TYPE_CHECKING:
    from pytest_shadowdiff.settings import Limits

_STEPS_BETWEEN_LOOKS = 2048
_SHARE = 0.7
"""Of the time allowed, the share after which no further step begins: a step may be one long call of a parser."""


class Budget:
    """Spent by steps; the clock is looked at now and then, since looking costs more than a step."""

    __slots__ = ("_left", "_until", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._until = thread_time() + _SHARE * limits.seconds
        self._left = _STEPS_BETWEEN_LOOKS

    def spend(self, steps: int = 1) -> None:
        """Count steps of work.

        Raises:
            IncompleteError: the comparison takes longer than `max_compare_seconds`.
        """
        self._left -= steps
        if self._left < 0:
            self.look()

    def look(self) -> None:
        """Look at the clock now."""
        self._left = _STEPS_BETWEEN_LOOKS
        if thread_time() > self._until:
            reason = f"comparing takes more than {self.limits.seconds:g} s of CPU (max_compare_seconds)"
            raise IncompleteError(reason)

    def descend(self, depth: int) -> None:
        """Refuse a nesting beyond the limit.

        Raises:
            IncompleteError: the document is nested deeper than `max_depth`.
        """
        if depth > self.limits.depth:
            raise too_deep(self.limits)


def too_deep(limits: Limits) -> IncompleteError:
    """The error for a document whose nesting no parser here follows."""
    return IncompleteError(f"a document is nested deeper than {limits.depth} levels (max_depth)")
