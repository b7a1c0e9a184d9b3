"""What a process makes once (the id of a thread, a generated key): constant in each process, and another in each.

Only a control that is a process of its own shows it: then the primary's first answer comes from one process, and all others from another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from pytest_shadowdiff.noise.series import Opinion, Sample, Series, doubt, same

_MAGNITUDES = 10.0
_LEAST = 2
"""Answers of a process from which its values may be taken for constant."""


def made_once(series: Series) -> Series | None:
    """One answer of each process, where the primary's vary, and each process always shows the same; None where that is not so."""
    if not series.third:
        return None
    ours, theirs = _by_turn(series.primary), _by_turn(series.candidate)
    first, control = ours.pop(0, None), list(ours.values())
    if first is None or min(len(control), len(theirs)) < _LEAST:
        return None
    here, there = control[0], next(iter(theirs.values()))
    if not all(_alike(each, here) for each in control) or not all(_alike(each, there) for each in theirs.values()):
        return None
    return replace(series, primary=[*first, *here], candidate=there, turns=(2, 1), third=False)


def weigh(series: Series, rest: Callable[[Series], Opinion]) -> Opinion:
    """What may be thought of values that each process made once: asking again shows nothing more, and two are no range.

    Args:
        rest: what is thought of anything but numbers.
    """
    numbers = [s.value for s in series.primary if _is_number(s.value)]
    if len(numbers) < len(series.primary) or not all(_is_number(s.value) for s in series.candidate):
        opinion = rest(series)
    else:
        off = [s for s in series.candidate if not _fits(s.value, numbers)]
        text = "numbers of one size, another in the candidate"
        opinion = doubt(series, off, text, shape=True) if off else Opinion(noise=True, more=False, text="")
    return replace(opinion, more=False, text=f"another in each process{': ' if opinion.text else ''}{opinion.text}")


def _by_turn(samples: Sequence[Sample]) -> dict[int, list[Sample]]:
    turns: dict[int, list[Sample]] = {}
    for sample in samples:
        turns.setdefault(sample.turn, []).append(sample)
    return turns


def _alike(one: Sequence[Sample], other: Sequence[Sample]) -> bool:
    return len(one) == len(other) and all(same(a.value, b.value) for a, b in zip(one, other, strict=True))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _fits(value: object, seen: Sequence[object]) -> bool:
    """Of the sign, the type and about the size of one that was seen."""
    return any(_is_like(value, each) for each in seen)


def _is_like(one: object, other: object) -> bool:
    if not isinstance(one, (int, float, Decimal)) or not isinstance(other, (int, float, Decimal)):
        return False
    if isinstance(one, int) != isinstance(other, int) or (one < 0) != (other < 0):
        return False
    small, large = sorted((abs(float(one)), abs(float(other))))
    return large <= max(small, 1.0) * _MAGNITUDES
