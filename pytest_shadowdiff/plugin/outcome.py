"""What a test's verdicts make of the test: FAILED in its call phase, ERROR at its teardown, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_shadowdiff.errors import ShadowDifference, ShadowError

if TYPE_CHECKING:

    class _FailError(Exception):
        def __init__(self, msg: str, *, pytrace: bool = True) -> None: ...
else:
    _FailError = pytest.fail.Exception  # pytest offers its class by this name only, which type checkers do not follow


class DifferenceFailedError(_FailError, ShadowDifference):
    """The candidate means something else: the test fails as by `pytest.fail`, without a traceback of ours."""

    __module__, __qualname__ = "builtins", "ShadowDifference"  # as people read it in the list of failures

    def __init__(self, text: str, *, pytrace: bool = False) -> None:
        super().__init__(text, pytrace=pytrace)


class NoVerdictError(_FailError, ShadowError):
    """A pair of the test has no verdict, so the test has none: raised at teardown, it makes an ERROR."""

    __module__, __qualname__ = "builtins", "NoVerdict"

    def __init__(self, text: str) -> None:
        super().__init__(text, pytrace=False)
