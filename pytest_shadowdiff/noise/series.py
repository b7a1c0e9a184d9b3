"""Values at one place: what the primary showed, what the candidate showed; and what may be thought of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Final

STEADY = 8
"""Answers of each side after which a difference that every pair of them shows is one: a coin would do that once in 6,435 times."""
PATIENT = 24
"""Answers of each side after which a difference that came only now and then, in the candidate alone, is one."""
RARE = 1e-4
"""How improbable it has to be that only the candidate's draws from a set of values showed one of them."""

_HOPELESS = 4
"""What fewer than one answer in so many shows will not be told from chance by asking on."""


class _Absent:
    """There is no value here."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Sample:
    """One value.

    Attributes:
        turn: the number of the answer, of its own side, in which it stood.
        at: when that answer was asked for, Unix seconds.
    """

    value: object
    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class Series:
    """What both sides showed at one place, oldest first.

    Attributes:
        turns: how many answers of the primary and of the candidate there are in all.
        pooled: one answer may hold many values (the elements of a list), so their number proves nothing.
        third: all of the primary's answers but the first come from another process, the control.
    """

    primary: Sequence[Sample]
    candidate: Sequence[Sample]
    turns: tuple[int, int]
    pooled: bool = False
    third: bool = False

    def map(self, change: Callable[[Sample], object]) -> Series:
        """The same series with other values."""
        return self.replace(
            [Sample(change(sample), sample.turn, sample.at) for sample in self.primary],
            [Sample(change(sample), sample.turn, sample.at) for sample in self.candidate],
        )

    def only(self, wanted: Callable[[object], bool]) -> Series:
        """The samples whose value is wanted."""
        return self.replace([s for s in self.primary if wanted(s.value)], [s for s in self.candidate if wanted(s.value)])

    def replace(self, primary: Sequence[Sample], candidate: Sequence[Sample]) -> Series:
        """Other samples of the same answers."""
        return Series(primary, candidate, self.turns, self.pooled, self.third)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What may be thought of a series.

    Attributes:
        noise: the candidate's values are what the primary's own variation allows.
        more: asking both again could change that.
        text: what it looks like ("UUID version 4"), or what it stopped looking like.
        shape: the primary varies here, so that what broke is a shape and not a value.
        values: one of the primary's and one of the candidate's values that show it, where it is not noise.
    """

    noise: bool
    more: bool
    text: str
    shape: bool = False
    values: tuple[object, object] | None = None


def same(one: object, other: object) -> bool:
    """Equal in value and in type, all the way down; numbers are equal by value, as in the comparison."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def key(value: object) -> object:
    """What tells single values apart in a set; lists and objects count by their kind alone."""
    if isinstance(value, (list, dict)):
        return (type(value), bool(value))
    return (isinstance(value, bool), value)


def constant(samples: Sequence[Sample]) -> bool:
    """All values are the same."""
    return all(same(sample.value, samples[0].value) for sample in samples[1:])


def turns(samples: Iterable[Sample]) -> int:
    """In how many answers these samples stood."""
    return len({sample.turn for sample in samples})


def comes_again(seen: Sequence[int], of: int) -> bool:
    """Whether what stood in these answers, of so many, was gone and was there again, or was never gone."""
    return len(seen) == of or seen[-1] - seen[0] >= len(seen)


def doubt(series: Series, novel: Sequence[Sample], text: str, *, shape: bool, steady: int = STEADY) -> Opinion:
    """The candidate showed values that the primary's do not allow: how often, and how sure can one be of it by now?"""
    asked = min(series.turns)
    every = turns(novel) >= series.turns[1]
    if not every and series.turns[1] > 1:
        text = f"{text}, in {turns(novel)} of {series.turns[1]} answers of the candidate and none of {series.turns[0]} of the primary"
    shown = (series.primary[0].value if series.primary else ABSENT, novel[0].value)
    return Opinion(noise=False, more=asked < (steady if every else PATIENT), text=text, shape=shape, values=shown)


def lean(series: Series, novel: Sequence[Sample], text: str, shown: tuple[object, object] | None = None) -> Opinion:
    """As `doubt`, where what the primary always showed may be luck: a difference only if chance does not explain it.

    Args:
        series: what both sides showed.
        novel: those of the candidate's that the primary's do not allow.
        text: what the primary always showed.
        shown: the values that show it best, where they are not the first ones.
    """
    asked = min(series.turns)
    hopeful = asked < STEADY or (asked < PATIENT and _HOPELESS * turns(novel) >= asked)
    opinion = replace(doubt(series, novel, text, shape=True), more=hopeful)
    if shown is not None:
        opinion = replace(opinion, values=shown)
    if asked >= STEADY and only_by_chance(series, novel) < RARE:
        return replace(opinion, more=False)
    return opinion if hopeful else Opinion(noise=True, more=False, text=f"{text}, which may be chance")


def only_by_chance(series: Series, novel: Sequence[Sample]) -> float:
    """The probability that a value which both sides draw alike shows in this many answers of the candidate and in none of the primary."""
    primary, candidate = series.turns
    return comb(candidate, turns(novel)) / comb(primary + candidate, turns(novel))


def worst(opinions: Iterable[Opinion], noise: Opinion) -> Opinion:
    """The opinion of a whole whose parts these are: any part that is no noise makes the whole none."""
    more = False
    found: Opinion | None = None
    for opinion in opinions:
        more = more or opinion.more
        if not opinion.noise and (found is None or (found.more and not opinion.more)):
            found = opinion
    if found is None:
        return Opinion(noise=True, more=more, text=noise.text)
    return Opinion(noise=False, more=more, text=found.text, shape=found.shape, values=found.values)
