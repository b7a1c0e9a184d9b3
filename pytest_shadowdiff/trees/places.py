"""Where in a document something is: a chain of keys, written as a normalised path of RFC 9535 when it is shown."""

from __future__ import annotations

import re
from functools import lru_cache

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ESCAPED = re.compile(r"['\\\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")
_SHORT = {"'": "\\'", "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}

Key = str | int


class Place:
    """One step below `parent`; a list's element may stand at another index on the candidate's side."""

    __slots__ = ("depth", "key", "other", "parent")

    def __init__(self, parent: Place | None = None, key: Key = "", other: Key | None = None) -> None:
        self.parent = parent
        self.key = key
        self.other = key if other is None else other
        self.depth: int = 0 if parent is None else parent.depth + 1

    def keys(self) -> list[Key]:
        """The primary's keys from the root down."""
        keys: list[Key] = []
        place = self
        while place.parent is not None:
            keys.append(place.key)
            place = place.parent
        return keys[::-1]

    def name(self) -> str | None:
        """The member's name, where this is a member."""
        return self.key if self.parent is not None and isinstance(self.key, str) else None


def written(keys: list[Key], root: str = "$") -> str:
    """The normalised path (RFC 9535, 2.7), with the shorthand `.name` where a name allows it."""
    return root + "".join(map(_step, keys))


@lru_cache(maxsize=4096)
def _step(key: Key) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    if _PLAIN_NAME.match(key):
        return f".{key}"
    return f"['{_ESCAPED.sub(_escape, key)}']"


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    return _SHORT.get(character) or f"\\u{ord(character):04x}"
