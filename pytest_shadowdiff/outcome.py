"""What a test's verdicts make of the test: FAILED in its call phase, ERROR at its teardown, or nothing."""

from __future__ import annotations

import pytest

from pytest_shadowdiff.errors import ShadowDifference, ShadowError


class TestFailed(pytest.fail.Exception, ShadowDifference):
    """The candidate means something else: the test fails as by `pytest.fail`, without a traceback of ours."""

    __test__ = False

    def __init__(self, text: str, *, pytrace: bool = False) -> None:
        super().__init__(msg=text, pytrace=pytrace)


class NoVerdict(pytest.fail.Exception, ShadowError):
    """A pair of the test has no verdict, so the test has none: raised at teardown, it makes an ERROR."""

    def __init__(self, text: str) -> None:
        super().__init__(msg=text, pytrace=False)
