"""Places in a document, and what is thought of each: paths as steps, with list positions generalised where that is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pytest_shadowdiff.noise.series import Opinion, worst

Step = str | int
"""A name in an object, a position in a list, or `ANY`."""
ANY = "\0*"
"""Any element of a list, or any member of an object whose names vary."""
_STEP = re.compile(
    r"""\.(?P<name>[^.\[\]'"*]+)|\[(?P<position>\d+)\]|\[(?P<quote>['"])(?P<quoted>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\]|\[\*\]|\.\*"""
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def steps(path: str) -> tuple[Step, ...] | None:
    """The steps of a JSONPath that names one place; None where it is no such path."""
    if not path.startswith("$"):
        return None
    found: list[Step] = []
    at = 1
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            return None
        if match["position"] is not None:
            found.append(int(match["position"]))
        elif match["quoted"] is not None:
            found.append(_ESCAPE.sub(_unescaped, match["quoted"]))
        else:
            found.append(match["name"] if match["name"] is not None else ANY)
        at = match.end()
    return tuple(found)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if code[0] == "u" and len(code) > 1 else _CONTROLS.get(code, code)


def show(place: Sequence[Step]) -> str:
    """A place as JSONPath."""
    text = "$"
    for step in place:
        if step == ANY:
            text += "[*]"
        elif isinstance(step, int):
            text += f"[{step}]"
        elif _NAME.fullmatch(step):
            text += f".{step}"
        else:
            text += "['" + step.replace("\\", "\\\\").replace("'", "\\'") + "']"
    return text


class Place:
    """A place in a document, with what is thought of it and of the places within.

    Attributes:
        opinions: of the value that stands here.
        whole: of the list or object that stands here as a whole: its length, its order, its names.
    """

    __slots__ = ("inner", "opinions", "whole")

    def __init__(self) -> None:
        self.opinions: list[Opinion] = []
        self.whole: list[Opinion] = []
        self.inner: dict[Step, Place] = {}

    def within(self, step: Step) -> Place:
        """The place one step further in."""
        return self.inner.setdefault(step, Place())

    def opinion(self, place: Sequence[Step], *, of_container: bool) -> Opinion | None:
        """What is thought of a place: of itself and all within, else of the nearest place around it.

        Args:
            of_container: the difference is one of the list or object around it too (an element more, or fewer).
        """
        here = self
        around = [*self.opinions, *self.whole]
        for step in place:
            following = here.inner.get(step) or here.inner.get(ANY)
            if following is None:
                return _together(around)
            here = following
            if here.opinions or here.whole:
                around = [*(around if of_container else ()), *here.opinions, *here.whole]
        inside = list(here.all_within())
        if not inside:
            return _together(around)
        return _together([*inside, *around] if of_container else inside)

    def all_within(self) -> Iterator[Opinion]:
        """The opinions of values at this place and at all places within."""
        yield from self.opinions
        for place in self.inner.values():
            yield from place.all_within()

    def wholes(self, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Opinion]]:
        """The lists and objects that are thought of as a whole."""
        for opinion in self.whole:
            yield path, opinion
        for step, place in self.inner.items():
            yield from place.wholes((*path, step))


def _together(opinions: Sequence[Opinion]) -> Opinion | None:
    if not opinions:
        return None
    if len(opinions) == 1:
        return opinions[0]
    return worst(opinions, opinions[0])
