"""Single values, of whatever type: what may be thought of what both sides showed at one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from pytest_shadowdiff.noise import numbers, processes, shapes, texts, times
from pytest_shadowdiff.noise.series import (
    ABSENT,
    PATIENT,
    RARE,
    STEADY,
    Opinion,
    Sample,
    Series,
    comes_again,
    constant,
    doubt,
    key,
    only_by_chance,
    same,
    turns,
)

_ALIKE = Opinion(noise=True, more=False, text="the same")
_DAY = 86400.0
_NEW = 0.3
"""A set is open while more than this share of what was seen in it was seen once."""


def weigh(series: Series) -> Opinion:
    """What may be thought of a series of values; lists and objects count by their kind alone."""
    if not series.primary:
        return doubt(series, series.candidate, "only in the candidate", shape=False) if series.candidate else _ALIKE
    if not series.candidate:
        return _ALIKE
    if constant(series.primary):
        return _constant(series)
    once = processes.made_once(series)
    if once is not None:
        return processes.weigh(once, lambda each: _kinds(each) or _shape(each))
    return _kinds(series) or _always(series) or _few(series) or _shape(series)


def kind(value: object) -> str:
    """The type of a value as far as a shape goes: what is empty is of another type than what is not."""
    if value is ABSENT:
        return "nothing"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float, Decimal)):
        return "a number"
    names: dict[type, str] = {str: "text", list: "a list", dict: "an object"}
    name = names.get(type(value), type(value).__name__)
    return name if value else f"empty {name.removeprefix('a ').removeprefix('an ')}"


def alike(one: object, other: object, at: tuple[float, float]) -> str | None:
    """The random or time-like shape that both values have, where nothing but one answer of each side is known."""
    if isinstance(one, str) and isinstance(other, str):
        shape = shapes.known(one)
        if shape is not None and shape != "nil UUID" and shape == shapes.known(other):
            return shape
        ours, theirs = times.read(one), times.read(other)
        if ours and theirs and (ours.format, ours.digits) == (theirs.format, theirs.digits):
            near = abs((ours.epoch - at[0]) - (theirs.epoch - at[1])) <= numbers.NEAR_NOW + ours.step
            return f"a time, {ours.format}" if near else None
        return _random(one, other)
    if kind(one) == kind(other) == "a number" and isinstance(one, type(other)):
        for unit in numbers.UNITS:
            if all(abs(float(value) / unit - now) <= numbers.NEAR_NOW for value, now in zip((one, other), at, strict=True)):  # type: ignore[arg-type]
                return "a time as a number"
    return None


def _random(one: str, other: str) -> str | None:
    """Two tokens too long and too mixed to be words, of one length and alphabet; around them, the same text."""
    ours, theirs = texts.tokens(one), texts.tokens(other)
    if len(ours) != len(theirs):
        return None
    found = None
    for mine, yours in zip(ours, theirs, strict=True):
        if mine == yours:
            continue
        alphabet = shapes.alphabet([mine, yours])
        token = len(mine) == len(yours) >= shapes.TOKEN_LENGTH and any(c.isdigit() for c in mine) and any(c.isdigit() for c in yours)
        inner = shapes.known(mine)
        if inner is not None and inner == shapes.known(yours):
            found = inner
        elif token and alphabet.name in ("hexadecimal", "a token"):
            found = f"{alphabet.name} of {len(mine)} characters"
        else:
            return None
    return found


def _constant(series: Series) -> Opinion:
    """Constant in the primary: a difference is a difference, but for a clock that did not tick."""
    novel = [s for s in series.candidate if not same(s.value, series.primary[0].value)]
    if not novel:
        return _ALIKE
    alone = series.turns[0] < 2  # noqa: PLR2004 - a single answer cannot vary
    now = texts.close_to_now(series)
    if now is not None:
        return replace(now, more=now.more or alone)
    one, other = series.primary[0], novel[0]
    if alone:
        shape = alike(one.value, other.value, (one.at, other.at))
        if shape is not None:
            return Opinion(noise=True, more=True, text=shape)
    elif alike(one.value, other.value, (one.at, other.at)) == "a time as a number":
        return Opinion(noise=True, more=False, text="a time as a number")
    return doubt(series, novel, "another value in the candidate" if alone else "the same in each answer of the primary", shape=False)


def _kinds(series: Series) -> Opinion | None:
    """Values of a type that the primary never showed here."""
    ours = {kind(s.value) for s in series.primary}
    novel = [s for s in series.candidate if kind(s.value) not in ours]
    if novel:
        return doubt(series, novel, f"{' or '.join(sorted(ours))} in the primary, {kind(novel[0].value)} in the candidate", shape=True)
    return None


def _always(series: Series) -> Opinion | None:
    """One value in each answer of the candidate, and in none of the primary's, which vary: no more likely than for a constant."""
    ours, theirs = series.primary, series.candidate
    if series.pooled or len(theirs) < 2 or not constant(theirs):  # noqa: PLR2004 - one value varies as little as it repeats
        return None
    if any(same(s.value, theirs[0].value) for s in ours):
        return None
    changes = sum(not same(one.value, other.value) for one, other in pairwise(ours))
    if min(series.turns) > STEADY // 2 and changes < 2:  # noqa: PLR2004 - kept for a while, then made anew: too slow for either to show
        return None
    return doubt(series, theirs, "values that vary, always the same in the candidate", shape=True)


