"""Lines as a terminal shows them: a text, and how it is marked up where there are colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

PLAIN: Mapping[str, bool] = MappingProxyType({})
BAD: Mapping[str, bool] = MappingProxyType({"red": True})
WORST: Mapping[str, bool] = MappingProxyType({"red": True, "bold": True})
GOOD: Mapping[str, bool] = MappingProxyType({"green": True})
BEST: Mapping[str, bool] = MappingProxyType({"green": True, "bold": True})
DOUBTFUL: Mapping[str, bool] = MappingProxyType({"yellow": True})
STRONG: Mapping[str, bool] = MappingProxyType({"bold": True})
FAINT: Mapping[str, bool] = MappingProxyType({"light": True})


class Line(NamedTuple):
    """One line; its markup as pytest's terminal writer takes it."""

    text: str = ""
    markup: Mapping[str, bool] = PLAIN


def marked(texts: Iterable[str], markup: Mapping[str, bool] = PLAIN) -> Iterator[Line]:
    """Lines that are all marked up alike."""
    return (Line(text, markup) for text in texts)
