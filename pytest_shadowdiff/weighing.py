"""One pair after the other, as events come: paired, compared, judged, or asked for again where that can acquit.

The only place that connects what was seen with what is said of it, while a run goes on and long after. It has no clock: whoever
feeds it says what time it is.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_shadowdiff.errors import ShadowError
from pytest_shadowdiff.model import SAFE_METHODS, Exchange, Judgement, Pair, Request, Response, Role, Rule, Verdict
from pytest_shadowdiff.pair import Pairer
from pytest_shadowdiff.spool import Event, Opened

Conclude = Callable[[Pair, str], None]
"""Takes a pair that has its verdict, and the key of its test's entry."""


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


class Weighing:
    """From events to verdicts.

    Args:
        timeout: seconds after the primary's answer that the other answers may take.

    Attributes:
        names: the node id of a test by the key of its entry.
        rules: the rules of a test's marker by the key of its entry.
        pairer: what is still owed.
    """

    def __init__(self, way: Way, conclude: Conclude, *, timeout: float) -> None:
        self.names: dict[str, str] = {}
        self.rules: dict[str, Sequence[Rule]] = {}
        self.pairer = Pairer(timeout, way.origins)
        self._way = way
        self._conclude_with = conclude
        self._writes = array("d")

    def take(self, event: Event, now: float) -> None:
        """Take one event in, and judge its pair where nothing is owed to it any more."""
        if isinstance(event, Opened) and event.request.method not in SAFE_METHODS:
            insort(self._writes, event.started)
        owed = self.pairer.feed(event)
        if owed is not None:
            pair = self.pairer.ready(owed, now)
            if pair is not None:
                self._weigh(pair, now)

    def sweep(self, now: float) -> None:
        """Judge what is overdue."""
        for pair in self.pairer.overdue(now):
            self._weigh(pair, now)

    def abandon(self, reason: str) -> None:
        """Nothing more will be seen: what is still owed is incomplete for that reason."""
        for pair in list(self.pairer.open_pairs()):
            self._conclude(pair, Judgement(Verdict.INCOMPLETE, reason))

    def _weigh(self, pair: Pair, now: float) -> None:
        pair = self._undisturbed(replace(pair, endpoint=self._way.endpoint(pair.request)))
        judgement = self._judgement(pair, self.rules.get(pair.test or "", ()))
        if judgement.suspect and self._may_ask(pair) and self._ask(pair, now):
            return
        self._conclude(pair, judgement)

    def _ask(self, pair: Pair, now: float) -> bool:
        if self._way.ask is None:
            return False
        try:
            self._way.ask(pair, self.pairer.ask(pair.id, now))
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
        self._conclude_with(judged, key)


def _ended(exchange: Exchange) -> float:
    return exchange.started + (exchange.seconds or 0.0)
