"""Mirror a test's traffic to the next version of a service and fail where its answers mean something else."""

from __future__ import annotations

from pytest_shadowdiff.comparing import compare
from pytest_shadowdiff.errors import IncompleteError, ShadowDifference, ShadowError
from pytest_shadowdiff.model import Difference, Exchange, Pair, Request, Response, Rule, Verdict

__all__ = [
    "Difference",
    "Exchange",
    "IncompleteError",
    "Pair",
    "Request",
    "Response",
    "Rule",
    "ShadowDifference",
    "ShadowError",
    "Verdict",
    "compare",
]
