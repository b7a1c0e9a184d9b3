"""All answers of both sides walked at once: every place where any two of them differ, and what may be thought of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import orjson

from pytest_shadowdiff.fields import general
from pytest_shadowdiff.noise import holdings, numbers, values
from pytest_shadowdiff.noise.names import are_open, counted
from pytest_shadowdiff.noise.places import ANY, Place, Step, show
from pytest_shadowdiff.noise.series import ABSENT, Opinion, Sample, Series, constant, doubt, lean, same

_KEYS = ("id", "key", "_id", "uuid", "guid", "code", "sku", "slug", "name", "href", "url")
_MOST = 200_000
"""Values that are looked at; where there are more, what is left has no opinion and a difference there stays one."""
_MOST_OPINIONS = 2000
_LONGEST = 20_000
"""Elements of a list up to which it is looked into."""
_DEEPEST = 60
_MANY = 8
_ORDERED = 3


class Walk:
    """The walk over the documents of one pair.

    Args:
        silenced: general paths that rules silence.

    Attributes:
        root: what is thought of each place.
        leaves: the texts and numbers that vary in the primary, outside of lists that vary, for what belongs together.
        lists: the lists that vary in the primary, for the same.
    """

    def __init__(self, documents: Series, silenced: frozenset[str] = frozenset()) -> None:
        self.root = Place()
        self._silenced = silenced
        self.leaves: list[tuple[tuple[Step, ...], Series]] = []
        self.lists: list[tuple[tuple[Step, ...], Series]] = []
        self._left = _MOST
        self._opinions_left = _MOST_OPINIONS
        self._values(documents, self.root, ())

    def _values(self, series: Series, place: Place, path: tuple[Step, ...]) -> None:
        samples = [*series.primary, *series.candidate]
        self._left -= len(samples)
        if self._left < 0 or len(path) > _DEEPEST or not samples:
            return
        first = samples[0].value
        if all(s.value == first for s in samples):
            return
        objects = series.only(lambda value: isinstance(value, dict))
        lists = series.only(lambda value: isinstance(value, list))
        if len(objects.primary) + len(objects.candidate) < len(samples) and len(lists.primary) + len(lists.candidate) < len(samples):
            self._single(series, place, path)
        elif lists.primary:
            self._empty(series, place)
        if objects.primary and objects.candidate:
            self._objects(objects, place, path)
        if lists.primary and lists.candidate:
            self._lists(lists, place, path)

    def _single(self, series: Series, place: Place, path: tuple[Step, ...]) -> None:
        plain = series.map(lambda s: _emblem(s.value))
        if all(same(s.value, plain.primary[0].value) for s in [*plain.primary, *plain.candidate]) if plain.primary else False:
            return
        self._opinions_left -= 1
        if self._opinions_left < 0:
            return
        place.opinions.append(values.weigh(plain))
        if not series.pooled and not constant(plain.primary):
            self.leaves.append((path, plain))

    def _empty(self, series: Series, place: Place) -> None:
        """A list that is never empty in the primary may not be in the candidate, unless it never varies: then its elements say it."""
        lengths = {len(s.value) for s in series.primary}  # type: ignore[arg-type]
        novel = [s for s in series.candidate if not s.value]
        if novel and 0 not in lengths and len(lengths) > 1:
            place.whole.append(doubt(series, novel, "a list that is never empty, empty in the candidate", shape=True))

    def _objects(self, series: Series, place: Place, path: tuple[Step, ...]) -> None:
        names = counted(map(_object, series.primary))
        varying = {name: count for name, count in names.items() if count < len(series.primary)}
        if varying and are_open(varying):
            self._members(series, varying, names, place, path)
            names = {name: count for name, count in names.items() if name not in varying}
        else:
            for s in series.candidate:
                for name in _object(s):
                    names.setdefault(name, 0)
        for name in names:
            member = series.map(lambda s, name=name: _object(s).get(name, ABSENT))  # type: ignore[misc]
            if any(s.value is not ABSENT for s in [*member.primary, *member.candidate]):
                self._values(member, place.within(name), (*path, name))

    def _members(self, series: Series, varying: dict[str, int], names: dict[str, int], place: Place, path: tuple[Step, ...]) -> None:
        """An object whose names vary: its names are held to their shape, its members are taken together."""
        steady = {name for name in names if name not in varying}
        ours, theirs = (
            [(s, name) for s in side for name in _object(s) if name not in steady] for side in (series.primary, series.candidate)
        )
        pool = replace(series, pooled=True)
        keys = pool.replace(*([Sample(name, s.turn, s.at) for s, name in side] for side in (ours, theirs)))
        members = pool.replace(*([Sample(_object(s)[name], s.turn, s.at) for s, name in side] for side in (ours, theirs)))
        any_member = place.within(ANY)
        any_member.opinions.append(_named(values.weigh(keys), "names that vary, each"))
        place.whole.append(_lengths(series.map(lambda s: len(_object(s))), "names that vary"))
        if not series.pooled:
            unnamed = series.map(lambda s: [value for name, value in _object(s).items() if name not in steady])
            self._hold(holdings.columns(unnamed), place, path)
        self._values(members, any_member, (*path, ANY))

    def _lists(self, series: Series, place: Place, path: tuple[Step, ...]) -> None:
        ours = [_list(s) for s in series.primary]
        if max(len(_list(s)) for s in [*series.primary, *series.candidate]) > _LONGEST:
            return
        if all(element == ours[0] for element in ours):
            self._positions(series, place, path)
            return
        if not series.pooled:
            self.lists.append((path, series))
        key = _identity(ours)
        if key is not None:
            self._keyed(series, key, place, path)
        elif _shuffled(ours):
            self._set(series, place)
        else:
            columns = holdings.columns(series) if not series.pooled else []
            self._hold(columns, place, path)
            if len(set(map(len, ours))) > 1 or _wandering(ours) or holdings.is_unordered(columns):
                self._pool(series, place, path)
            else:
                self._positions(series, place, path)
        place.whole.extend(_kept(series))

    def _hold(self, columns: Sequence[holdings.Column], place: Place, path: tuple[Step, ...]) -> None:
        for steps, opinion in holdings.held(columns, lambda inner: general(show((*path, *inner))) in self._silenced):
            inner = place
            for step in steps:
                inner = inner.within(step)
            inner.whole.append(opinion)

    def _positions(self, series: Series, place: Place, path: tuple[Step, ...]) -> None:
        """Lists whose order is steady: position by position."""
        longest = max(len(_list(s)) for s in [*series.primary, *series.candidate])
        for n in range(longest):
            if self._left < 0:
                return
            element = series.map(lambda s, n=n: _list(s)[n] if n < len(_list(s)) else ABSENT)  # type: ignore[misc]
            self._values(element, place.within(n), (*path, n))

    def _keyed(self, series: Series, key: str, place: Place, path: tuple[Step, ...]) -> None:
        """Lists of objects that one member identifies: element by element, whatever the order."""

        def by_key(sample: Sample) -> dict[object, Any]:
            return {element.get(key) if isinstance(element, dict) else None: element for element in _list(sample)}

        objects = series.map(by_key)
        first = {name: n for s in (*series.candidate[:1], *series.primary[:1]) for n, name in enumerate(by_key(s))}
        names = {name: None for s in [*series.primary, *series.candidate] for name in by_key(s)}
        for name in names:
            if self._left < 0:
                return
            element = objects.map(lambda s, name=name: s.value.get(name, ABSENT))  # type: ignore[misc]
            step = first.get(name, ANY)
            self._values(element, place.within(step), (*path, step))
        place.whole.append(_reordered(series.map(lambda s: list(by_key(s)))))

    def _set(self, series: Series, place: Place) -> None:
        """Lists that are permutations of each other: what is in them has to stay."""
        counted = series.map(lambda s: _multiset(_list(s)))
        elements = {element: None for s in [*series.primary, *series.candidate] for element in _multiset(_list(s))}
        for element in elements:
            self._left -= len(series.primary) + len(series.candidate)
            if self._left < 0:
                return
            count = counted.map(lambda s, element=element: s.value.get(element, ABSENT))  # type: ignore[misc]
            if not all(same(s.value, count.primary[0].value) for s in [*count.primary, *count.candidate]):
                place.within(ANY).opinions.append(values.weigh(count))
        place.whole.append(Opinion(noise=True, more=False, text="a list in changing order"))

    def _pool(self, series: Series, place: Place, path: tuple[Step, ...]) -> None:
        """Lists of varying length or content: held to a length, and all elements to what the elements look like."""
        place.whole.append(_lengths(series.map(lambda s: len(_list(s))), "a list"))
        elements = replace(series, pooled=True).replace(
            *([Sample(element, s.turn, s.at) for s in side for element in _list(s)] for side in (series.primary, series.candidate))
        )
        self._values(elements, place.within(ANY), (*path, ANY))


def _emblem(value: object) -> object:
    """A value, or what stands for a list or an object where only its kind is in question."""
    if isinstance(value, list):
        return [None] if value else []
    if isinstance(value, dict):
        return {"": None} if value else {}
    return value


def _object(sample: Sample) -> dict[str, Any]:
    return sample.value if isinstance(sample.value, dict) else {}


def _list(sample: Sample) -> list[Any]:
    return sample.value if isinstance(sample.value, list) else []


def _named(opinion: Opinion, what: str) -> Opinion:
    return replace(opinion, text=f"{what} {opinion.text}")


def _lengths(series: Series, what: str) -> Opinion:
    single = replace(series, pooled=False)
    if constant(single.primary):
        opinion = values.weigh(single)
        return _named(opinion, f"{what} of a length that is") if not opinion.noise else Opinion(noise=True, more=False, text=what)
    return _named(numbers.spread(single), f"{what} whose length is")


def _identity(lists: Sequence[list[Any]]) -> str | None:
    """The member that identifies the elements of each list, where the lists have most of them in common."""
    if not all(lists) or not all(isinstance(element, dict) for elements in lists for element in elements):
        return None
    for key in _KEYS:
        found = [[element.get(key) for element in elements] for elements in lists]
        if any(isinstance(value, (list, dict)) or value is None for names in found for value in names):
            continue
        sets = [set(names) for names in found]
        if any(len(names) < len(all_names) for names, all_names in zip(sets, found, strict=True)):
            continue
        if 2 * len(set.intersection(*sets)) >= max(map(len, sets)):
            return key
    return None


def _dump(value: object) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested deeper than it writes
        return b""


def _multiset(elements: Sequence[object]) -> dict[bytes, int]:
    counted: dict[bytes, int] = {}
    for element in elements:
        name = _dump(element)
        counted[name] = counted.get(name, 0) + 1
    return counted


def _shuffled(lists: Sequence[list[Any]]) -> bool:
    if len({len(elements) for elements in lists}) > 1:
        return False
    first = _multiset(lists[0])
    return all(_multiset(elements) == first for elements in lists[1:])


def _wandering(lists: Sequence[list[Any]]) -> bool:
    """The same element stands at another position in another answer: positions mean nothing."""
    seen: dict[bytes, int] = {}
    for elements in lists:
        for position, element in enumerate(elements):
            if isinstance(element, (bool, type(None))):
                continue
            if seen.setdefault(_dump(element), position) != position:
                return True
    return False


def _reordered(series: Series) -> Opinion:
    """The order of what all lists have in common."""
    common = set.intersection(*(set(_list(s)) for s in [*series.primary, *series.candidate]))
    orders = series.map(lambda s: tuple(name for name in _list(s) if name in common))
    if constant(orders.primary):
        novel = [s for s in orders.candidate if s.value != orders.primary[0].value]
        if novel:
            return doubt(orders, novel, "a list in the same order in each answer of the primary", shape=False)
    return Opinion(noise=True, more=False, text="a list in changing order")


def _kept(series: Series) -> list[Opinion]:
    """What holds in each of the primary's lists, though they differ: they are sorted; nothing stands in them twice."""
    ours = [_list(s) for s in series.primary]
    opinions = []
    if sum(len(elements) >= _ORDERED for elements in ours) < 2:  # noqa: PLR2004
        return []
    unique = [s for s in series.candidate if _repeats(_list(s))]
    if unique and not any(map(_repeats, ours)):
        opinions.append(lean(series, unique, "a list in which nothing stands twice, and something does in the candidate"))
    for key, descending in _sorted_by(ours):
        off = [s for s in series.candidate if not _is_sorted(_column(_list(s), key), descending=descending)]
        if off:
            by = f" by {key}" if key else ""
            opinions.append(lean(series, off, f"a list that is sorted{by}, and is not in the candidate"))
    return opinions


