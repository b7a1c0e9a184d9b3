"""A session's way through pytest: before, in and after each test, and at the end; registered only where there is something to do."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.plugin import ending, marks, workers
from pytest_shadowdiff.plugin.outcome import Painted
from pytest_shadowdiff.plugin.session import STATE, Session, State

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

SESSION: pytest.StashKey[Session] = pytest.StashKey()
TERMINATED = 128 + signal.SIGTERM
BY_SIGTERM = "ended by SIGTERM"


def session_of(config: pytest.Config) -> Session:
    """The session of a pytest configuration, made when it is first asked for.

    Raises:
        pytest.UsageError: an option or the configuration is wrong.
    """
    if SESSION not in config.stash:
        session = Session(config)
        config.stash[SESSION] = session
        config.add_cleanup(session.remove)
        config.pluginmanager.register(Phases(session), "shadowdiff-phases")
        if session.compares and config.pluginmanager.hasplugin("xdist") and not workers.is_worker(config):
            config.pluginmanager.register(workers.Workers(config, session.gathered, session.marks), "shadowdiff-workers")
    return config.stash[SESSION]


class Phases:
    """The hooks that follow each test; a line or two each."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._terminated = False
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminate)
            session.config.add_cleanup(_default)

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        # Without this, SIGTERM ends pytest on the spot, and neither versions nor routes are put back; this way it ends as by Ctrl-C.
        _default()
        self._terminated = True
        raise KeyboardInterrupt(BY_SIGTERM)

    def pytest_report_header(self) -> list[str]:
        """Who is compared with whom."""
        return ending.header(self.session)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Look at all markers before any test runs."""
        if not self.session.compares:
            return
        try:
            marks.check(items)
        except SettingsError as error:
            raise pytest.UsageError(str(error)) from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Forget what an earlier run of the same test left."""
        item.stash[STATE] = State()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """A difference fails the test in its call phase; a failure of its own stays what it is."""
        try:
            result = yield
        except pytest.skip.Exception:
            self.session.after_call(item, failed=False)
            raise
        except (Exception, pytest.fail.Exception):
            self.session.after_call(item, failed=True)
            raise
        self.session.after_call(item, failed=bool(getattr(item, "_excinfo", None)))
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """What is still to be said of a test is an error at its teardown."""
        try:
            result = yield
        except BaseException:
            self.session.after_teardown(item, failed=True)
            raise
        self.session.after_teardown(item, failed=False)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Remember a set-up that failed: its test says nothing more. Show a failure of ours in colours."""
        report = yield
        lines = getattr(call.excinfo.value, "lines", ()) if call.excinfo else ()
        if lines and report.longrepr:
            report.longrepr = cast("Any", Painted(report.longrepr, lines))
        if call.when == "setup" and report.failed:
            item.stash[STATE].failed = True
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Bring everything to its end, write the reports, and fail a run that saw nothing."""
        ending.finish(self.session, session)
        if self._terminated:
            self.session.notes.append(BY_SIGTERM)
            session.config.add_cleanup(lambda: setattr(session, "exitstatus", TERMINATED))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Counts, and what was not compared."""
        ending.summarize(self.session, terminalreporter)


def _default() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
