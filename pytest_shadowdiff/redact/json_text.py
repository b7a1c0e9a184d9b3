"""JSON rewritten in place, token by token: layout, order, duplicate keys and broken documents stay what they are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from pytest_shadowdiff.redact.names import covers

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)

_LONGEST_INTEGER = 4000

Leaf = Callable[[str, bool, object], object]
"""(nearest name, whether a name above covers it, the text or number) -> what to put in its place."""


@dataclass(slots=True)
class _Level:
    """A container that is open: what it is, the name it stands under, whether that covers all of it."""

    bracket: str
    name: str
    covered: bool
    key: str = ""
    value_next: bool = False

    def below(self) -> tuple[str, bool]:
        """The nearest name of a value here, and whether it is covered from above."""
        if self.bracket == "{":
            return self.key, self.covered or covers(self.key)
        return self.name, self.covered


def redact_json(text: str, leaf: Leaf, *, name: str = "", covered: bool = False) -> str:
    """The document with each string and each number put through `leaf`."""
    out: list[str] = []
    done = 0
    levels = [_Level("", name, covered)]
    for found in _TOKEN.finditer(text):
        piece = found[0]
        level = levels[-1]
        if piece[0] in "{[":
            below, is_covered = level.below()
            levels.append(_Level(piece, below, is_covered))
            continue
        if piece[0] in "}]":
            if len(levels) > 1:
                levels.pop()
            continue
        if piece in (",", ":"):
            level.value_next = piece != ","
            continue
        if piece[0] == '"' and level.bracket == "{" and not level.value_next:
            level.key = _decoded(piece)
            continue
        replacement = _value(piece, level, leaf)
        if replacement != piece:
            out += (text[done : found.start()], replacement)
            done = found.end()
    return "".join((*out, text[done:])) if out else text


def _value(piece: str, level: _Level, leaf: Leaf) -> str:
    name, covered = level.below()
    if piece in ("true", "false", "null"):
        return piece
    before = _decoded(piece) if piece[0] == '"' else _number(piece)
    after = leaf(name, level.covered if isinstance(before, (int, float)) else covered, before)
    return piece if after is before or after == before else json.dumps(after, ensure_ascii=False, default=str)


def _number(piece: str) -> object:
    try:
        return int(piece) if piece.lstrip("-").isdigit() and len(piece) < _LONGEST_INTEGER else float(piece)
    except ValueError:
        return piece


def _decoded(literal: str) -> str:
    try:
        value = json.loads(literal, strict=False)
    except ValueError:
        return literal[1:-1] if len(literal) > 1 and literal.endswith('"') else literal[1:]
    return value if isinstance(value, str) else literal
