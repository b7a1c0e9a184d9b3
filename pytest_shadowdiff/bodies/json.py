"""JSON (RFC 8259) by exact value and type: nothing is rounded, no member is lost, and what is broken is said to be.

orjson reads fast, but it rounds numbers and keeps the last of two equal names in silence. So its reading counts only where
the document proves that nothing was lost; else the standard library's parser, with exact numbers and all members, reads both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError
from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.trees.budget import too_deep
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.values import ABSENT, Enormous, Repeated, plain, same
from pytest_shadowdiff.trees.walk import Ground
from pytest_shadowdiff.trees.walk import differences as walk

_CHUNK = 1 << 20
_LONG_NUMBER = re.compile(rb"\d{16}|[\d.]{17}|\d[eE]")
_NUMBER = re.compile(rb"-?\d[\d.eE+-]*")
_MOST_LONG_NUMBERS = 10_000
_DIGITS_OF_A_DOUBLE = 15
_DIGITS_OF_64_BITS = 18
_DIGITS_OF_AN_INT = 4000
_VALUES = 3_000_000
_NOT_A_NUMBER = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON text, read.

    Attributes:
        raw: in UTF-8, without a mark.
        value: what the fast parser read, or the exact one.
        lossless: the value says all that the text says.
        booleans: the text may hold a boolean.
        exact: read by the exact parser.
    """

    raw: bytes
    value: Any
    lossless: bool
    booleans: bool = True
    exact: bool = False


def read(content: Content, terms: Terms) -> Document:
    """A JSON text; the charset is what its first bytes say (RFC 8259 knows only UTF-8, and older texts UTF-16 and 32)."""
    raw = _utf8(content.data)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return Document(raw, _exactly(raw, terms), lossless=True, exact=True)
    outside = _outside_strings(raw)
    if outside.count(b",") + outside.count(b"[") + outside.count(b"{") > _VALUES:
        raise IncompleteError(f"a document holds more than {_VALUES} values")
    return Document(raw, value, _lost_nothing(raw, outside, value), booleans=b"true" in outside or b"false" in outside)


def compare(primary: Document, candidate: Document, terms: Terms) -> list[Found]:
    """Where two JSON documents mean something else."""
    exact = primary.exact or candidate.exact or not (primary.lossless and candidate.lossless)
    one, other = primary.value, candidate.value
    if exact:
        one, other = (each.value if each.exact else _exactly(each.raw, terms) for each in (primary, candidate))
    booleans = primary.booleans or candidate.booleans
    if same(one, other, booleans=booleans):
        return []
    marks = terms.selection.marks(one, other)
    found = walk(one, other, Ground(terms.budget, marks, booleans=booleans, unfold=_unfolder(terms)))
    if not exact:
        return found
    return [replace(each, primary=plain(each.primary), candidate=plain(each.candidate)) for each in found]


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


def _lost_nothing(raw: bytes, outside: bytes, value: object) -> bool:
    """Whether the fast parser's value says all that the text says.

    Each string, and each name, has two quotes that are not escaped: as many in the text as in what is written anew from the
    value means that no member was dropped. A number of at most 15 digits, in the range of a double, is told from every other
    by the double next to it (IEEE 754: 15 digits always survive).
    """
    try:
        written = orjson.dumps(value)
    except TypeError:
        return False
    if _without_escapes(raw).count(b'"') != _without_escapes(written).count(b'"'):
        return False
    if _LONG_NUMBER.search(outside) is None:
        return True
    suspects = [number for number in _NUMBER.findall(outside) if len(number) > _DIGITS_OF_A_DOUBLE or b"e" in number.lower()]
    return len(suspects) <= _MOST_LONG_NUMBERS and all(map(_survives, suspects))


def _survives(number: bytes) -> bool:
    if number.lstrip(b"-").isdigit():
        return len(number.lstrip(b"-")) <= _DIGITS_OF_64_BITS
    mantissa, _, exponent = number.lower().partition(b"e")
    digits = mantissa.replace(b".", b"").lstrip(b"-0")
    return len(digits) <= _DIGITS_OF_A_DOUBLE and (not exponent or abs(int(exponent[:8])) < 280)  # noqa: PLR2004 - far within a double's range


def _exactly(raw: bytes, terms: Terms) -> object:
    """The value by the exact parser: decimals as written, every member, and NaN and Infinity, which are no JSON but are sent."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError("no JSON: it is no UTF-8", f"byte {error.start + 1}") from None
    if text.count(",") > 2 * _VALUES:
        raise IncompleteError(f"a document holds more than {_VALUES} values")
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
        mantissa, _, exponent = number.lower().partition("e")
        whole, _, fraction = mantissa.lstrip("-").partition(".")
        digits = (whole + fraction).lstrip("0")
        if not digits:
            return Decimal(0)
        sign = "-" if mantissa.startswith("-") else ""
        power = Decimal(exponent) - len(fraction) + len(digits) - len(digits.rstrip("0"))
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


def _unfolder(terms: Terms) -> Callable[[str], object]:
    def unfold(text: str) -> object:
        if text[:1] not in "{[" or len(text) < 2:  # noqa: PLR2004 - the shortest document
            return ABSENT
        try:
            return _exactly(text.encode("utf-8"), terms)
        except (UnreadableError, UnicodeEncodeError):
            return ABSENT

    return unfold
