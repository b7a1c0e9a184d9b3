"""Set-Cookie, cookie by cookie and attribute by attribute (RFC 6265, 5.2): what the browser will hold is what counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime

_CLOCKS_APART = 2.0
_LONG_AGO = 0.0
_SECONDS = re.compile(r"-?[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie.

    Attributes:
        attributes: names in lower case, without the value that says how long it lives.
        lives: seconds from the answer's own time; None until the session ends.
    """

    name: str
    value: str
    attributes: tuple[tuple[str, str], ...]
    lives: float | None

    def shown(self) -> str:
        """The cookie as text, its attributes in one order."""
        parts = [f"{self.name}={self.value}", *(f"{name}={value}" if value else name for name, value in self.attributes)]
        if self.lives is not None:
            parts.append(f"lives {self.lives:g} s")
        return "; ".join(parts)

    def is_like(self, other: Cookie) -> bool:
        """Whether a browser holds the same; how long is told to the second, and clocks are read one after the other."""
        return self.value == other.value and self.attributes == other.attributes and _live_alike(self.lives, other.lives)


def cookie(line: str, now: float | None) -> Cookie:
    """A cookie from its line.

    Args:
        now: the answer's own Date, in Unix seconds, which Expires is held against.
    """
    first, *rest = line.split(";")
    name, equals, value = first.partition("=")
    if not equals:
        name, value = "", name
    attributes: dict[str, str] = {}
    for part in rest:
        attribute, _, said = part.partition("=")
        if attribute.strip():
            attributes[attribute.strip().lower()] = said.strip()
    lives = _lives(attributes.get("max-age"), attributes.get("expires"), now)
    if lives is not None:  # what cannot be read stays as it is written
        attributes.pop("max-age", None)
        attributes.pop("expires", None)
    if "samesite" in attributes:
        attributes["samesite"] = attributes["samesite"].lower()
    if "domain" in attributes:
        attributes["domain"] = attributes["domain"].lower().lstrip(".")
    return Cookie(name.strip(), value.strip(), tuple(sorted(attributes.items())), lives)


def _lives(max_age: str | None, expires: str | None, now: float | None) -> float | None:
    if max_age is not None and _SECONDS.fullmatch(max_age):
        return max(float(max_age), _LONG_AGO)
    if expires is None:
        return None
    try:
        read = parsedate_to_datetime(expires.replace("-", " "))
        until = (read if read.tzinfo is not None else read.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(until - now, _LONG_AGO) if now is not None else until


def differing(primary: Sequence[Cookie], candidate: Sequence[Cookie]) -> Iterator[tuple[str, str | None, str | None]]:
    """The cookies that differ: the name, and what each side sets, as text; None where one is not set at all."""
    left, right = _keyed(primary), _keyed(candidate)
    for key in [*left, *(key for key in right if key not in left)]:
        one, other = left.get(key), right.get(key)
        if one is None or other is None or not one.is_like(other):
            yield key[0], one.shown() if one is not None else None, other.shown() if other is not None else None


def _keyed(cookies: Sequence[Cookie]) -> dict[tuple[str, int], Cookie]:
    seen: dict[str, int] = {}
    keyed: dict[tuple[str, int], Cookie] = {}
    for each in cookies:
        seen[each.name] = seen.get(each.name, -1) + 1
        keyed[each.name, seen[each.name]] = each
    return keyed


def _live_alike(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= _CLOCKS_APART
