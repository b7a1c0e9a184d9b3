"""Paths in rules: JSONPath (RFC 9535), XPath, `header:NAME`, `status`, `body`, `doctype`."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_shadowdiff.errors import SettingsError

if TYPE_CHECKING:
    from jsonpath import JSONPath
    from lxml.etree import XPath

NAMED = ("status", "body", "doctype")
_HEADER = re.compile(r"header:(?:set-cookie:\S+|[!#$%&'*+.^_`|~0-9A-Za-z-]+)")
_LINE = re.compile(r"body:[1-9][0-9]*")
_LONGEST = 4096
_CONTROL = re.compile(r"((?<!\\)(?:\\\\)*)\\u00([01][0-9A-Fa-f])")
_STAND_INS = 0xFFF00
_REPEATED_REPEAT = re.compile(r"\((?:[^()\\]|\\.)*(?:[+*]|\{\d+,\d*\})(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,\d*\})")
_CHOICE_REPEATED = re.compile(r"\((?:[^()\\]|\\.)*\|(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,\d*\})")


def check(path: str) -> None:
    """Refuse what names no place.

    Raises:
        SettingsError: with what is wrong and what is allowed.
    """
    if len(path) > _LONGEST:
        raise SettingsError(f"the path has {len(path)} characters. Allowed: {_LONGEST}.")
    if path.startswith("$"):
        json_path(path)
    elif path.startswith("/"):
        xpath(path)
    elif path.lower().startswith("header:"):
        if not _HEADER.fullmatch(path.lower()):
            raise SettingsError(f"{path!r} names no header. Allowed: header:NAME, such as 'header:x-build'.")
    elif path not in NAMED and not _LINE.fullmatch(path):
        raise SettingsError(
            f"{path!r} is no path. Allowed: a JSONPath ('$.a'), an XPath ('/a/b'), 'header:NAME', 'status', 'body', 'doctype'.{_hint(path)}"
        )


def _hint(path: str) -> str:
    near = get_close_matches(path, NAMED, n=1)
    if near:
        return f" Did you mean {near[0]!r}?"
    if re.fullmatch(r"[A-Za-z_][\w.\[\]*]*", path):
        return f" Did you mean '$.{path}'?"
    return ""


@lru_cache(maxsize=1024)
def json_path(path: str) -> JSONPath:
    """A path of RFC 9535, and nothing that goes beyond it.

    Raises:
        SettingsError: it is no such path, or holds a regular expression that may take for ever.
    """
    from jsonpath import JSONPath, JSONPathEnvironment, JSONPathError

    try:
        query = JSONPathEnvironment(strict=True).compile(_CONTROL.sub(_stand_in, path))
    except (JSONPathError, RecursionError) as error:
        what = str(error).partition("\n")[0]
        token = getattr(error, "token", None)
        at = f" at character {token.index + 1 if token.index >= 0 else len(path) + 1}" if token is not None else ""
        raise SettingsError(f"{path!r} is no JSONPath of RFC 9535: {what}{at}.") from None
    if not isinstance(query, JSONPath):
        raise SettingsError(f"{path!r} is no JSONPath of RFC 9535.")
    if re.search(r"\b(?:match|search)\s*\(", path) and (_REPEATED_REPEAT.search(path) or _CHOICE_REPEATED.search(path)):
        raise SettingsError(f"{path!r}: a repeated group that repeats or chooses within may take for ever; write the expression without.")
    _put_back(query)
    return query


def _stand_in(escape: re.Match[str]) -> str:
    """The library (2.2) refuses escaped control characters in names, which RFC 9535 permits and normalised paths need."""
    return escape.group(1) + chr(_STAND_INS + int(escape.group(2), 16))


def _put_back(query: JSONPath) -> None:
    from jsonpath.selectors import NameSelector

    for segment in query.segments:
        for selector in segment.selectors:
            if isinstance(selector, NameSelector):
                selector.name = "".join(chr(ord(c) - _STAND_INS) if _STAND_INS <= ord(c) < _STAND_INS + 32 else c for c in selector.name)


@lru_cache(maxsize=1024)
def xpath(path: str) -> XPath:
    """An XPath 1.0 expression that names elements or attributes.

    Raises:
        SettingsError: it is none.
    """
    from lxml import etree

    try:
        return etree.XPath(path, regexp=False)
    except etree.XPathError as error:
        raise SettingsError(f"{path!r} is no XPath: {error}.") from None
