"""Texts made fit for a terminal: nothing that a body holds can move a cursor, change a colour or turn the direction of writing."""

from __future__ import annotations

import json
import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from decimal import Decimal

from pytest_shadowdiff.report.records import plain_value

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLAIN = re.compile(r"[ -~]*")
_ELLIPSIS = "…"


def visible(text: str) -> str:
    """The text with every character that controls, hides or is not assigned written as an escape."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_escaped(character) if unseen(character) else character for character in text)


def unseen(character: str) -> bool:
    """Whether a character controls, hides, or is not assigned."""
    return unicodedata.category(character) in _UNSEEN


def _escaped(character: str) -> str:
    code = ord(character)
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    return short or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")  # noqa: PLR2004


def columns(text: str) -> int:
    """How many columns of a terminal a visible text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns_of(character) for character in text)


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """The text, its end replaced by an ellipsis where it takes more than `width` columns."""
    if columns(text) <= width:
        return text
    taken, kept = 0, []
    for character in text:
        taken += _columns_of(character)
        if taken >= width:
            break
        kept.append(character)
    return "".join(kept) + _ELLIPSIS


def cut_middle(text: str, width: int) -> str:
    """The text, its middle replaced by an ellipsis where it is longer than `width`; for paths, whose ends tell most."""
    if len(text) <= width:
        return text
    end = max(1, (width - 1) // 2)
    return f"{text[: max(1, width - 1 - end)]}{_ELLIPSIS}{text[-end:]}"


def padded(text: str, width: int) -> str:
    """The text, filled up with spaces to `width` columns."""
    return text + " " * max(0, width - columns(text))


def as_json(value: object) -> str:
    """A value on one line, as JSON, whatever it is."""
    if isinstance(value, Decimal):
        return visible(str(value))
    if isinstance(value, bytes):
        return f"base64 {b64encode(value[:4096]).decode()}"
    return visible(json.dumps(plain_value(value), ensure_ascii=False))


def broken(text: str, room: int, lead: str = "", then: str | None = None) -> Iterator[str]:
    """A text as lines of at most `room` columns, broken between words; a longer word stays whole.

    Args:
        lead: stands before the first line.
        then: stands before the others; None for the same.
    """
    line = ""
    for word in text.split(" "):
        if line and columns(line) + 1 + columns(word) > room:
            yield lead + line
            lead, line = lead if then is None else then, word
        else:
            line = f"{line} {word}" if line else word
    yield lead + line


def side_by_side(one: str, other: str, width: int) -> tuple[str, str, str]:
    """Two visible texts, each on a line of at most `width` columns, that show where they first differ.

    Returns:
        Both lines, and a third that points at what differs; empty where pointing says nothing.
    """
    start, end = _ends(one, other)
    lines = [_window(text, start, width) for text in (one, other)]
    offset = lines[0][1]
    span = max(len(one), len(other)) - end - start
    pointer = ""
    if start > 1 and one.isascii() and other.isascii() and max(len(one), len(other)) > 8:  # noqa: PLR2004
        at = start - offset
        pointer = " " * at + "^" * max(1, min(span, width - at))
    return lines[0][0], lines[1][0], pointer


def seen_apart(one: str, other: str) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    """Two texts, each in three parts: what both begin with, what is its own, what both end with."""
    start, end = _ends(one, other)
    first, second = ((text[:start], text[start : len(text) - end], text[len(text) - end :]) for text in (one, other))
    return first, second


def _ends(one: str, other: str) -> tuple[int, int]:
    """How many characters two texts have in common at their beginnings, and behind that at their ends."""
    start = _common(one, other)
    return start, min(_common(one[start:][::-1], other[start:][::-1]), min(len(one), len(other)) - start)


def _common(one: str, other: str) -> int:
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    low, high = 0, shorter
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _window(text: str, start: int, width: int) -> tuple[str, int]:
    """The part of a long text around a place, and how many characters before it are not shown."""
    before = width // 3
    if start < width * 2 // 3:
        return cut(text, width), 0
    begin = start - before
    return cut(_ELLIPSIS + text[begin + 1 :], width), begin


def counted(count: int, noun: str) -> str:
    """`1 pair`, `2 pairs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """A duration as people read it."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"  # noqa: PLR2004
