"""All answers to one request, of both sides, and what may be thought of each place where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_shadowdiff.fields import general
from pytest_shadowdiff.model import Difference, Exchange, Kind
from pytest_shadowdiff.noise import places, relations, values
from pytest_shadowdiff.noise.documents import UNREAD, content, document
from pytest_shadowdiff.noise.series import ABSENT, STEADY, Opinion, Sample, Series, constant, worst
from pytest_shadowdiff.noise.walk import Walk

_MOST = 2000
"""Differences that are looked at by themselves."""
_WHOLLY = frozenset({Kind.MISSING.value, Kind.ADDED.value, Kind.TYPE_CHANGED.value})
_CONTAINED = frozenset({Kind.MISSING.value, Kind.ADDED.value, Kind.REORDERED.value})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        all: where it differs from the answer that the primary gave the caller.
        differences: the same by path.
        document: the JSON value that its body holds, or `UNREAD`.
        silenced: general paths where it differs and a rule says that this means nothing.
    """

    exchange: Exchange
    all: Sequence[Difference]
    differences: Mapping[str, Difference]
    document: object
    silenced: frozenset[str] = frozenset()

    @classmethod
    def of(cls, exchange: Exchange, differences: Sequence[Difference], silenced: Sequence[Difference] = ()) -> Answer:
        """An answer, read."""
        read = document(exchange.response) if exchange.response is not None else UNREAD
        return cls(
            exchange,
            differences,
            {difference.path: difference for difference in reversed(differences)},
            read,
            frozenset(general(each.path) for each in silenced),
        )


class Opinions:
    """What may be thought of each difference.

    Args:
        primary: the primary's answers, the one to the caller first.
        candidate: the candidate's answers, the one to the caller's request first.
        third: the primary's other answers come from a process of their own.
    """

    def __init__(self, primary: Sequence[Answer], candidate: Sequence[Answer], *, third: bool = False) -> None:
        self._primary = primary
        self._third = third
        self._candidate = candidate
        self._turns = (len(primary), len(candidate))
        self._pools: dict[str, Opinion] = {}
        self._left = _MOST
        self._elsewhere = {general(path) for answer in primary for path in answer.differences}
        documents = self._series([answer.document for answer in [*primary, *candidate]])
        documents = documents.only(lambda value: value is not UNREAD)
        silenced = frozenset[str]().union(*(answer.silenced for answer in [*primary, *candidate]))
        self._walk = _walked(documents, silenced) if documents.primary and documents.candidate else None
        self._belong = self._belonging()

    def of(self, difference: Difference) -> Opinion:
        """What may be thought of a difference between the primary's and the candidate's answers."""
        self._left -= 1
        own = (self._place(difference) or self._alone(difference)) if self._left >= 0 else self._roughly(difference)
        together = self._belong.get(difference.path)
        return own if together is None else worst([together, own], own)

    def broken(self) -> Iterator[tuple[Difference, Opinion]]:
        """Lists and objects that are no noise as a whole, where the comparison found differences within."""
        if self._walk is None:
            return
        found = [difference for answer in self._candidate for difference in answer.differences.values()]
        for place, opinion in self._walk.root.wholes():
            path = places.show(place)
            if opinion.noise or opinion.values is None or not any(_concerns(difference, path) for difference in found):
                continue
            yield Difference(path, Kind.SHAPE_CHANGED.value, *opinion.values), opinion

    def came_again(self, path: str) -> bool:
        """Whether the candidate differed at a path when it was asked again."""
        return any(path in answer.differences for answer in self._candidate[1:])

    def _place(self, difference: Difference) -> Opinion | None:
        steps = places.steps(difference.path)
        if steps is None or self._walk is None:
            return None
        return self._walk.root.opinion(steps, of_container=difference.kind in _CONTAINED)

    def _alone(self, difference: Difference) -> Opinion:
        """From the differences alone, where no document can be walked: headers, status, and other kinds of body."""
        series = self._at(difference.path)
        if constant(series.primary) and general(difference.path) in self._elsewhere:
            field = general(difference.path)
            if field not in self._pools:
                self._pools[field] = values.weigh(self._pool(field))
            return self._pools[field]
        return values.weigh(series)

    def _roughly(self, difference: Difference) -> Opinion:
        """Where there are too many differences to look at each."""
        if general(difference.path) in self._elsewhere:
            return Opinion(noise=True, more=False, text="one of very many that vary")
        return Opinion(noise=False, more=min(self._turns) < STEADY, text="one of very many")

    def _at(self, path: str) -> Series:
        found = [answer.differences.get(path) for answer in [*self._primary, *self._candidate]]
        first = next((d.primary if d.kind != Kind.ADDED else ABSENT for d in found if d is not None), ABSENT)
        return self._series([first if d is None else ABSENT if d.kind == Kind.MISSING else d.candidate for d in found])

    def _pool(self, field: str) -> Series:
        """All values at paths that differ in positions only; the primary's to the caller stands on the left of each difference."""

        def side(answers: Sequence[Answer], *, lefts: bool) -> Iterator[Sample]:
            for turn, answer in enumerate(answers):
                for path, d in answer.differences.items():
                    if general(path) == field:
                        if lefts and d.kind != Kind.ADDED:
                            yield Sample(d.primary, 0, answer.exchange.started)
                        if d.kind != Kind.MISSING:
                            yield Sample(d.candidate, turn, answer.exchange.started)

        return Series(
            list(side(self._primary, lefts=True)), list(side(self._candidate, lefts=False)), self._turns, pooled=True, third=self._third
        )

    def _series(self, found: Sequence[object]) -> Series:
        samples = [
            Sample(value, turn, answer.exchange.started)
            for (turn, answer), value in zip([*enumerate(self._primary), *enumerate(self._candidate)], found, strict=True)
        ]
        return Series(samples[: self._turns[0]], samples[self._turns[0] :], self._turns, third=self._third)

    def _belonging(self) -> dict[str, Opinion]:
        """What no longer belongs together, by path."""
        paths = {path for answer in self._candidate for path in answer.differences if path.startswith("header:")}
        headers = [((path,), series) for path in sorted(paths) if not constant((series := self._at(path)).primary)]
        inner = list(self._walk.leaves) if self._walk is not None else []
        bodies = self._series([content(a.exchange.response) if a.exchange.response else None for a in [*self._primary, *self._candidate]])
        found: dict[str, Opinion] = {}
        leaves = [*headers, *inner]
        lists = self._walk.lists if self._walk is not None else []
        for place, opinion in [*relations.broken(leaves, _show), *relations.digests(leaves, bodies), *relations.sums(inner, lists, _show)]:
            path = _show(place)
            found[path] = opinion if path not in found else worst([found[path], opinion], opinion)
        return found


def _walked(documents: Series, silenced: frozenset[str]) -> Walk | None:
    try:
        return Walk(documents, silenced)
    except RecursionError:  # deeper than two values can be compared: the differences alone have to do
        return None


def _show(place: Sequence[places.Step]) -> str:
    first = place[0] if place else ""
    return str(first) if isinstance(first, str) and first.startswith("header:") else places.show(place)


def _concerns(difference: Difference, place: str) -> bool:
    """Whether a difference stands at or below a place whose list positions may be left out, or is the loss or gain of what is around it."""
    path, place = general(difference.path), general(place)
    return path.startswith(place) or (difference.kind in _WHOLLY and place.startswith(path))
