"""Beside the traffic, in a thread of its own: what the spool holds -> pairs -> verdicts, asking again where that can acquit.

The only place that connects what was seen with what is said of it. Nothing here touches a caller's connection.
"""

from __future__ import annotations

import threading
import time
from array import array
from bisect import bisect_right, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from pytest_shadowdiff.errors import MirrorError, ShadowError
from pytest_shadowdiff.model import SAFE_METHODS, Exchange, Judgement, Pair, Request, Response, Role, Rule, Verdict
from pytest_shadowdiff.pair import Pairer
from pytest_shadowdiff.spool import Event, Opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_shadowdiff.verdicts import Verdicts

SWEEP = 0.1
"""Seconds between two looks for pairs whose time is up."""
SHORTEST, LONGEST = 0.002, 0.05
"""Seconds between two looks at a spool in which nothing was new."""


@dataclass(frozen=True, slots=True)
class Way:
    """How pairs come to a verdict; every part is a pure function but `ask`.

    Attributes:
        endpoint: the endpoint of a request.
        normalize: a response as it is to be compared.
        judge: a pair and the rules of its test -> what is said of it; it stays suspect for a bounded number of rounds.
        ask: asks both versions once more; None where nobody may be asked.
        origins: `scheme://host:port` by which the version in each role may know itself.
        final: a judgement as it stands, once nobody is asked again.
        learn: takes in a judged pair as evidence.
    """

    endpoint: Callable[[Request], str]
    normalize: Callable[[Request, Response], Response] | None
    judge: Callable[[Pair, Sequence[Rule]], Judgement]
    final: Callable[[Pair, Judgement], Judgement]
    learn: Callable[[Pair], None]
    ask: Callable[[Pair, int], None] | None
    origins: Mapping[Role, tuple[str, ...]] = field(default_factory=dict)


class Source(Protocol):
    """Where events come from."""

    def events(self) -> Iterator[Event]:
        """What is new since the last call."""


