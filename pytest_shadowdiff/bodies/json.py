"""JSON (RFC 8259) by exact value and type: nothing is rounded, no member is lost, and what is broken is said to be.

orjson reads fast, but it rounds numbers and keeps the last of two equal names in silence. So its reading counts only where
the document proves that nothing was lost; else the standard library's parser, with exact numbers and all members, reads both.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from pytest_shadowdiff.bodies import MOST_VALUES, Content, Terms, UnreadableError, hold, unfolding
from pytest_shadowdiff.trees.budget import too_deep
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.values import Enormous, Repeated, plain
from pytest_shadowdiff.trees.walk import Ground
from pytest_shadowdiff.trees.walk import differences as walk

_CHUNK = 1 << 20
_SKETCH = bytes(
    48 if chr(code) in "0123456789." else 44 if chr(code) in ":,[- \t\r\n" else 101 if chr(code) in "eE" else 32 for code in range(256)
)
_LONG_NUMBER = b"," + b"0" * 16
_SMALL_NUMBER = b"e,000"
_NUMBER = re.compile(rb"-?\d[\d.eE+-]*")
_MOST_LONG_NUMBERS = 10_000
_DIGITS_OF_A_DOUBLE = 15
_DIGITS_OF_64_BITS = 18
_DIGITS_OF_AN_INT = 4000
_NOT_A_NUMBER = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


@dataclass(slots=True)
class Document:
    """A JSON text, read.

    Attributes:
        raw: in UTF-8, without a mark.
        value: what the fast parser read, or the exact one.
        written: the value written anew by the fast parser, names in order; None where it cannot.
        lossless: the value says all that the text says.
        exact: read by the exact parser.
    """

    raw: bytes
    value: Any
    written: bytes | None = None
    lossless: bool = True
    exact: bool = False


def read(content: Content, terms: Terms) -> Document:
    """A JSON text; the charset is what its first bytes say (RFC 8259 knows only UTF-8, and older texts UTF-16 and 32)."""
    raw = _utf8(content.data)
    if len(raw) > MOST_VALUES:
        _hold(raw, terms)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return Document(raw, exactly(raw, terms), exact=True)
    try:
        written = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested deeper than it writes
        return Document(raw, value, lossless=False)
    return Document(raw, value, written, lossless=_lost_nothing(raw, written))


def compare(primary: Document, candidate: Document, terms: Terms) -> list[Found]:
    """Where two JSON documents mean something else."""
    exact = primary.exact or candidate.exact or not (primary.lossless and candidate.lossless)
    if not exact and primary.written == candidate.written:
        return []
    one, other = primary.value, candidate.value
    if exact:
        one, other = (each.value if each.exact else exactly(each.raw, terms) for each in (primary, candidate))
    marks = terms.selection.marks(one, other)
    booleans = any(word in each.raw for word in (b"true", b"false") for each in (primary, candidate))
    found = walk(one, other, Ground(terms.budget, marks, booleans=booleans, unfold=unfolding(terms)))
    if not exact:
        return found
    return [replace(each, primary=plain(each.primary), candidate=plain(each.candidate)) for each in found]


def _hold(raw: bytes, terms: Terms) -> None:
    outside = _outside_strings(raw)
    hold(outside.count(b",") + outside.count(b"[") + outside.count(b"{"), terms)


def _utf8(data: bytes) -> bytes:
    if data.startswith(b"\xef\xbb\xbf"):
        return data[3:]
    encoding = json.detect_encoding(data[:4])
    if encoding == "utf-8":
        return data
    try:
        return data.decode(encoding).encode("utf-8")
    except UnicodeError:
        raise UnreadableError(f"no JSON: it is no {encoding.upper()}") from None


def _outside_strings(raw: bytes) -> bytes:
    """The text without what stands between quotes."""
    bare = _without_escapes(raw)
    if b'"' not in bare:
        return bare
    kept: list[bytes] = []
    inside = False
    for start in range(0, len(bare), _CHUNK):
        pieces = bare[start : start + _CHUNK].split(b'"')
        kept.append(b'"'.join(pieces[1 if inside else 0 :: 2]))
        inside ^= len(pieces) % 2 == 0
    return b'"'.join(kept)


def _without_escapes(raw: bytes) -> bytes:
    return raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw


def _lost_nothing(raw: bytes, written: bytes) -> bool:
    """Whether the fast parser's value says all that the text says.

    Each string, and each name, has two quotes that are not escaped: as many in the text as in what is written anew from the
    value means that no member was dropped. A number of at most 15 digits, in the range of a double, is told from every other
    by the double next to it (IEEE 754: 15 digits always survive). So there must be no longer one, and none that became a
    zero or lies near it.
    """
    if b"\\" in raw:
        if _without_escapes(raw).count(b'"') != _without_escapes(written).count(b'"'):
            return False
    elif raw.count(b'"') != written.count(b'"'):
        return False
    sketch = raw.translate(_SKETCH)  # digits are 0, what stands before a number (and the sign of an exponent) is a comma
    long = sketch.rfind(_LONG_NUMBER) >= 0 or sketch.startswith(_LONG_NUMBER[1:])  # `rfind` takes a quarter of the time of `in` here
    if not long and (sketch.rfind(_SMALL_NUMBER) < 0 or not _near_zero(written)):
        return True
    suspects = [number for number in _NUMBER.findall(_outside_strings(raw)) if len(number) > _DIGITS_OF_A_DOUBLE or b"e" in number.lower()]
    return len(suspects) <= _MOST_LONG_NUMBERS and all(map(_survives, suspects))


def _near_zero(written: bytes) -> bool:
    """Whether a number became a zero, or one of the doubles next to it, which tell fewer digits apart."""
    at = written.find(b"0.0")
    while at >= 0:
        if written[at - 1 : at] in b":[,-" and written[at + 3 : at + 4] in b",]}":  # nothing is in everything, so the ends count
            return True
        at = written.find(b"0.0", at + 1)
    at = written.find(b"e-3")
    while at >= 0:
        if written[at + 3 : at + 5].isdigit() and written[at + 5 : at + 6] in b",]}":
            return True
        at = written.find(b"e-3", at + 1)
    return False


def _survives(number: bytes) -> bool:
    if number.lstrip(b"-").isdigit():
        return len(number.lstrip(b"-")) <= _DIGITS_OF_64_BITS
    mantissa, _, exponent = number.lower().partition(b"e")
    digits = mantissa.replace(b".", b"").lstrip(b"-0")
    return len(digits) <= _DIGITS_OF_A_DOUBLE and (not exponent or abs(int(exponent[:8])) < 280)  # noqa: PLR2004 - far within a double's range


def exactly(raw: bytes, terms: Terms) -> object:
    """The value by the exact parser: decimals as written, every member, and NaN and Infinity, which are no JSON but are sent."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError("no JSON: it is no UTF-8", f"byte {error.start + 1}") from None
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"no JSON: {error.msg}", f"line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise too_deep(terms.budget.limits) from None


def _integer(digits: str) -> object:
    return int(digits) if len(digits) <= _DIGITS_OF_AN_INT else Decimal(digits)


def _decimal(number: str) -> object:
    try:
        return Decimal(number)
    except InvalidOperation:
        return _enormous(number)


def _enormous(number: str) -> object:
    mantissa, _, exponent = number.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return Decimal(0)
    sign = "-" if mantissa.startswith("-") else ""
    if len(exponent) > _DIGITS_OF_AN_INT:  # beyond what is worth any arithmetic: as it is written
        return Enormous(f"{sign}{whole}.{fraction}e{exponent}")
    power = int(exponent) - len(fraction) + len(digits) - len(digits.rstrip("0"))
    return Enormous(f"{sign}{digits.rstrip('0')}e{power}")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    values: dict[str, list[object]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: every[0] if len(every) == 1 else Repeated(every) for name, every in values.items()}


_DECODER = json.JSONDecoder(parse_float=_decimal, parse_int=_integer, parse_constant=_NOT_A_NUMBER.__getitem__, object_pairs_hook=_members)
