"""Beside the traffic, in a thread of its own: what the spool holds -> pairs -> verdicts, asking again where that can acquit.

Nothing here touches a caller's connection, and nothing is decided here: `weighing` does.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

from pytest_shadowdiff.errors import MirrorError
from pytest_shadowdiff.weighing import Weighing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_shadowdiff.model import Rule
    from pytest_shadowdiff.spool import Event
    from pytest_shadowdiff.verdicts import Verdicts
    from pytest_shadowdiff.weighing import Way

SWEEP = 0.1
"""Seconds between two looks for pairs whose time is up."""
SHORTEST, LONGEST = 0.002, 0.05
"""Seconds between two looks at a spool in which nothing was new."""


class Source(Protocol):
    """Where events come from."""

    def events(self) -> Iterator[Event]:
        """What is new since the last call."""


class Judging(threading.Thread):
    """The thread that judges."""

    def __init__(self, source: Source, way: Way, verdicts: Verdicts, *, timeout: float) -> None:
        super().__init__(name="shadowdiff-judging", daemon=True)
        self._source = source
        self._weighing = Weighing(way, verdicts.add, timeout=timeout)
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._passes = 0
        self._stopping = False
        self._broken: BaseException | None = None
        self._swept = 0.0

    def expect(self, key: str, test: str, rules: Sequence[Rule]) -> None:
        """A test's entry is opened: its node id, and the rules of its marker."""
        with self._changed:
            self._weighing.names[key] = test
            self._weighing.rules[key] = rules

    def run(self) -> None:
        """Read, pair, judge, until stopped; a failure is kept for whoever waits."""
        pause = SHORTEST
        try:
            while not self._stopping:
                busy = self._pass()
                pause = SHORTEST if busy else min(pause * 1.5, LONGEST)
                if not busy and self._wake.wait(pause):
                    self._wake.clear()
                    pause = SHORTEST
        except BaseException as error:  # noqa: BLE001 - whoever waits for a verdict has to learn of it
            with self._changed:
                self._broken = error
                self._changed.notify_all()

    def sync(self) -> None:
        """Return when all that was in the spool before this call has been read.

        Raises:
            MirrorError: it can no longer be read.
        """
        with self._changed:
            wanted = self._passes + 2  # the pass under way may have begun too early
            while self._passes < wanted:
                self._check()
                self._wake.set()
                self._changed.wait(0.05)

    def finish(self, key: str, failure: Callable[[], str | None]) -> None:
        """Wait until every pair of a test has its verdict; bounded by the timeouts of its answers.

        Args:
            failure: says why nothing more will be seen, once that is so.
        """
        self.sync()
        with self._changed:
            self._weighing.pairer.end(key, time.time())
            while self._weighing.pairer.busy(key):
                self._check()
                reason = failure()
                if reason is not None:
                    self._weighing.abandon(reason)
                    break
                self._changed.wait(LONGEST)  # for the next pass; to hurry those would keep a core busy as long as a version is slow

    def forget(self, key: str) -> None:
        """The test is over, and all its pairs have their verdict."""
        with self._changed:
            self._weighing.names.pop(key, None)
            self._weighing.rules.pop(key, None)

    def stop(self) -> None:
        """End the thread."""
        self._stopping = True
        self._wake.set()
        if self.is_alive():
            self.join(timeout=10)

    def abandon(self, reason: str) -> None:
        """Nothing more will be seen: what is still owed is incomplete for that reason."""
        with self._changed:
            self._weighing.abandon(reason)

    def _check(self) -> None:
        if self._broken is not None:
            message = f"Judging ended with {type(self._broken).__name__}: {self._broken}"
            raise MirrorError(message) from self._broken

    def _pass(self) -> bool:
        busy = False
        for event in self._source.events():
            busy = True
            with self._changed:
                self._weighing.take(event, time.time())
        with self._changed:
            now = time.time()
            if now - self._swept > SWEEP:
                self._swept = now
                self._weighing.sweep(now)
            self._passes += 1
            self._changed.notify_all()
        return busy
