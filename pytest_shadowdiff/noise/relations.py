"""Values that belong together: a link that repeats an id, a digest of the body. Each may vary; together they may not fall apart."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence

from pytest_shadowdiff.noise.places import Step
from pytest_shadowdiff.noise.series import Opinion, Sample, Series, constant, doubt

_LEAST = 4
"""Characters from which a repetition is no chance."""
_MOST_LEAVES = 60
_CENTS = 0.005
_MOST_LISTS = 20
_DIGEST = re.compile(r"[0-9a-fA-F]{32}|[0-9A-Za-z+/]{22,}=")
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
    wanted = [(place, series) for place, series in leaves[:_MOST_LEAVES] if all(_DIGEST.search(str(s.value)) for s in series.primary)]
    for name in _DIGESTS if wanted else ():
        ours, theirs = ({s.turn: _written_digests(s.value, name) for s in side} for side in (bodies.primary, bodies.candidate))
        for place, series in wanted:
            if all(_is_digest(s, ours) for s in series.primary):
                off = [s for s in series.candidate if not _is_digest(s, theirs)]
                if off:
                    yield place, doubt(series, off, f"the body's {name}, and not in the candidate", shape=True)


def sums(
    leaves: Sequence[Leaf], lists: Sequence[Leaf], show: Callable[[Sequence[Step]], str]
) -> Iterator[tuple[tuple[Step, ...], Opinion]]:
    """Where a number is the length of a list, or a sum over it, in each of the primary's answers, and not in the candidate's."""
    numbers = [(place, series) for place, series in leaves[:_MOST_LEAVES] if all(_is_number(s.value) for s in series.primary)]
    for other, elements in lists[:_MOST_LISTS] if numbers else ():
        for what, key in _totals(elements):
            ours, theirs = ({s.turn: _total(s.value, what, key) for s in side} for side in (elements.primary, elements.candidate))
            for place, series in numbers:
                if all(_is_total(s, ours) for s in series.primary):
                    off = [s for s in series.candidate if not _is_total(s, theirs)]
                    if off:
                        yield place, doubt(series, off, f"the {what} of {show(other)}, and not in the candidate", shape=True)


def _totals(elements: Series) -> list[tuple[str, str | None]]:
    """What may be a total of a list, with the member that is summed."""
    first = next((s.value[0] for s in elements.primary if isinstance(s.value, list) and s.value), None)
    names = [name for name, value in first.items() if _is_number(value)] if isinstance(first, dict) else []
    return [("length", None), ("sum", None), *((f"sum of {name}", name) for name in names[:_MOST_LISTS])]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _total(value: object, what: str, key: str | None) -> float | None:
    if not isinstance(value, list):
        return None
    if what == "length":
        return len(value)
    found = [element.get(key) if key is not None and isinstance(element, dict) else element for element in value]
    numbers = [float(element) for element in found if isinstance(element, (int, float)) and not isinstance(element, bool)]
    return sum(numbers) if len(numbers) == len(found) else None


def _is_total(sample: Sample, totals: Mapping[int, float | None]) -> bool:
    found, value = totals.get(sample.turn), sample.value
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


def _written_digests(body: object, name: str) -> tuple[str, str] | None:
    if not isinstance(body, bytes):
        return None
    digest = hashlib.new(name, body, usedforsecurity=False)
    return digest.hexdigest(), b64encode(digest.digest()).decode()


def _is_digest(sample: Sample, digests: Mapping[int, tuple[str, str] | None]) -> bool:
    written = digests.get(sample.turn)
    return written is not None and isinstance(sample.value, str) and (written[0] in sample.value.lower() or written[1] in sample.value)
