"""A pytest session as the plugin sees it: settings, the run behind the fixtures, and what each test's verdicts make of it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from pytest_shadowdiff.errors import SetupError, ShadowError
from pytest_shadowdiff.model import Pair, Verdict
from pytest_shadowdiff.plugin.marks import mark_of
from pytest_shadowdiff.plugin.outcome import DifferenceFailedError, NoVerdictError, plain
from pytest_shadowdiff.plugin.parts import Gathered
from pytest_shadowdiff.plugin.reading import acceptances_of, settings_of
from pytest_shadowdiff.plugin.workers import marks_of

if TYPE_CHECKING:
    from pytest_shadowdiff.plugin.parts import Result
    from pytest_shadowdiff.redact import Redactor
    from pytest_shadowdiff.report.lines import Line
    from pytest_shadowdiff.run import Entry, Hooks, Run

STATE: pytest.StashKey[State] = pytest.StashKey()


@dataclass(slots=True)
class State:
    """What is known of a test while it runs.

    Attributes:
        failed: the test failed by itself, or for a difference; nothing more is raised for it.
        told: the differences that were raised already.
    """

    entry: Entry | None = None
    failed: bool = False
    told: int = 0


class Session:
    """One pytest process's part of a run.

    Raises:
        pytest.UsageError: an option or the configuration is wrong.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.settings = settings_of(config)
        self.acceptances = acceptances_of(self.settings) if self.compares else ()
        self.asked = 0
        self.marks = marks_of(config) or secrets.token_bytes(16)
        self.gathered = Gathered()
        self.result: Result | None = None
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.written: list[str] = []
        self._runs: list[Run] = []
        self._broken: ShadowError | None = None

    @property
    def compares(self) -> bool:
        """Whether there is a candidate."""
        return self.settings.candidate is not None

    @cached_property
    def redactor(self) -> Redactor:
        """What all that leaves this process goes through; made when the hooks of all conftest files are there."""
        from pytest_shadowdiff.run import redactor_of

        return redactor_of(self.settings, self._hooks, self.marks)

    @cached_property
    def _hooks(self) -> Hooks:
        from pytest_shadowdiff.plugin.calling import hooks_of

        return hooks_of(self.config, self.problems)

    @property
    def runs(self) -> Sequence[Run]:
        """The runs so far: one, unless a mirror was lost on the way."""
        return self._runs

    def _begin(self) -> Run:
        from pytest_shadowdiff.run import Run

        if self._broken is not None:
            message = f"{self._broken}\n(The first test met this; the mirror is not started again for each test.)"
            raise SetupError(message)
        if self._runs and self._runs[-1].alive:
            return self._runs[-1]
        run = Run(self.settings, self._hooks, self.acceptances, self.redactor)
        try:
            run.start()
        except BaseException as error:
            run.remove()
            if isinstance(error, ShadowError):
                self._broken = error
            raise
        self._runs.append(run)
        return run

    def entry(self, item: pytest.Item) -> Entry:
        """The test's own entry, opened when it is first asked for.

        Raises:
            NoVerdictError: the mirror, or a version, did not come up.
        """
        state = item.stash.setdefault(STATE, State())
        if state.entry is None:
            self.asked += self.compares
            try:
                mark = mark_of(item)
                state.entry = self._begin().open(item.nodeid, mark.rules, unsafe=mark.allow_unsafe)
            except ShadowError as error:
                raise NoVerdictError(self.redactor.text(str(error))) from None
        return state.entry

    def check(self, item: pytest.Item) -> Sequence[Pair]:
        """Wait for the test's pairs so far, and judge them.

        Raises:
            ShadowDifference: the candidate means something else.
        """
        __tracebackhide__ = True
        entry, state = self.entry(item), item.stash[STATE]
        entry.finish()
        self._raise_differences(entry, state, pytrace=True)
        return entry.pairs

    def after_call(self, item: pytest.Item, *, failed: bool) -> None:
        """The test's function has returned or raised: its verdicts are due.

        Raises:
            ShadowDifference: the candidate means something else, and the test did not fail by itself.
        """
        state = item.stash[STATE]
        entry = state.entry
        if entry is None or not self.compares:
            return
        with suppress(ShadowError):  # the teardown meets it again, and makes an ERROR of it
            entry.finish()
        item.user_properties.extend((f"shadowdiff.{verdict}", count) for verdict, count in sorted(entry.counts.items()))
        if failed:
            state.failed = True
            if entry.counts[Verdict.DIFFERENT]:
                item.add_report_section("call", "shadowdiff", plain(self._failure(entry, Verdict.DIFFERENT)))
            return
        state.told = 0  # what the test itself made of `check` does not take the difference back
        self._raise_differences(entry, state)

    def _raise_differences(self, entry: Entry, state: State, *, pytrace: bool = False) -> None:
        __tracebackhide__ = True
        count = entry.counts[Verdict.DIFFERENT]
        if count > state.told:
            state.told = count
            state.failed = True
            raise DifferenceFailedError(self._failure(entry, Verdict.DIFFERENT), pytrace=pytrace)

    def after_teardown(self, item: pytest.Item, *, failed: bool) -> None:
        """The test has been torn down: what is left to say of it is an error.

        Raises:
            ShadowDifference: requests of the teardown were answered otherwise.
            NoVerdictError: a pair has no verdict, and the test did not fail by itself.
        """
        state = item.stash[STATE]
        entry = state.entry
        if entry is None:
            return
        try:
            if not self.compares:
                return
            self._finish(entry)
            if failed or (state.failed and not state.told):
                return
            self._raise_differences(entry, state)
            if entry.counts[Verdict.INCOMPLETE] and not state.failed:
                lines = self._failure(entry, Verdict.INCOMPLETE)
                raise NoVerdictError(plain(lines), lines)
        finally:
            entry.close()
            state.entry = None

    def _finish(self, entry: Entry) -> None:
        try:
            entry.finish()
        except ShadowError as error:
            raise NoVerdictError(self.redactor.text(str(error))) from None

    def _failure(self, entry: Entry, verdict: Verdict) -> Sequence[Line]:
        from pytest_shadowdiff.report import terminal
        from pytest_shadowdiff.report.plain import shown

        versions = entry.run.versions
        view = terminal.View(
            width=self.config.get_terminal_writer().fullwidth,
            verbosity=self.config.get_verbosity(),
            primary=versions["primary"].name,
            candidate=versions["candidate"].name,
            primary_url=versions["primary"].url,
            candidate_url=versions["candidate"].url,
        )
        pairs = sorted((pair for pair in entry.pairs if pair.verdict is verdict), key=lambda pair: pair.id)
        return terminal.failure_lines([shown(pair, entry.run.redactor).pair for pair in pairs], view)

    def stop(self) -> None:
        """End everything that was started; what could not be taken back is a problem of the session."""
        for run in self._runs:
            try:
                run.stop()
            except ShadowError as error:
                self.problems.append(str(error))

    def remove(self) -> None:
        """Delete what the runs left on disk."""
        self.stop()
        for run in self._runs:
            run.remove()
