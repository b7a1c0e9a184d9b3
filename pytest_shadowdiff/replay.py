"""A kept run, judged again by the same code from the same spool: what a run decided by rules, it may decide otherwise by others.

Nobody is asked any more: what asking again showed stands in the spool, and is looked at where the judge would ask for it now.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from pytest_shadowdiff import rules
from pytest_shadowdiff.accepting import Accepting
from pytest_shadowdiff.endpoints import Endpoints
from pytest_shadowdiff.errors import MirrorError
from pytest_shadowdiff.judge import judge
from pytest_shadowdiff.kept import Kept
from pytest_shadowdiff.model import Judgement, Pair, Rule
from pytest_shadowdiff.noise import Evidence
from pytest_shadowdiff.offline import KEPT, SHOWN, Judged, Terms, redactor_of
from pytest_shadowdiff.report.plain import shown
from pytest_shadowdiff.report.records import pair_record
from pytest_shadowdiff.report.summary import Summary
from pytest_shadowdiff.spool import Seen
from pytest_shadowdiff.spool.ordered import in_order
from pytest_shadowdiff.weighing import Way, Weighing

SWEEP = 0.1
"""Seconds of the run's time between two looks for pairs whose time was up."""


def judged(runs: Sequence[Kept], terms: Terms) -> Judged:
    """Judge all pairs of kept runs, those of one after those of the other (each worker of a run keeps its own).

    Raises:
        SpoolError: a spool cannot be read.
    """
    result = Judged(Summary(redactor_of(terms)))
    for number, run in enumerate(runs):
        _Replay(run, terms, number, result).run()
    return result


class _Replay:
    """One run, judged again, into a result that others share."""

    def __init__(self, run: Kept, terms: Terms, number: int, result: Judged) -> None:
        settings = terms.settings
        self._run = run
        self._settings = settings
        self._result = result
        self._redactor = redactor_of(terms)
        self._accepting = Accepting(terms.accepted, records=False, redactor=self._redactor)
        self._endpoints = Endpoints(settings.rules, settings.endpoints)
        self._evidence = Evidence()
        self._file = terms.folder / f"records-{number}.jsonl" if terms.records else None
        self._asked = {
            (event.pair, event.attempt) for _, event in in_order(run.folder) if isinstance(event, Seen) and event.attempt
        }  # which pairs were asked again; not what they answered

    def run(self) -> None:
        """Read the spool in the order in which it was written, with the clock of those who wrote it."""
        way = Way(
            endpoint=self._endpoints.of,
            normalize=None,
            judge=self._judge,
            final=self._accepting.final,
            learn=self._evidence.learn,
            ask=self._ask,
            origins={role: tuple(urls) for role, urls in self._run.terms.origins.items()},
        )
        weighing = Weighing(way, self._conclude, timeout=self._run.terms.timeout)
        weighing.names.update(self._run.names)
        weighing.rules.update(self._run.rules)
        now = swept = 0.0
        for now, event in in_order(self._run.folder):
            if now - swept > SWEEP:
                swept = now
                weighing.sweep(now)
            weighing.take(event, now)
        for key in {pair.test for pair in weighing.pairer.open_pairs()}:
            weighing.pairer.end(key or "", now)
        weighing.sweep(math.inf)
        weighing.abandon("the run ended before its answers were seen")
        self._result.used |= self._accepting.used

    def _judge(self, pair: Pair, marked: Sequence[Rule]) -> Judgement:
        matching = rules.matching((*marked, *self._settings.rules), pair.request.method, pair.request.target.partition("?")[0])
        accepts = self._accepting.judges(pair.endpoint)
        judgement = judge(pair, rules=matching, evidence=self._evidence, limits=self._settings.limits, accepts=accepts)
        self._result.rules |= judgement.rules
        return judgement

    def _ask(self, pair: Pair, attempt: int) -> None:
        if (pair.id, attempt) not in self._asked:
            message = f"{pair.id} was not asked for the {attempt}th time"
            raise MirrorError(message)

    def _conclude(self, pair: Pair, _: str) -> None:
        result = self._result
        result.summary.add(pair)
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(pair_record(pair, self._redactor)) + "\n")
            if self._file not in result.files:
                result.files.append(self._file)
        if pair.verdict in SHOWN and sum(other.verdict is pair.verdict for other in result.shown) < KEPT:
            result.shown.append(shown(pair, self._redactor).pair)
