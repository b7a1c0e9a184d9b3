"""Differences minus noise -> a verdict, or: ask again. Pure: nothing is asked, read or remembered here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_shadowdiff.comparing import Comparison, compare_exchanges
from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.model import Difference, Exchange, Judgement, Kind, Pair, Rule, Verdict
from pytest_shadowdiff.noise import PATIENT, Answer, Evidence, Opinion, Opinions
from pytest_shadowdiff.settings import Limits

ROUNDS = PATIENT - 1
"""How often asking again can be of use, at most; a difference that comes again each time is settled much earlier."""
_NAMED = 5
_MOST_BYTES = 64 * 1024 * 1024
"""Of all bodies of one request, after which nobody is asked again."""
_MOST_DIFFERENCES = 10_000
"""Between all answers to one request, after which nobody is asked again."""
_TOO_MUCH = "the answers are too large, or differ in too many places, to be asked for until noise and change can be told apart"
_NOT_AGAIN = 3
"""Rounds without it after which a difference did not come again."""
_Found = tuple[str, str]
"""Path and kind of a difference."""


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
        pair: what was seen; whatever an earlier judge said of it is not looked at, but for its endpoint.
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
    if comparison.differences:
        judgement = _weighed(_case(pair, pair.primary, pair.candidate, comparison, rules, limits), evidence, accepts)
    else:
        judgement = _alike(pair.primary, pair.candidate, comparison)
    return replace(judgement, rules=frozenset(rule.origin for rule in comparison.silencing))


def _unfit(side: str, exchange: Exchange | None) -> str:
    """Why no verdict may rest on this exchange; empty where one may."""
    if exchange is None:
        return f"no answer of the {side} was seen"
    if exchange.problem:
        return exchange.problem if f"the {side} " in exchange.problem.lower() else f"{side}: {exchange.problem}"
    if exchange.response is None:
        return f"the {side}'s answer is missing"
    if exchange.truncated:
        return f"the {side}'s answer is truncated"
    return ""


def _alike(primary: Exchange, candidate: Exchange, comparison: Comparison) -> Judgement:
    if comparison.silenced:
        return Judgement(
            Verdict.NOISE,
            f"a rule says so: {_named(d.path for d in comparison.silenced)}",
            noise=tuple(comparison.silenced),
            silenced=tuple(comparison.silenced),
        )
    not_seen = primary.not_seen | candidate.not_seen
    if not_seen:
        return Judgement(Verdict.PARTIAL, f"not seen: {', '.join(sorted(not_seen))}")
    return Judgement(Verdict.SAME)


@dataclass(frozen=True, slots=True)
class _Case:
    """A pair whose two answers are not the same, with the terms on which it is judged.

    Attributes:
        controls: the primary's other answers; where there are none, `unheard` says why.
        again: the candidate's answers when asked again.
        third: the controls come from a process of their own, which was asked as soon as the primary was.
        rounds: how often both were asked again, whether they answered or not.
        cheap: all could be compared, and are not too large to be heaped up.
    """

    primary: Answer
    candidate: Answer
    controls: Sequence[Answer]
    again: Sequence[Answer]
    silenced: Sequence[Difference]
    endpoint: str
    third: bool
    unheard: str
    rounds: int
    cheap: bool


def _case(pair: Pair, primary: Exchange, candidate: Exchange, comparison: Comparison, rules: Sequence[Rule], limits: Limits) -> _Case:
    def fit(exchanges: Iterable[Exchange | None]) -> list[Exchange]:
        return [exchange for exchange in exchanges if exchange is not None and not _unfit("", exchange)]

    def compared(exchanges: Iterable[Exchange]) -> list[Answer]:
        found = (_answer(primary, exchange, rules, limits) for exchange in exchanges)
        return [answer for answer in found if answer is not None]

    asked = [repeat.control for repeat in pair.repeats]
    heard = asked if pair.control in asked else [pair.control, *asked]  # the first round's control is the pair's
    whole = fit(heard), fit(repeat.candidate for repeat in pair.repeats)
    controls, again = map(compared, whole)
    differences = sum(len(answer.all) for answer in (*controls, *again))
    size = sum(len(exchange.response.body) for exchange in (primary, candidate, *whole[0], *whole[1]) if exchange.response is not None)
    return _Case(
        primary=Answer.of(primary, ()),
        candidate=Answer.of(candidate, comparison.differences, comparison.silenced),
        controls=controls,
        again=again,
        silenced=comparison.silenced,
        endpoint=pair.endpoint,
        third=pair.control is not None and pair.control not in asked,
        unheard=next((_unfit("control", control) for control in heard if control is not None), ""),
        rounds=len(pair.repeats),
        cheap=len(controls) + len(again) == len(whole[0]) + len(whole[1]) and size < _MOST_BYTES and differences < _MOST_DIFFERENCES,
    )


class _Compared(threading.local):
    """The answers that were compared for the pair judged last: each round judges all of its answers again, and one is new."""

    primary: Exchange | None = None
    rules: Sequence[Rule] = ()

    def __init__(self) -> None:
        self.answers: dict[int, tuple[Exchange, Answer | None]] = {}

    def of(self, primary: Exchange, rules: Sequence[Rule]) -> dict[int, tuple[Exchange, Answer | None]]:
        if self.primary is not primary or self.rules != rules:
            self.primary, self.rules, self.answers = primary, rules, {}
        return self.answers


_compared = _Compared()


def _answer(primary: Exchange, exchange: Exchange, rules: Sequence[Rule], limits: Limits) -> Answer | None:
    """An answer beside the primary's to the caller; None where the two cannot be compared."""
    known = _compared.of(primary, rules)
    exchange_and_answer = known.get(id(exchange))
    if exchange_and_answer is None:
        try:
            found = compare_exchanges(primary, exchange, rules, limits=limits)
            answer = Answer.of(exchange, found.differences, found.silenced)
        except IncompleteError:
            answer = None
        exchange_and_answer = known[id(exchange)] = (exchange, answer)
    return exchange_and_answer[1]


