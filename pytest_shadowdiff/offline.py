"""Captured traffic judged as a run judges: the same rules, judge and summary, on all cores."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pytest_shadowdiff import acceptances, rules
from pytest_shadowdiff.acceptances import Acceptance
from pytest_shadowdiff.endpoints import Endpoints
from pytest_shadowdiff.errors import ShadowError
from pytest_shadowdiff.judge import judge
from pytest_shadowdiff.model import Judgement, Pair, Verdict
from pytest_shadowdiff.noise import Evidence
from pytest_shadowdiff.redact import Redactor
from pytest_shadowdiff.report.plain import shown
from pytest_shadowdiff.report.records import pair_record
from pytest_shadowdiff.report.summary import Summary
from pytest_shadowdiff.settings import Settings

CHUNK = 200
"""Pairs that one process judges at a time."""
KEPT = 50
"""Pairs of each kind that are kept to be shown."""
_SHOWN = (Verdict.DIFFERENT, Verdict.INCOMPLETE)


@dataclass(frozen=True, slots=True)
class Terms:
    """What pairs are judged by; it travels to other processes.

    Attributes:
        key: what marks of secrets are made with, so that one secret has one mark in all processes.
        folder: where records go.
        records: whether any report wants them.
    """

    settings: Settings
    accepted: Sequence[Acceptance]
    key: bytes
    folder: Path
    records: bool


@dataclass(slots=True)
class Judged:
    """What came of it.

    Attributes:
        shown: the first pairs that differ or have no verdict, as they may be shown.
        files: records of all pairs, in the order of the pairs.
    """

    summary: Summary
    shown: list[Pair] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def judged(pairs: Sequence[Pair], terms: Terms, jobs: int | None = None) -> Judged:
    """Judge pairs.

    Args:
        jobs: how many processes; None takes one a core.
    """
    result = Judged(Summary(_redactor(terms)))
    counts = dict.fromkeys(_SHOWN, 0)
    for summary, shown_pairs, file in _parts(pairs, terms, jobs or os.cpu_count() or 1):
        result.summary.merge(Summary.from_dict(summary))
        for pair in shown_pairs:
            if pair.verdict is not None and counts[pair.verdict] < KEPT:
                counts[pair.verdict] += 1
                result.shown.append(pair)
        result.files += [file] if terms.records else []
    return result


Part = tuple[dict[str, Any], list[Pair], Path]


def _parts(pairs: Sequence[Pair], terms: Terms, jobs: int) -> Iterator[Part]:
    """The parts in the order of the pairs, a bounded number of them under way."""
    chunks = [pairs[at : at + CHUNK] for at in range(0, len(pairs), CHUNK)]
    work = partial(_judge_chunk, terms)
    jobs = min(jobs, len(chunks))
    if jobs <= 1:
        yield from map(work, range(len(chunks)), chunks)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        under_way: deque[Future[Part]] = deque()
        for number, chunk in enumerate(chunks):
            under_way.append(pool.submit(work, number, chunk))
            if len(under_way) > 2 * jobs:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _judge_chunk(terms: Terms, number: int, pairs: Sequence[Pair]) -> Part:
    redactor = _redactor(terms)
    endpoints = Endpoints(terms.settings.rules, terms.settings.endpoints)
    evidence = Evidence()  # without a control nothing is learned that could acquit, so chunks need not know of each other
    summary = Summary(redactor)
    kept: list[Pair] = []
    file = terms.folder / f"records-{number}.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        for pair in pairs:
            known = replace(pair, endpoint=endpoints.of(pair.request))
            result = known.judged(_judgement(known, terms, evidence))
            summary.add(result)
            if terms.records:
                lines.write(json.dumps(pair_record(result, redactor)) + "\n")
            if result.verdict in _SHOWN and len(kept) < 2 * KEPT:
                kept.append(shown(result, redactor).pair)
    return summary.to_dict(), kept, file


def _judgement(pair: Pair, terms: Terms, evidence: Evidence) -> Judgement:
    settings = terms.settings
    matching = rules.matching(settings.rules, pair.request.method, pair.request.target.partition("?")[0])
    accepts = partial(acceptances.accepts, terms.accepted, pair.endpoint, today=date.today()) if terms.accepted else None  # noqa: DTZ011
    try:
        return judge(pair, rules=matching, evidence=evidence, limits=settings.limits, accepts=accepts)
    except ShadowError as error:
        return Judgement(Verdict.INCOMPLETE, str(error))


def _redactor(terms: Terms) -> Redactor:
    secrets = (value for target in terms.settings.targets.values() for _, value in target.headers)
    return Redactor(secrets=secrets, names=terms.settings.redact, key=terms.key)
