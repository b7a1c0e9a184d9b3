"""What lists hold as a whole, member by member, where nothing tells which of their elements is which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_shadowdiff.noise import numbers, times
from pytest_shadowdiff.noise.names import are_open, counted
from pytest_shadowdiff.noise.places import ANY, Step
from pytest_shadowdiff.noise.series import ABSENT, STEADY, Opinion, Sample, Series, comes_again, key, lean

_MOST = 200_000
"""Values that are looked at, over all answers."""
_MOST_NAMES = 200
_DEEPEST = 6
_DAY = 86400.0
_SHOWN = 5
_OFTEN = 4
"""What fewer than one of so many answers holds is no value of a closed set."""
_AGAIN = 0.4
"""A set of values may be closed while at least this share of them stood in more than one of the first answers."""
_CLOSED = 0.5
"""A set of values is closed where at least this share of them went and came again, or was always there."""


class _Lately:
    """A time about now: a clock that did not tick holds nothing."""

    def __repr__(self) -> str:
        return "a time about now"


_LATELY = _Lately()


@dataclass(frozen=True, slots=True)
class _Row:
    """Some members of one element, with their values."""

    members: tuple[tuple[tuple[Step, ...], object], ...]


@dataclass(frozen=True, slots=True)
class Column:
    """The values of one member of all elements.

    Attributes:
        place: from the list on, beginning with `ANY`.
        series: a sequence of values for each answer, in the order of the elements.
    """

    place: tuple[Step, ...]
    series: Series


def columns(lists: Series) -> list[Column]:
    """The members of the elements of lists, and theirs, as far as there are not too many."""
    found: list[Column] = []
    left = _MOST
    waiting = [Column((ANY,), lists)]
    while waiting:
        column = waiting.pop()
        left -= sum(len(_values(s)) for s in _all(column.series)) + 1
        if left < 0:
            break
        found.append(Column(column.place, column.series.map(lambda s: [_single(value, s.at) for value in _values(s)])))
        if len(column.place) < _DEEPEST:
            waiting.extend(_within(column))
    return found


def is_unordered(found: Iterable[Column]) -> bool:
    """Whether the elements change places: no member stays where it is, and a value moves from one to another."""
    moves = False
    for column in found:
        if ANY in column.place[1:]:  # many values of one element
            continue
        ours = [_values(s) for s in column.series.primary]
        if len(set(ours[0])) > 1 and all(values == ours[0] for values in ours):
            return False
        moves = moves or _moves(ours) or _are_permutations(ours)
    return moves


def held(found: Iterable[Column], silenced: Callable[[Sequence[Step]], bool]) -> Iterator[tuple[tuple[Step, ...], Opinion]]:
    """Where the candidate's lists do not hold what the primary's do.

    Args:
        silenced: whether a rule silences a member.
    """
    known = list(found)
    broken = [(column.place, opinion) for column in known if (opinion := _held(column.series)) is not None and not opinion.noise]
    yield from broken
    rows = _together([column for column in known if not silenced(column.place)])
    if rows is not None and not broken and _never_varies(rows):
        opinion = _others(rows.map(lambda s: Counter(_values(s))), "members that belong together in each answer of the primary")
        if opinion is not None and not opinion.noise:
            yield (ANY,), replace(opinion, shape=False)


def _together(found: Sequence[Column]) -> Series | None:
    """The members whose values are the same in each answer of the primary, element by element; None where there are not two of them."""
    steady = [column for column in found if len(column.place) > 1 and ANY not in column.place[1:] and _never_varies(column.series)]
    if len(steady) < 2:  # noqa: PLR2004 - a member alone is held by itself
        return None
    names = [column.place[1:] for column in steady]
    sides = []
    for side in zip(*((*column.series.primary, *column.series.candidate) for column in steady), strict=True):
        if len({len(_values(s)) for s in side}) > 1:
            return None
        rows = [_Row(tuple(zip(names, row, strict=True))) for row in zip(*map(_values, side), strict=True)]
        sides.append(Sample(rows, side[0].turn, side[0].at))
    first = steady[0].series
    return first.replace(sides[: len(first.primary)], sides[len(first.primary) :])


def _never_varies(series: Series) -> bool:
    return _is_constant(series.map(lambda s: Counter(_values(s)))) and len(set(_values(series.primary[0]))) > 1


def _within(column: Column) -> Iterator[Column]:
    objects = column.series.map(lambda s: [value for value in _values(s) if isinstance(value, dict)])
    for name in _names(objects):
        yield Column((*column.place, name), objects.map(lambda s, name=name: [value.get(name, ABSENT) for value in _values(s)]))  # type: ignore[misc]
    inner = column.series.map(lambda s: [one for value in _values(s) if isinstance(value, list) for one in value])
    if any(_values(s) for s in _all(inner)):
        yield Column((*column.place, ANY), inner)


def _names(objects: Series) -> list[str]:
    """The members' names, but for those that are data."""
    ours = [value for s in objects.primary for value in _values(s)]
    names = counted(ours)
    varying = {name: count for name, count in names.items() if count < len(ours)}
    if varying and are_open(varying):
        return [name for name in names if name not in varying][:_MOST_NAMES]
    names |= counted(value for s in objects.candidate for value in _values(s))
    return list(names)[:_MOST_NAMES]


