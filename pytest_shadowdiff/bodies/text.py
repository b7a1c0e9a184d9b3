"""Text, line by line: one difference for each run of lines that changed, at the first line of the run."""

from __future__ import annotations

import codecs

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, hold
from pytest_shadowdiff.model import Kind, Rule
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.sequences import common

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))
_SHORT_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NO_TEXT = frozenset(chr(code) for code in range(32)) - frozenset("\t\n\r\f\b\x1b\x1e\v")
_LOOKED_AT = 4096
_SHOWN = 4000


def read(content: Content, terms: Terms) -> list[str]:
    """The lines, without what ends them."""
    terms.budget.look()
    hold(2 * (content.data.count(b"\n") + content.data.count(b"\r")), terms)
    text = decoded(content)
    if _NO_TEXT.intersection(text[:_LOOKED_AT]):
        raise UnreadableError("no text: it holds control characters")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def decoded(content: Content) -> str:
    """The text by its mark, by the charset that was declared, or as UTF-8."""
    data = content.data
    for mark, charset in (*_MARKS, *_SHORT_MARKS):
        if data.startswith(mark):
            return _decode(data[len(mark) :] if charset == "utf-8" else data, charset)
    declared = content.parameters.get("charset", "")
    try:
        return _decode(data, codecs.lookup(declared).name if declared else "utf-8")
    except LookupError:
        return _decode(data, "utf-8")
    except UnreadableError:
        if not declared:
            raise
        return _decode(data, "utf-8")


def _decode(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset)
    except UnicodeError:
        raise UnreadableError(f"no text: it is no {charset}") from None


def compare(primary: list[str], candidate: list[str], terms: Terms) -> list[Found]:
    """The runs of lines that changed, lost or gained."""
    one_line = len(primary) == len(candidate) == 1
    start, end = _common_ends(primary, candidate)
    left, right = primary[start : len(primary) - end], candidate[start : len(candidate) - end]
    pairs = common(left, right, terms.budget)
    found: list[Found] = []
    here, there = 0, 0
    for i, j in [*pairs, (len(left), len(right))]:
        if i > here or j > there:
            path = "body" if one_line else f"body:{start + here + 1}"
            found += _run(left[here:i], right[there:j], path, terms)
        here, there = i + 1, j + 1
    return found


def _run(left: list[str], right: list[str], path: str, terms: Terms) -> list[Found]:
    decision = terms.selection.named(path)
    rule: Rule | None = decision.rule if decision is not None and decision.action == "ignore" else None
    primary, candidate = ("\n".join(side)[:_SHOWN] if side else None for side in (left, right))
    return [Found(path, Kind.BODY_CHANGED, primary, candidate, None, rule)]


def _common_ends(a: list[str], b: list[str]) -> tuple[int, int]:
    most = min(len(a), len(b))
    start = 0
    while start < most and a[start] == b[start]:
        start += 1
    end = 0
    while end < most - start and a[-1 - end] == b[-1 - end]:
        end += 1
    return start, end
