"""Taps: where both answers are seen. A mirrored answer is discarded by whoever mirrored it, so without a tap nobody ever reads it.

Nothing is judged here, and nothing a tap does may delay a caller. A tap is one module with a function
`create(plan: TapPlan) -> Tap` and one line in `TAPS`. The registry is read in every run of pytest, so nothing
is imported here that takes time.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_shadowdiff.backends import Tap, TapPlan


class Watch(NamedTuple):
    """What is known of a tap before it is imported.

    Attributes:
        not_seen: the parts of a response that it cannot show; where there are any, `partial` is the best verdict.
    """

    module: str
    not_seen: frozenset[str] = frozenset()


TAPS: Mapping[str, Watch] = {
    "proxy": Watch("pytest_shadowdiff.tap.proxy"),
    "envoy": Watch("pytest_shadowdiff.tap.envoy"),
    "tcpdump": Watch("pytest_shadowdiff.tap.tcpdump"),
    "logs": Watch("pytest_shadowdiff.tap.logs", not_seen=frozenset({"headers", "body", "trailers"})),
}


def create(name: str, plan: TapPlan) -> Tap:
    """The tap of that name, not yet started."""
    tap: Tap = import_module(TAPS[name].module).create(plan)
    return tap
