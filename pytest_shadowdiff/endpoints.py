"""Requests -> endpoints: `GET /orders/{id}`, from templates that are known, else from what a path's segments look like.

Nothing is learned here: an endpoint depends on its request alone, so that neither the order of tests nor the number of
workers can change what a request is counted under.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from pytest_shadowdiff.model import Request, Rule

_REMEMBERED = 4096
_LONGEST_PATH = 512
_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_ID = re.compile(
    rf"""
      [+-]?\d+(\.\d+)?(,[+-]?\d+(\.\d+)?)*             # integers, decimals, years, coordinates, lists of ids
    | {_UUID} | \{{{_UUID}\}}
    | \d{{4}}-\d\d(-\d\d([T ]\d\d:?\d\d.*)?)?         # months, dates, times
    | (?=.*\d)[0-9a-f]{{8,}}                            # hashes
    | (?=.*\d)[a-z]{{2,8}}_[0-9a-z]{{6,}}                # cus_8f2k1m
    | [a-z]{{2,8}}-\d{{2,}}                              # PROJ-123
    | .*\d{{5}}.*                                       # post-20456
    | [^@\s]+@[^@\s]+\.[a-z]+                          # mail addresses
    | (?=.*\d)[0-9a-z_~.=+-]{{16,}}                     # slugs and tokens: long, with a digit
    """,
    re.VERBOSE | re.IGNORECASE,
)
_TOKEN = re.compile(r"(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[0-9A-Za-z_-]{8,}")  # short, of mixed case: dQw4w9WgXcQ
_VERSION = re.compile(r"v\d+([.-]\w+)*", re.IGNORECASE)
_SUFFIX = re.compile(r"(?P<stem>.+?)(?P<suffix>(\.[a-z][a-z0-9]{1,4}|:[a-zA-Z]+))", re.ASCII)
_HOLE = re.compile(r"\{[^{}/]*\}")


class Endpoints:
    """The endpoint of each request.

    Args:
        rules: their `endpoint` templates win over guesses.
        templates: `GET /orders/{id}` or `/orders/{id}`, say from an OpenAPI file; of two that fit, the one with more
            literal segments wins, then the one named first.
    """

    def __init__(self, rules: Sequence[Rule] = (), templates: Sequence[str] = ()) -> None:
        given = [rule.endpoint for rule in rules if rule.endpoint] + list(templates)
        self._templates = _by_length(given)
        self._known: dict[tuple[str, str], str] = {}

    def of(self, request: Request) -> str:
        """`METHOD template` of a request; its query is dropped, and what looks like an id becomes `{id}`."""
        path = _path(request.target)
        found = self._known.get((request.method, path))
        if found is None:
            found = f"{request.method} {self._template(request.method, path)}"
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[request.method, path] = found
        return found

    def _template(self, method: str, path: str) -> str:
        segments = path.split("/")
        for template in self._templates.get(len(segments), ()):
            if template.fits(method, segments):
                return template.text
        return "/".join(map(_segment, segments))


class _Template:
    """A path template, its holes compiled."""

    __slots__ = ("literals", "method", "segments", "text")

    def __init__(self, method: str, text: str) -> None:
        self.method = method
        self.text = text
        self.segments = [_segment_pattern(segment) for segment in text.split("/")]
        self.literals = sum(isinstance(segment, str) for segment in self.segments)

    def fits(self, method: str, segments: Sequence[str]) -> bool:
        if self.method not in ("*", method):
            return False
        return all(
            wanted == found if isinstance(wanted, str) else bool(found) and wanted.fullmatch(found) is not None
            for wanted, found in zip(self.segments, segments, strict=True)
        )


def _by_length(given: Iterable[str]) -> dict[int, list[_Template]]:
    templates: dict[int, list[_Template]] = {}
    for entry in given:
        method, _, path = entry.strip().rpartition(" ")
        if path.startswith("/"):
            template = _Template(method.strip().upper() or "*", path)
            templates.setdefault(len(template.segments), []).append(template)
    for group in templates.values():
        group.sort(key=lambda template: (-template.literals, template.method == "*"))
    return templates


def _segment_pattern(segment: str) -> str | re.Pattern[str]:
    if not _HOLE.search(segment):
        return segment
    return re.compile(".+?".join(map(re.escape, _HOLE.split(segment))))


def _path(target: str) -> str:
    """The path of a request target in any of its forms (RFC 9112, section 3.2), cut where it is absurdly long."""
    path = target.partition("#")[0].partition("?")[0]
    if "://" in path and not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path[:_LONGEST_PATH]


def _segment(segment: str) -> str:
    if not segment or segment.isalpha():
        return segment
    text = unquote(segment)
    if _is_id(text):
        return "{id}"
    suffixed = _SUFFIX.fullmatch(text)
    if suffixed and _is_id(suffixed["stem"]):
        return "{id}" + suffixed["suffix"]
    return segment


def _is_id(text: str) -> bool:
    if _VERSION.fullmatch(text):
        return False
    return _ID.fullmatch(text) is not None or _TOKEN.fullmatch(text) is not None
