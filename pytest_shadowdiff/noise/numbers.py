"""Numbers that vary: counters, the time of day, and numbers that jitter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from statistics import median

from pytest_shadowdiff.noise import processes
from pytest_shadowdiff.noise.series import Opinion, Sample, Series, constant, doubt, lean

FAR = 5.0
"""How many of its own spreads beyond the primary's range a number has to lie to be none of them."""
NEAR_NOW = 5.0
"""Seconds from the moment of the request within which a time means "now"."""
UNITS = (1.0, 1e3, 1e6, 1e9)
"""In a second, of what numbers count since 1970."""
_ABSURD = 1000.0
"""How many times larger, or smaller, than the primary's no number is by chance, however rarely."""
_YEAR = 366 * 86400.0
_FEW = 4
_ROUGH_DIGITS = 3
_BY_CHANCE = 1e-3
_SHIFTED = 12
"""Answers of each side after which numbers that never met are apart: where there are many of them, chance has many chances."""


def weigh(series: Series) -> Opinion:
    """What may be thought of numbers, where the primary's own vary."""
    fine = _precision(series)
    if fine is not None:
        return fine
    for unit in UNITS:
        if all(abs(_number(s) / unit - s.at) < _YEAR * 10 for s in series.primary):
            return moments(series.map(lambda s, unit=unit: _number(s) / unit), step=1.0, what="a time as a number")  # type: ignore[misc]
    if not series.pooled and _steps(series.primary):
        return _counter(series)
    return _jitter(series)


def moments(series: Series, *, step: float, what: str) -> Opinion:
    """What may be thought of points in time, as Unix seconds, that vary or are close to now."""
    distances = [_number(s) - s.at for s in series.primary]
    low, high = min(distances), max(distances)
    slack = max(2.0, NEAR_NOW if abs(low) < NEAR_NOW else 0.0, 2 * step, 3 * (high - low), 0.02 * abs(low))
    late = [s for s in series.candidate if not low - slack <= _number(s) - s.at <= high + slack]
    if late:
        there, here = median(distances), _number(late[0]) - late[0].at
        return doubt(series, late, f"{what}, {_from_now(there)} in the primary and {_from_now(here)} in the candidate", shape=True)
    return Opinion(noise=True, more=False, text=what)


def spread(series: Series) -> Opinion:
    """What may be thought of numbers that only jitter: no clocks, no counters."""
    if constant(series.primary):
        return weigh(series)
    once = processes.made_once(series)
    return processes.weigh(once, _jitter) if once is not None else _jitter(series)


def _number(sample: Sample) -> float:
    value = sample.value
    return float(value) if isinstance(value, (int, float, Decimal)) else math.nan


def _from_now(seconds: float) -> str:
    if abs(seconds) < NEAR_NOW:
        return "now"
    return f"{abs(seconds):.0f} s {'after' if seconds > 0 else 'before'} now"


def _steps(samples: Sequence[Sample]) -> int:
    """1 where the values only ever grow, -1 where they only ever shrink, 0 where neither; whole numbers only."""
    values = [s.value for s in samples]
    if len(values) < 2 or not all(isinstance(value, int) for value in values):  # noqa: PLR2004 - one value has no direction
        return 0
    pairs = list(pairwise(map(_number, samples)))
    if all(a < b for a, b in pairs):
        return 1
    return -1 if all(a > b for a, b in pairs) else 0


def _counter(series: Series) -> Opinion:
    """Whole numbers that only grow, or only shrink, from answer to answer; by how much each time may be a promise too."""
    direction = _steps(series.primary)
    ours, theirs = _differences(series.primary), _differences(series.candidate)
    known = min(series.turns) > _FEW
    if not theirs:  # two answers of the primary always grow or shrink
        return _jitter(series)
    if _steps(series.candidate) == direction:
        if len(set(ours)) == len(set(theirs)) == 1 and ours[0] != theirs[0]:
            return doubt(
                series, series.candidate, f"a counter that steps by {ours[0]:g}, and by {theirs[0]:g} in the candidate", shape=True
            )
        return Opinion(noise=True, more=False, text="a counter")
    if known:
        return doubt(series, series.candidate, "a counter, which the candidate's is not", shape=True)
    return replace(_jitter(series), more=True)


