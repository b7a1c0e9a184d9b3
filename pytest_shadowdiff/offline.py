"""Captured traffic judged as a run judges: the same rules, judge and summary, on all cores."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pytest_shadowdiff import rules
from pytest_shadowdiff.acceptances import Acceptance
from pytest_shadowdiff.accepting import Accepting, Key
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
SHOWN = (Verdict.DIFFERENT, Verdict.INCOMPLETE)
"""Verdicts whose pairs are shown."""


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
        rules: origins of the rules that silenced something.
        used: keys of the acceptances that let something through.
    """

    summary: Summary
    shown: list[Pair] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    rules: set[str] = field(default_factory=set)
    used: set[Key] = field(default_factory=set)


def judged(pairs: Sequence[Pair], terms: Terms, jobs: int | None = None) -> Judged:
    """Judge pairs.

    Args:
        jobs: how many processes; None takes one a core.
    """
    result = Judged(Summary(redactor_of(terms)))
    counts = dict.fromkeys(SHOWN, 0)
    for part in _parts(pairs, terms, jobs or os.cpu_count() or 1):
        result.summary.merge(Summary.from_dict(part.summary))
        for pair in part.shown:
            if pair.verdict is not None and counts[pair.verdict] < KEPT:
                counts[pair.verdict] += 1
                result.shown.append(pair)
        result.files += [part.file] if terms.records else []
        result.rules |= part.rules
        result.used |= part.used
    return result


@dataclass(frozen=True, slots=True)
class _Part:
    """What one process has to say of its share."""

    summary: dict[str, Any]
    shown: list[Pair]
    file: Path
    rules: frozenset[str]
    used: frozenset[Key]


def _parts(pairs: Sequence[Pair], terms: Terms, jobs: int) -> Iterator[_Part]:
    """The parts in the order of the pairs, a bounded number of them under way."""
    chunks = [pairs[at : at + CHUNK] for at in range(0, len(pairs), CHUNK)]
    work = partial(_judge_chunk, terms)
    jobs = min(jobs, len(chunks))
    if jobs <= 1:
        yield from map(work, range(len(chunks)), chunks)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        under_way: deque[Future[_Part]] = deque()
        for number, chunk in enumerate(chunks):
            under_way.append(pool.submit(work, number, chunk))
            if len(under_way) > 2 * jobs:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _judge_chunk(terms: Terms, number: int, pairs: Sequence[Pair]) -> _Part:
    redactor = redactor_of(terms)
    accepting = Accepting(terms.accepted, records=False, redactor=redactor)
    endpoints = Endpoints(terms.settings.rules, terms.settings.endpoints)
    summary = Summary(redactor)
    kept: list[Pair] = []
    of_use: frozenset[str] = frozenset()
    file = terms.folder / f"records-{number}.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        for pair in pairs:
            known = replace(pair, endpoint=endpoints.of(pair.request))
            judgement = _judgement(known, terms.settings, accepting)
            result = known.judged(judgement)
            of_use |= judgement.rules
            summary.add(result)
            if terms.records:
                lines.write(json.dumps(pair_record(result, redactor)) + "\n")
            if result.verdict in SHOWN and len(kept) < 2 * KEPT:
                kept.append(shown(result, redactor).pair)
    return _Part(summary.to_dict(), kept, file, of_use, frozenset(accepting.used))


def _judgement(pair: Pair, settings: Settings, accepting: Accepting) -> Judgement:
    matching = rules.matching(settings.rules, pair.request.method, pair.request.target.partition("?")[0])
    try:
        # Without a control nothing is learned that could acquit, so chunks need not know of each other.
        return judge(pair, rules=matching, evidence=Evidence(), limits=settings.limits, accepts=accepting.judges(pair.endpoint))
    except ShadowError as error:
        return Judgement(Verdict.INCOMPLETE, str(error))


def redactor_of(terms: Terms) -> Redactor:
    """What all that is shown or written goes through."""
    secrets = (value for target in terms.settings.targets.values() for _, value in target.headers)
    return Redactor(secrets=secrets, names=terms.settings.redact, key=terms.key)
