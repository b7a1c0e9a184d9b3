"""Waiting for a version that is slow costs nothing: whoever shares the machine with the tests needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_shadowdiff.judging import LONGEST, Judging
from pytest_shadowdiff.model import Judgement, Request, Verdict
from pytest_shadowdiff.report.summary import Summary
from pytest_shadowdiff.spool import Opened
from pytest_shadowdiff.verdicts import Verdicts
from pytest_shadowdiff.weighing import Way

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_shadowdiff.spool import Event

SECONDS = 1.0


class Silent:
    """One request, and never an answer; counts how often it is looked at."""

    def __init__(self) -> None:
        self.looks = 0

    def events(self) -> Iterator[Event]:
        self.looks += 1
        if self.looks == 1:
            yield Opened("a1", "key", Request("GET", "/", ()), 100.0, ("primary", "candidate"))


def test_the_spool_is_looked_at_seldom_while_nothing_comes(tmp_path: Path) -> None:
    source, verdicts = Silent(), Verdicts(tmp_path, Summary(), None)
    judged = Judgement(Verdict.INCOMPLETE, "nothing came")
    way = Way(
        endpoint=lambda request: request.target,
        normalize=None,
        judge=lambda _pair, _rules: judged,
        final=lambda _pair, judgement: judgement,
        learn=lambda _pair: None,
        ask=None,
    )
    judging = Judging(source, way, verdicts, timeout=SECONDS)
    judging.expect("key", "test_it", ())
    judging.start()
    try:
        judging.finish("key", lambda: None)
    finally:
        judging.stop()
        verdicts.close()
    assert verdicts.counts("key")[Verdict.INCOMPLETE] == 1
    assert source.looks < 3 * SECONDS / LONGEST
