"""Paths and reasons in general: what is the same at many pairs counts as one."""

from __future__ import annotations

from pytest_shadowdiff.fields import general as place
from pytest_shadowdiff.model import Pair

__all__ = ["general", "place", "plainly"]


def plainly(reason: str) -> str:
    """A reason that does not say twice whose answer it speaks of."""
    side, _, rest = reason.partition(": ")
    return rest if side in ("primary", "candidate") and side in rest else reason


def general(reason: str, pair: Pair) -> str:
    """A reason without the request that it speaks of, so that equal reasons count as one."""
    path = pair.request.target.partition("?")[0]
    for particular in (
        f" for {pair.request.method} {path} (id {pair.id})",
        f" to {pair.request.method} {path} (id {pair.id})",
        f" (id {pair.id})",
    ):
        reason = reason.replace(particular, "")
    return reason
