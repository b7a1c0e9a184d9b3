"""Differences minus noise -> a verdict, or: ask again. Pure: nothing is asked, read or remembered here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from pytest_shadowdiff.comparing import Comparison, compare_exchanges
from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.model import Difference, Exchange, Judgement, Pair, Rule, Verdict
from pytest_shadowdiff.noise import Evidence
from pytest_shadowdiff.settings import Limits

ROUNDS = 7
"""How often a difference has to come again to be called one: eight equal answers against eight others."""
_POSITION = re.compile(r"\[\d+\]")


def judge(
    pair: Pair,
    *,
    rules: Sequence[Rule],
    evidence: Evidence,
    limits: Limits,
    accepts: Callable[[Difference], bool] | None = None,
) -> Judgement:
    """What is to be said of a pair.

    Args:
        pair: what was seen; whatever an earlier judge said of it is not looked at.
        rules: those for the pair's endpoint and test, the first that names a path decides.
        evidence: what the primary showed for other requests; may acquit what did not come again, never convicts.
        limits: bounds on what a comparison may cost.
        accepts: whether a recorded acceptance names a difference.

    Returns:
        The judgement; `suspect` where asking both versions again could change it.
    """
    if pair.skipped:
        return Judgement(Verdict.SKIPPED, pair.skipped)
    reason = _unfit("primary", pair.primary) or _unfit("candidate", pair.candidate)
    if reason or pair.primary is None or pair.candidate is None:
        return Judgement(Verdict.INCOMPLETE, reason)
    try:
        comparison = compare_exchanges(pair.primary, pair.candidate, rules, limits=limits)
    except IncompleteError as error:
        return Judgement(Verdict.INCOMPLETE, error.reason)
    if not comparison.differences:
        return _alike(pair.primary, pair.candidate, comparison)
    return _weighed(pair, comparison, rules, limits, accepts)


def _unfit(side: str, exchange: Exchange | None) -> str:
    """Why no verdict may rest on this exchange; empty where one may."""
    if exchange is None:
        return f"no answer of the {side} was seen"
    if exchange.problem:
        return f"{side}: {exchange.problem}"
    if exchange.response is None:
        return f"the {side}'s answer is missing"
    if exchange.truncated:
        return f"the {side}'s answer is truncated"
    return ""


def _alike(primary: Exchange, candidate: Exchange, comparison: Comparison) -> Judgement:
    if comparison.silenced:
        return Judgement(Verdict.NOISE, f"a rule says so: {_paths(comparison.silenced)}", noise=tuple(comparison.silenced))
    not_seen = primary.not_seen | candidate.not_seen
    if not_seen:
        return Judgement(Verdict.PARTIAL, f"not seen: {', '.join(sorted(not_seen))}")
    return Judgement(Verdict.SAME)


def _weighed(
    pair: Pair, comparison: Comparison, rules: Sequence[Rule], limits: Limits, accepts: Callable[[Difference], bool] | None
) -> Judgement:
    varies = {_place(difference.path) for control in _controls(pair) for difference in _between(pair.primary, control, rules, limits)}
    noise = tuple(difference for difference in comparison.differences if _place(difference.path) in varies)
    left = tuple(difference for difference in comparison.differences if _place(difference.path) not in varies)
    silenced = tuple(comparison.silenced)
    if not left:
        return Judgement(Verdict.NOISE, f"differs between two answers of the primary too: {_paths(noise)}", noise=noise + silenced)
    if accepts is not None and all(map(accepts, left)):
        return Judgement(Verdict.ACCEPTED, differences=left, noise=noise + silenced)
    return Judgement(Verdict.DIFFERENT, differences=left, noise=noise + silenced, suspect=len(pair.repeats) < ROUNDS)


def _controls(pair: Pair) -> Iterator[Exchange]:
    asked = [repeat.control for repeat in pair.repeats]
    for control in [pair.control, *asked] if pair.control not in asked else asked:
        if control is not None and not _unfit("control", control):
            yield control


def _between(one: Exchange | None, other: Exchange, rules: Sequence[Rule], limits: Limits) -> Sequence[Difference]:
    if one is None:
        return ()
    try:
        return compare_exchanges(one, other, rules, limits=limits).differences
    except IncompleteError:
        return ()


def _place(path: str) -> str:
    return _POSITION.sub("[*]", path)


def _paths(differences: Iterable[Difference]) -> str:
    return ", ".join(dict.fromkeys(difference.path for difference in differences))