def _repeats(elements: Sequence[Any]) -> bool:
    identity = next((key for key in _KEYS if all(isinstance(element, dict) and key in element for element in elements)), None)
    names = [_dump(element if identity is None else element[identity]) for element in elements]
    return len(set(names)) < len(names)


def _sorted_by(lists: Sequence[list[Any]]) -> list[tuple[str, bool]]:
    """What all lists are sorted by: members by name, or "" for the elements themselves; ascending or descending."""
    enough = sum(max(len(elements) - 1, 0) for elements in lists)
    if enough < 2 * _MANY:  # fewer neighbours might be in order by chance
        return []
    first = next(elements for elements in lists if elements)[0]
    keys = [""] if not isinstance(first, dict) else [key for key, value in first.items() if isinstance(value, (int, float, str))]
    found: list[tuple[str, bool]] = []
    for key in keys:
        columns = [_column(elements, key) for elements in lists]
        if any(len(set(column)) > 1 for column in columns if _is_sorted(column, descending=False) or _is_sorted(column, descending=True)):
            ways = (False, True)
            found.extend((key, way) for way in ways if all(_is_sorted(column, descending=way) for column in columns))
    return found


def _column(elements: Sequence[Any], key: str) -> list[Any]:
    if not key:
        return list(elements)
    return [element.get(key) if isinstance(element, dict) else None for element in elements]


def _is_sorted(column: Sequence[Any], *, descending: bool) -> bool:
    if not (all(isinstance(value, str) for value in column) or all(isinstance(value, (int, float)) for value in column)):
        return False
    pairs = pairwise(column)
    return all(one >= other for one, other in pairs) if descending else all(one <= other for one, other in pairs)