def _all(series: Series) -> Iterator[Sample]:
    yield from series.primary
    yield from series.candidate


def _values(sample: Sample) -> Sequence[Any]:
    return sample.value if isinstance(sample.value, list) else ()


def _single(value: object, at: float) -> object:
    if isinstance(value, str):
        moment = times.read(value)
        return _LATELY if moment is not None and abs(moment.epoch - at) < _DAY else key(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and any(abs(value / unit - at) < _DAY for unit in numbers.UNITS):
        return _LATELY
    return key(value)


def _moves(lists: Sequence[Sequence[Any]]) -> bool:
    """The same value stands at another position in another answer; truth and nothing stand anywhere."""
    seen: dict[object, int] = {}
    for values in lists:
        for position, value in enumerate(values):
            if _tells(value) and seen.setdefault(value, position) != position:
                return True
    return False


def _are_permutations(lists: Sequence[Sequence[Any]]) -> bool:
    first = Counter(lists[0])
    return any(values != lists[0] for values in lists) and all(Counter(values) == first for values in lists)


def _tells(value: Any) -> bool:  # noqa: ANN401 - of any type
    return isinstance(value, tuple) and value[0] is False and value[1] is not None and value[1] is not ABSENT


def _held(series: Series) -> Opinion | None:
    multisets = series.map(lambda s: Counter(_values(s)))
    if _is_constant(multisets):
        opinion = _others(multisets, "the same values in any order in each answer of the primary")
        return replace(opinion, shape=False) if opinion is not None else None  # constant, so that a difference is one
    sets = series.map(lambda s: frozenset(_values(s)))
    if _is_constant(sets):
        return _others(sets, "the same set of values in each answer of the primary")
    return _stranger(sets)


def _is_constant(series: Series) -> bool:
    return all(s.value == series.primary[0].value for s in series.primary)


def _others(series: Series, text: str) -> Opinion | None:
    ours = series.primary[0].value
    novel = [s for s in series.candidate if s.value != ours]
    if not novel:
        return None
    there, here = Counter(ours), Counter(novel[0].value)  # type: ignore[call-overload]
    shown = _shown(there - here), _shown(here - there)
    return lean(series, novel, text, shown)


def _stranger(sets: Series) -> Opinion | None:
    """A value that the candidate's lists hold time and again, and never the primary's, whose values come and go."""
    ours, theirs = _turns(sets.primary), _turns(sets.candidate)
    novel = max((value for value in theirs if value not in ours), key=lambda value: len(theirs[value]), default=None)
    if novel is None or _OFTEN * len(theirs[novel]) < sets.turns[1]:
        return None
    asked = min(sets.turns)
    if asked < STEADY:
        closed = sum(len(turns) > 1 for turns in ours.values()) >= _AGAIN * len(ours)
    else:
        closed = sum(comes_again(turns, sets.turns[0]) for turns in ours.values()) >= _CLOSED * len(ours)
    if not closed:
        return None
    showing = [s for s in sets.candidate if novel in s.value]  # type: ignore[operator]
    return lean(sets, showing, f"one of {len(ours)} values each, another in the candidate", ([], _shown([novel])))


def _turns(sets: Iterable[Sample]) -> dict[object, list[int]]:
    found: dict[object, list[int]] = {}
    for s in sets:
        for value in s.value:  # type: ignore[attr-defined]
            found.setdefault(value, []).append(s.turn)
    return found


def _shown(values: Iterable[Any]) -> list[object]:
    elements = values.elements() if isinstance(values, Counter) else values
    return [_plain(value) for value, _ in zip(elements, range(_SHOWN), strict=False)]


def _plain(value: Any) -> object:  # noqa: ANN401 - of any type
    if isinstance(value, _Row):
        return {".".join(map(str, name)): _plain(member) for name, member in value.members}
    if not isinstance(value, tuple):
        return repr(value)
    if value[1] is ABSENT:
        return repr(ABSENT)
    return value[1] if isinstance(value[0], bool) else value[0]()