def _differences(samples: Sequence[Sample]) -> list[float]:
    return [_number(b) - _number(a) for a, b in pairwise(samples)]


def _jitter(series: Series) -> Opinion:
    ours, theirs = [_number(s) for s in series.primary], [_number(s) for s in series.candidate]
    text = f"a number from {_show(min(ours))} to {_show(max(ours))}"
    if not series.pooled and len(ours) > 1 and len(theirs) > 1 and constant(series.candidate) and len(set(ours)) == len(ours):
        return doubt(series, series.candidate, f"{text}, always {_show(theirs[0])} in the candidate", shape=True)
    below = [s for s in series.candidate if _number(s) < 0 <= min(ours)]
    if below:
        return doubt(series, below, f"{text}, negative in the candidate", shape=True)
    far = [s for s in series.candidate if _far(_number(s), ours)]
    if far:
        worst = max(far, key=lambda s: abs(_number(s)))
        what = f"{text}, and {_show(_number(worst))} in the candidate"
        if min(ours) <= 0 or any(not 1 / _ABSURD < _number(s) / max(ours) < _ABSURD for s in far):
            return doubt(series, far, what, shape=True)
        rare = lean(series, far, what, (series.primary[0].value, worst.value))  # a busy machine's durations have such days
        if not rare.noise:
            return rare
    usual, others = _by_turn(series.primary), _by_turn(series.candidate)
    if max(usual) < min(others) or min(usual) > max(others):
        shifted = f"{text}, from {_show(min(theirs))} to {_show(max(theirs))} in the candidate"
        return doubt(series, series.candidate, shifted, shape=True, steady=_SHIFTED)
    return Opinion(noise=True, more=False, text=text)


def _by_turn(samples: Sequence[Sample]) -> list[float]:
    """The middle of each answer's numbers: those of one answer may have moved together."""
    turns: dict[int, list[float]] = {}
    for sample in samples:
        turns.setdefault(sample.turn, []).append(_number(sample))
    return [median(values) for values in turns.values()]


def _far(value: float, seen: Sequence[float]) -> bool:
    """Far outside of what was seen, both by difference and, where all is positive, by ratio."""
    low, high = min(seen), max(seen)
    spread = FAR * (high - low)
    if low - spread <= value <= high + spread:
        return False
    if low <= 0 or value <= 0:
        return True
    ratio = (high / low) ** 3
    return not low / ratio <= value <= high * ratio


def _show(value: float) -> str:
    return f"{value:.6g}"


def _precision(series: Series) -> Opinion | None:
    """Digits behind the point that the primary never shows, or whole numbers where the primary's never are."""
    ours = [_digits(s.value) for s in series.primary]
    most = max(ours)
    finer = [s for s in series.candidate if _digits(s.value) > most + (0 if most == 0 else _ROUGH_DIGITS)]
    if finer:
        return doubt(series, finer, f"a number with {most or 'no'} decimals, {_digits(finer[0].value)} in the candidate", shape=True)
    if min(ours) > 0 and all(_digits(s.value) == 0 for s in series.candidate) and 10.0 ** (-most * len(series.candidate)) < _BY_CHANCE:
        return doubt(series, series.candidate, "a number with decimals, a whole one in the candidate", shape=True)
    return None


def _digits(value: object) -> int:
    if isinstance(value, int):
        return 0
    text = repr(value) if isinstance(value, float) else str(value)
    mantissa, _, exponent = text.lower().partition("e")
    digits = len(mantissa.partition(".")[2].rstrip("0")) - int(exponent or 0)
    return max(digits, 0)
