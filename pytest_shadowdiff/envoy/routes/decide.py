"""Which route a request takes, by the routes alone: what a proxy would decide, without one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from pytest_shadowdiff.envoy.routes.model import NamedMatch, PathMatch, Route, TextMatch

_RE2_ONLY = ((r"\C", "(?s:.)"), (r"\z", r"\Z"))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as routes look at it.

    Attributes:
        target: path and query, as in the request line.
        headers: by name in lower case; of a repeated one the values joined by commas.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


def taken(routes: Sequence[Route], asked: Asked) -> Route | None:
    """The first route that fits, as a proxy tries them; None where none does, which is answered with 404."""
    return next((route for route in routes if fits(route, asked)), None)


def fits(route: Route, asked: Asked) -> bool:
    """Whether a request has all that a route's match asks for."""
    match = route.match
    pseudo = {":method": asked.method, ":path": asked.target, ":authority": asked.headers.get("host", ""), ":scheme": "http"}
    headers = {**asked.headers, **pseudo}
    queries: dict[str, str] = {}
    for name, value in parse_qsl(asked.target.partition("?")[2], keep_blank_values=True):
        queries.setdefault(name, value)
    return (
        _path_fits(match.path, asked)
        and all(_named_fits(each, headers.get(each.name.lower())) for each in match.headers)
        and all(_named_fits(each, queries.get(each.name)) for each in match.query)
    )


def _path_fits(match: PathMatch, asked: Asked) -> bool:
    path, value = asked.path, match.value
    if match.kind == "regex":
        return _matches(value, path)
    if match.kind == "prefix":
        path = asked.target
    if match.ignore_case:
        path, value = path.lower(), value.lower()
    if match.kind == "exact":
        return path == value
    if match.kind == "segments" and value != "/":
        return path == value or path.startswith(f"{value}/")
    return path.startswith(value)


def _named_fits(match: NamedMatch, found: str | None) -> bool:
    if match.text.kind == "present":
        return (found is not None) != match.absent
    if match.absent:
        return not _text_fits(match.text, found or "")
    return found is not None and _text_fits(match.text, found)


def _text_fits(match: TextMatch, found: str) -> bool:
    if match.kind == "exact":
        return found == match.value
    if match.kind == "prefix":
        return found.startswith(match.value)
    return _matches(match.value, found)


def _matches(pattern: str, text: str) -> bool:
    """As RE2 matches the whole of a text; what only RE2 knows is written as Python knows it."""
    for ours, theirs in _RE2_ONLY:
        pattern = pattern.replace(ours, theirs)
    return re.fullmatch(pattern, text) is not None
