"""Mirror a test's traffic to the next version of a service and fail where its answers mean something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def __getattr__(name: str) -> object:
    # pytest imports this package in every run of every project that has it installed, so nothing is imported before it is asked for.
    from importlib import import_module

    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    for module in ("model", "errors", "comparing"):
        found = import_module(f"{__name__}.{module}")
        if name in vars(found):
            return vars(found)[name]
    raise AttributeError(name)


def __dir__() -> list[str]:
    return sorted(__all__)