def _few(series: Series) -> Opinion | None:
    """A small set of values, seen often enough to be known; None where the set is open or has just been met."""
    ours = _counts(series.primary)
    novel = [s for s in series.candidate if key(s.value) not in ours]
    if not novel:
        return texts.stuck(series, "values that vary") or Opinion(noise=True, more=False, text=_set(series))
    once = sum(1 for count in ours.values() if count == 1)
    many_numbers = len(ours) > STEADY // 2 and all(kind(s.value) == "a number" for s in series.primary)
    # A clock that ticks slowly repeats itself, and never comes back.
    if once > _NEW * len(series.primary) or many_numbers or all(map(_is_time, series.primary)):
        return None
    shape = _shape(series)
    return _stranger(series, novel) if shape.noise else shape


def _stranger(series: Series, novel: list[Sample]) -> Opinion:
    """A value of the right shape that the primary's small set does not seem to have."""
    text = f"{_set(series)}, another in the candidate"
    if min(series.turns) < PATIENT:
        return Opinion(noise=False, more=True, text=text, shape=True, values=(series.primary[0].value, novel[0].value))
    counts = _counts(novel)
    often = max(counts, key=counts.__getitem__)
    repeated = [s for s in novel if key(s.value) == often]
    if only_by_chance(series, repeated) < RARE and _come_again(series):
        return doubt(series, repeated, text, shape=True)
    return Opinion(noise=True, more=False, text=f"{_set(series)}, of which not all were seen")


def _come_again(series: Series) -> bool:
    """Half of the primary's values that came more than once were gone in between: they are drawn, and not kept for a while."""
    found: dict[object, list[int]] = {}
    for sample in series.primary:
        seen = found.setdefault(key(sample.value), [])
        if sample.turn not in seen[-1:]:
            seen.append(sample.turn)
    often = [seen for seen in found.values() if len(seen) > 1]
    return 2 * sum(comes_again(seen, series.turns[0]) for seen in often) >= len(often)


def _is_time(sample: Sample) -> bool:
    value = sample.value
    if isinstance(value, str):
        return times.read(value) is not None
    return kind(value) == "a number" and any(abs(float(value) / unit - sample.at) <= _DAY for unit in numbers.UNITS)  # type: ignore[arg-type]


def _counts(samples: Sequence[Sample]) -> dict[object, int]:
    counts: dict[object, int] = {}
    for sample in samples:
        counts[key(sample.value)] = counts.get(key(sample.value), 0) + 1
    return counts


def _set(series: Series) -> str:
    return f"one of {len(_counts(series.primary))} values"


def _shape(series: Series) -> Opinion:
    """Each type by itself, held to the shape that the primary's values of that type have."""
    for name, check in (("text", texts.weigh), ("a number", numbers.weigh)):
        part = series.only(lambda value, name=name: kind(value) == name)  # type: ignore[misc]
        if part.primary and part.candidate:
            opinion = weigh(part) if constant(part.primary) else check(part)
            if not opinion.noise or turns(part.primary) == series.turns[0]:
                return opinion
    return Opinion(noise=True, more=False, text=" or ".join(sorted({kind(s.value) for s in series.primary})))
