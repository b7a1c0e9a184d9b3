"""Requests that look alike, in captures whose order proves little: which is whose, where that can be said. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from pytest_shadowdiff.traffic import Captured

APART_SECONDS = 30.0
"""No further apart stand a request and its copy in two logs (clocks, and answers that take long)."""

Placed = tuple[int, Captured]


@dataclass(frozen=True, slots=True)
class Match:
    """One of the primary's and one of the candidate's.

    Attributes:
        problem: why nothing can be said of them; empty where something can.
    """

    primary: Placed
    candidate: Placed
    problem: str = ""


def matched(primary: Sequence[Placed], candidate: Sequence[Placed]) -> Iterator[Match]:
    """The matches of requests that look alike; those that nobody stands beside are in none.

    They are taken for each other in their order. Where more than one is within reach, the verdicts have to be the same
    whichever belongs to which: one side answered all of them alike. Otherwise none of them has one.
    """
    for ones, others in _near(primary, candidate):
        problem = _ambiguity(ones, others)
        for one, other in zip(ones, others, strict=False):
            yield Match(one, other, problem)


def _near(primary: Sequence[Placed], candidate: Sequence[Placed]) -> Iterator[tuple[list[Placed], list[Placed]]]:
    """Both sides cut at each pause that is long enough; not at all where a time is missing."""
    every = [*((placed, 0) for placed in primary), *((placed, 1) for placed in candidate)]
    if not all(_time(placed) for placed, _ in every):
        yield list(primary), list(candidate)
        return
    every.sort(key=lambda each: _time(each[0]))
    sides: tuple[list[Placed], list[Placed]] = [], []
    for (placed, side), (before, _) in zip_longest(every, every[:1] + every[:-1]):
        if _time(placed) - _time(before) > APART_SECONDS:
            yield sides
            sides = [], []
        sides[side].append(placed)
    yield sides


def _ambiguity(primary: Sequence[Placed], candidate: Sequence[Placed]) -> str:
    ones, others = _statuses(primary), _statuses(candidate)
    alone = len(primary) == len(candidate) == 1
    one_for_all = len(ones | others) == 1 or (len(primary) == len(candidate) and 1 in (len(ones), len(others)))
    if alone or one_for_all or not primary or not candidate:
        return ""
    request = primary[0][1].exchange.request
    what = f"{request.method} {request.target.partition('?')[0]}"
    return (
        f"ambiguous: {len(primary)} and {len(candidate)} requests {what} within {APART_SECONDS:g} s got different statuses, "
        "and no id tells them apart"
    )


def _statuses(side: Sequence[Placed]) -> set[int | None]:
    return {None if placed[1].exchange.response is None else placed[1].exchange.response.status for placed in side}


def _time(placed: Placed) -> float:
    return placed[1].exchange.started