def _weighed(case: _Case, evidence: Evidence, accepts: Callable[[Difference], bool] | None) -> Judgement:
    opinions = Opinions([case.primary, *case.controls], [case.candidate, *case.again], third=case.third)
    noise: dict[_Found, tuple[Difference, str]] = {}
    left: dict[_Found, tuple[Difference, str]] = {}
    more = settled = False
    unsettled: set[_Found] = set()
    for difference in _first([case.candidate, *case.again]):
        opinion = opinions.of(difference)
        name = difference.path, difference.kind
        if not opinion.noise and _acquitted(case, opinions, difference, evidence):
            noise[name] = (difference, "did not come again, and was noise in another answer of the primary")
            continue
        more = more or opinion.more
        if opinion.noise:
            noise[name] = (difference, opinion.text)
        else:
            left[name] = (_said(difference, opinion), opinion.text)
            settled = settled or not opinion.more
            if opinion.more and opinion.shape:
                unsettled.add(name)
    for difference, opinion in opinions.broken():
        name = difference.path, difference.kind
        if not any(path.startswith(difference.path) for path, _ in left):
            left[name] = (difference, opinion.text)
            more, settled = more or opinion.more, settled or not opinion.more
            unsettled |= {name} if opinion.more and opinion.shape else set()
    if more and not case.cheap:
        if not case.controls and not settled:
            return Judgement(Verdict.INCOMPLETE, _TOO_MUCH)
        # What varies in the primary too, in very many places, is never settled in all of them by chance alone.
        noise |= {name: (found, f"{text}, as far as could be asked") for name, (found, text) in left.items() if name in unsettled}
        left = {name: found for name, found in left.items() if name not in unsettled}
    more = more and case.rounds < ROUNDS and case.cheap
    silenced = tuple(case.silenced)
    own = {(difference.path, difference.kind) for difference in case.candidate.all}
    noise = {name: found for name, found in noise.items() if name in own}  # what only asking again showed is noise of no caller's answer
    quiet = (*(difference for difference, _ in noise.values()), *silenced)
    if not left:
        return Judgement(Verdict.NOISE, _because(case, noise), noise=quiet, silenced=silenced, suspect=more)
    differences = tuple(difference for difference, _ in left.values())
    accepted = accepts is not None and all(map(accepts, differences))
    verdict = Verdict.ACCEPTED if accepted else Verdict.DIFFERENT
    reason = "; ".join(f"{path}: {text}" for (path, _), (_, text) in list(left.items())[:_NAMED])
    return Judgement(verdict, "" if accepted else _with_unheard(case, reason), differences, quiet, silenced, suspect=more and not accepted)


def _first(answers: Sequence[Answer]) -> Iterator[Difference]:
    """Each difference, by path and kind, as it came first: the answer to the caller's request before what asking again showed."""
    seen: set[_Found] = set()
    for answer in answers:
        for difference in answer.all:
            name = difference.path, difference.kind
            if name not in seen:
                seen.add(name)
                yield difference


def _acquitted(case: _Case, opinions: Opinions, difference: Difference, evidence: Evidence) -> bool:
    """It did not come again, and was noise in an answer to another request."""
    if len(case.again) < _NOT_AGAIN or opinions.came_again(difference.path):
        return False
    return evidence.knows(case.endpoint, difference.path, difference.candidate)


def _said(difference: Difference, opinion: Opinion) -> Difference:
    """A noisy value that stopped looking like what it was is called that."""
    if opinion.shape and difference.kind == Kind.VALUE_CHANGED:
        return replace(difference, kind=Kind.SHAPE_CHANGED.value)
    return difference


def _because(case: _Case, noise: Mapping[_Found, tuple[Difference, str]]) -> str:
    named = _named(f"{path} ({text})" for (path, _), (_, text) in noise.items())
    if case.controls:
        return f"differs between {len(case.controls) + 1} answers of the primary too: {named}"
    reason = f"no control, and of one shape: {named}"
    return _with_unheard(case, reason) if case.unheard else reason


def _with_unheard(case: _Case, reason: str) -> str:
    if case.controls:
        return reason
    why = f"the control could not be asked: {case.unheard}" if case.unheard else "there was no control: nobody was asked again"
    return f"{reason} ({why})"


def _named(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    rest = len(found) - _NAMED
    return ", ".join(found[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
