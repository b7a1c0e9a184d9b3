"""What a test's verdicts make of the test: FAILED in its call phase, ERROR at its teardown, or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_shadowdiff.errors import ShadowDifference, ShadowError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from pytest_shadowdiff.report.lines import Line

    class TerminalWriter(Protocol):
        """What is needed of pytest's."""

        def line(self, s: str = "", **markup: bool) -> None:
            """Write a line."""

    class _FailError(Exception):
        def __init__(self, msg: str, *, pytrace: bool = True) -> None: ...
else:
    _FailError = pytest.fail.Exception  # pytest offers its class by this name only, which type checkers do not follow


class DifferenceFailedError(_FailError, ShadowDifference):
    """The candidate means something else: the test fails as by `pytest.fail`, without a traceback of ours."""

    __module__, __qualname__ = "builtins", "ShadowDifference"  # as people read it in the list of failures

    def __init__(self, lines: Sequence[Line], *, pytrace: bool = False) -> None:
        super().__init__(plain(lines), pytrace=pytrace)
        self.lines = () if pytrace else lines


class NoVerdictError(_FailError, ShadowError):
    """A pair of the test has no verdict, so the test has none: raised at teardown, it makes an ERROR."""

    __module__, __qualname__ = "builtins", "NoVerdict"

    def __init__(self, text: str, lines: Sequence[Line] = ()) -> None:
        super().__init__(text, pytrace=False)
        self.lines = lines


def plain(lines: Sequence[Line]) -> str:
    """Lines as one text, without colours."""
    return "\n".join(line.text for line in lines)


class Painted:
    """A failure as pytest represents it, in colours where it is printed, and in one line where pytest lists the failures."""

    def __init__(self, represented: Any, lines: Sequence[Line]) -> None:  # noqa: ANN401 - pytest's, without a public name
        self._represented = represented
        self._lines = lines
        crash = represented.reprcrash
        self.reprcrash = crash and replace(crash, message=crash.message.partition("\n")[0])

    def toterminal(self, tw: TerminalWriter) -> None:
        """Print it."""
        for text, markup in self._lines:
            tw.line(text, **markup)

    def __str__(self) -> str:
        return str(self._represented)

    def __getattr__(self, name: str) -> object:
        return getattr(self._represented, name)