class Judging(threading.Thread):
    """The thread that judges.

    Args:
        names: the node id of a test by the key of its entry.
        rules: the rules of a test's marker by the key of its entry.
    """

    def __init__(self, source: Source, way: Way, verdicts: Verdicts, *, timeout: float) -> None:
        super().__init__(name="shadowdiff-judging", daemon=True)
        self.names: dict[str, str] = {}
        self.rules: dict[str, Sequence[Rule]] = {}
        self.pairer = Pairer(timeout, way.origins)
        self._source = source
        self._way = way
        self._verdicts = verdicts
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._passes = 0
        self._stopping = False
        self._broken: BaseException | None = None
        self._writes = array("d")
        self._swept = 0.0

    def run(self) -> None:
        """Read, pair, judge, until stopped; a failure is kept for whoever waits."""
        pause = SHORTEST
        try:
            while not self._stopping:
                busy = self._pass()
                pause = SHORTEST if busy else min(pause * 1.5, LONGEST)
                if not busy:
                    self._wake.wait(pause)
                    self._wake.clear()
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
            self.pairer.end(key, time.time())
            while self.pairer.busy(key):
                self._check()
                reason = failure()
                if reason is not None:
                    self._abandon(reason)
                    break
                self._wake.set()
                self._changed.wait(0.02)

    def forget(self, key: str) -> None:
        """The test is over, and all its pairs have their verdict."""
        with self._changed:
            self.names.pop(key, None)
            self.rules.pop(key, None)

    def stop(self) -> None:
        """End the thread."""
        self._stopping = True
        self._wake.set()
        if self.is_alive():
            self.join(timeout=10)

    def abandon(self, reason: str) -> None:
        """Nothing more will be seen: what is still owed is incomplete for that reason."""
        with self._changed:
            self._abandon(reason)

    def _abandon(self, reason: str) -> None:
        for pair in list(self.pairer.open_pairs()):
            self._conclude(pair, Judgement(Verdict.INCOMPLETE, reason))

    def _check(self) -> None:
        if self._broken is not None:
            message = f"Judging ended with {type(self._broken).__name__}: {self._broken}"
            raise MirrorError(message) from self._broken

    def _pass(self) -> bool:
        busy = False
        for event in self._source.events():
            busy = True
            with self._changed:
                self._take(event)
        with self._changed:
            now = time.time()
            if now - self._swept > SWEEP:
                self._swept = now
                for pair in self.pairer.overdue(now):
                    self._weigh(pair)
            self._passes += 1
            self._changed.notify_all()
        return busy

    def _take(self, event: Event) -> None:
        if isinstance(event, Opened) and event.request.method not in SAFE_METHODS:
            insort(self._writes, event.started)
        owed = self.pairer.feed(event)
        if owed is not None:
            pair = self.pairer.ready(owed, time.time())
            if pair is not None:
                self._weigh(pair)

    def _weigh(self, pair: Pair) -> None:
        pair = self._undisturbed(replace(pair, endpoint=self._way.endpoint(pair.request)))
        judgement = self._judgement(pair, self.rules.get(pair.test or "", ()))
        if judgement.suspect and self._may_ask(pair) and self._ask(pair):
            return
        self._conclude(pair, judgement)

    def _ask(self, pair: Pair) -> bool:
        if self._way.ask is None:
            return False
        try:
            self._way.ask(pair, self.pairer.ask(pair.id, time.time()))
        except ShadowError:
            return False  # the mirror is gone: the verdict stands on what was seen, and whoever waits learns of the mirror
        return True

    def _may_ask(self, pair: Pair) -> bool:
        return pair.request.method in SAFE_METHODS and self._write_after(pair) is None

    def _write_after(self, pair: Pair) -> float | None:
        """When the first write began after a pair's request did."""
        if pair.primary is None:
            return None
        place = bisect_right(self._writes, pair.primary.started)
        return self._writes[place] if place < len(self._writes) else None

    def _undisturbed(self, pair: Pair) -> Pair:
        """The pair without what was asked again while a write was under way, or after it.

        The primary may answer otherwise for that reason alone, which would pass a real difference off as noise.
        """
        write = self._write_after(pair)
        if write is None or not pair.repeats:
            return pair
        repeats = tuple(
            repeat for repeat in pair.repeats if all(one is None or _ended(one) < write for one in (repeat.control, repeat.candidate))
        )
        asked = pair.control is pair.repeats[0].control
        return replace(pair, repeats=repeats, control=(repeats[0].control if repeats else None) if asked else pair.control)

    def _judgement(self, pair: Pair, rules: Sequence[Rule]) -> Judgement:
        try:
            return self._way.judge(self._normalized(pair), rules)
        except ShadowError as error:
            return Judgement(Verdict.INCOMPLETE, str(error))
        except Exception as error:  # noqa: BLE001 - a hook's or our own mistake may neither hang the run nor pass as "same"
            return Judgement(Verdict.INCOMPLETE, f"judging this pair failed with {type(error).__name__}: {error}")

    def _normalized(self, pair: Pair) -> Pair:
        normalize = self._way.normalize
        if normalize is None:
            return pair

        def one(exchange: Exchange | None) -> Exchange | None:
            if exchange is None or exchange.response is None:
                return exchange
            return replace(exchange, response=normalize(exchange.request, exchange.response))

        repeats = tuple(replace(repeat, control=one(repeat.control), candidate=one(repeat.candidate)) for repeat in pair.repeats)
        return replace(pair, primary=one(pair.primary), candidate=one(pair.candidate), control=one(pair.control), repeats=repeats)

    def _conclude(self, pair: Pair, judgement: Judgement) -> None:
        key = pair.test or ""
        self.pairer.close(pair.id)
        pair = pair if pair.endpoint else replace(pair, endpoint=self._way.endpoint(pair.request))
        judged = replace(pair.judged(self._way.final(pair, judgement)), test=self.names.get(key, pair.test))
        self._way.learn(judged)
        self._verdicts.add(judged, key)


def _ended(exchange: Exchange) -> float:
    return exchange.started + (exchange.seconds or 0.0)
