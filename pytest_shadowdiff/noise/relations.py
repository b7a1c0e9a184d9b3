"""Values that belong together: a link that repeats an id, a digest of the body. Each may vary; together they may not fall apart."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence

from pytest_shadowdiff.noise.places import Step
from pytest_shadowdiff.noise.series import Opinion, Sample, Series, constant, doubt

_LEAST = 4
"""Characters from which a repetition is no chance."""
_MOST_LEAVES = 60
_CENTS = 0.005
_DIGESTS = ("md5", "sha1", "sha256", "sha512")

Leaf = tuple[tuple[Step, ...], Series]


def broken(leaves: Sequence[Leaf], show: Callable[[Sequence[Step]], str]) -> Iterator[tuple[tuple[Step, ...], Opinion]]:
    """Where the candidate's values no longer repeat what the primary's repeat in each answer.

    Args:
        leaves: places outside of lists that vary, with their values, which vary in the primary.
        show: a place, as people read it.
    """
    texts = [(place, series.map(_text)) for place, series in leaves[:_MOST_LEAVES]]
    for place, series in texts:
        for other, repeated in texts:
            if other is place or not _all_repeat(series, repeated):
                continue
            off = [s for s in series.candidate if not _repeats(s, repeated.candidate)]
            if off:
                yield place, doubt(series, off, f"a text that repeats {show(other)}, and does not in the candidate", shape=True)


def digests(leaves: Sequence[Leaf], bodies: Series) -> Iterator[tuple[tuple[Step, ...], Opinion]]:
    """Where a value is a digest of the body in each of the primary's answers, and not in the candidate's."""
    for place, series in leaves[:_MOST_LEAVES]:
        name = next((name for name in _DIGESTS if all(_is_digest(s, bodies.primary, name) for s in series.primary)), None)
        if name is not None:
            off = [s for s in series.candidate if not _is_digest(s, bodies.candidate, name)]
            if off:
                yield place, doubt(series, off, f"the body's {name}, and not in the candidate", shape=True)


def sums(
    leaves: Sequence[Leaf], lists: Sequence[Leaf], show: Callable[[Sequence[Step]], str]
) -> Iterator[tuple[tuple[Step, ...], Opinion]]:
    """Where a number is the length of a list, or a sum over it, in each of the primary's answers, and not in the candidate's."""
    for place, series in leaves[:_MOST_LEAVES]:
        if not all(isinstance(s.value, (int, float)) for s in series.primary):
            continue
        for other, elements in lists:
            for what, total in _totals(elements):
                if all(_is_total(s, elements.primary, total) for s in series.primary):
                    off = [s for s in series.candidate if not _is_total(s, elements.candidate, total)]
                    if off:
                        yield place, doubt(series, off, f"the {what} of {show(other)}, and not in the candidate", shape=True)


def _totals(elements: Series) -> Iterator[tuple[str, Callable[[object], float | None]]]:
    yield "length", _length
    yield "sum", lambda value: _sum(value, None)
    first = next((s.value[0] for s in elements.primary if isinstance(s.value, list) and s.value), None)
    if isinstance(first, dict):
        for key in [key for key, value in first.items() if _is_number(value)]:
            yield f"sum of {key}", lambda value, key=key: _sum(value, key)  # type: ignore[misc]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _length(value: object) -> float | None:
    return len(value) if isinstance(value, list) else None


def _sum(value: object, key: str | None) -> float | None:
    if not isinstance(value, list):
        return None
    found = [element.get(key) if key is not None and isinstance(element, dict) else element for element in value]
    numbers = [float(element) for element in found if isinstance(element, (int, float)) and not isinstance(element, bool)]
    return sum(numbers) if len(numbers) == len(found) else None


def _is_total(sample: Sample, lists: Sequence[Sample], total: Callable[[object], float | None]) -> bool:
    found = next((total(other.value) for other in lists if other.turn == sample.turn), None)
    value = sample.value
    return found is not None and isinstance(value, (int, float)) and abs(found - value) <= max(_CENTS, abs(found) * 1e-9)


def _text(sample: Sample) -> object:
    value = sample.value
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def _all_repeat(series: Series, repeated: Series) -> bool:
    if constant(series.primary) or any(len(str(s.value)) < _LEAST for s in repeated.primary):
        return False
    return all(_repeats(s, repeated.primary) for s in series.primary)


def _repeats(sample: Sample, others: Sequence[Sample]) -> bool:
    there = next((str(other.value) for other in others if other.turn == sample.turn), "")
    return there in str(sample.value)


def _is_digest(sample: Sample, bodies: Sequence[Sample], name: str) -> bool:
    body = next((other.value for other in bodies if other.turn == sample.turn), None)
    if not isinstance(body, bytes) or not isinstance(sample.value, str):
        return False
    digest = hashlib.new(name, body, usedforsecurity=False)
    return digest.hexdigest() in sample.value.lower() or b64encode(digest.digest()).decode() in sample.value
