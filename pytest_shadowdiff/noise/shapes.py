"""What a single piece of text looks like: an identifier of a known form, or characters of a known alphabet."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

_UUID = re.compile(r"(\{|urn:uuid:)?([0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{12})\}?", re.IGNORECASE)
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_JWT = re.compile(r"ey[\w-]+\.ey[\w-]+\.[\w-]*")
_NIL = "00000000-0000-0000-0000-000000000000"

DIGIT, LOWER_HEX, LOWER, UPPER_HEX, UPPER, DASH, UNDERSCORE, STANDARD, PADDING, OTHER = (1 << n for n in range(10))
_CLASSES: dict[str, int] = (
    dict.fromkeys("0123456789", DIGIT)
    | dict.fromkeys("abcdef", LOWER_HEX)
    | dict.fromkeys("ghijklmnopqrstuvwxyz", LOWER)
    | dict.fromkeys("ABCDEF", UPPER_HEX)
    | dict.fromkeys("GHIJKLMNOPQRSTUVWXYZ", UPPER)
    | {"-": DASH, "_": UNDERSCORE, "+": STANDARD, "/": STANDARD, "=": PADDING}
)
_HEX_CERTAIN = 24
"""Characters after which only digits and a to f mean hexadecimal: of base 36 that would be one chance in 10^8."""
TOKEN_LENGTH = 8
"""Characters from which a mix of letters and digits is taken for a token rather than a word."""


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The characters that some texts are made of.

    Attributes:
        classes: a bit for each class of characters that occurs.
    """

    classes: int
    name: str

    def holds(self, text: str) -> bool:
        """Every character of a text belongs to it."""
        return not classes(text) & ~self.classes


def known(text: str) -> str | None:
    """The name of an identifier of a known form, with its parameters."""
    match = _UUID.fullmatch(text)
    if match:
        return _uuid(match)
    if _ULID.fullmatch(text):
        return "ULID"
    if _JWT.fullmatch(text) and claims(text) is not None:
        return "JWT"
    return None


def _uuid(match: re.Match[str]) -> str:
    digits = match[2]
    if digits == _NIL:
        return "nil UUID"
    version = int(match[3], 16) if match[4].lower() in "89ab" else 0
    case = " in capitals" if digits.upper() == digits and digits.lower() != digits else ""
    wrapping = f" after {match[1]}" if match[1] else ""
    return f"UUID version {version}{case}{wrapping}"


def claims(text: str) -> tuple[object, object] | None:
    """Header and payload of a JWT (RFC 7519), unverified; None where it is none."""
    try:
        header, payload = (orjson.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in text.split(".")[:2])
    except ValueError:
        return None
    return header, payload


def classes(text: str) -> int:
    """A bit for each class of characters that occurs."""
    found = 0
    for character in set(text):
        found |= _CLASSES.get(character, OTHER)
    return found


def alphabet(texts: Sequence[str]) -> Alphabet:
    """The least alphabet of a usual kind that holds all texts."""
    found = 0
    for text in texts:
        found |= classes(text)
    total = sum(map(len, texts))
    letters = found & (LOWER_HEX | LOWER | UPPER_HEX | UPPER)
    extra = found & (DASH | UNDERSCORE | STANDARD | PADDING | OTHER)
    if not letters and found & DIGIT:
        return Alphabet(found, "digits")
    if not found & DIGIT and letters:
        return Alphabet(_wide(letters) | extra, "letters")
    if not letters & (LOWER | UPPER) and total >= _HEX_CERTAIN and not (letters & LOWER_HEX and letters & UPPER_HEX) and not extra:
        return Alphabet(found | DIGIT, "hexadecimal")
    return Alphabet(_wide(letters) | DIGIT | extra | (_dashes(extra) if max(map(len, texts)) >= 2 * TOKEN_LENGTH else 0), "a token")


def _wide(letters: int) -> int:
    lower = LOWER_HEX | LOWER if letters & (LOWER_HEX | LOWER) else 0
    upper = UPPER_HEX | UPPER if letters & (UPPER_HEX | UPPER) else 0
    return lower | upper


def _dashes(extra: int) -> int:
    """Who uses one of the two characters that base64 adds to letters and digits, uses the other."""
    return DASH | UNDERSCORE if extra & (DASH | UNDERSCORE) else 0
