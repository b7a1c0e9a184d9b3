"""What is equal, in one line, so that a failure shows how much of the answer was fine."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from pytest_shadowdiff.bodies import Content
from pytest_shadowdiff.comparing import headers
from pytest_shadowdiff.comparing.content import content_of
from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.model import Response
from pytest_shadowdiff.settings import Limits
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.values import counted

_MOST = 1_000_000


def equal_parts(primary: Response, found: Sequence[Found], unseen: frozenset[str], limits: Limits) -> str:
    """The status, how many headers, and how many of the primary's values are equal ("" where nothing is)."""
    parts: list[str] = []
    if not any(each.path == "status" for each in found):
        parts.append("status")
    if "headers" not in unseen:
        parts += _headers(primary, found)
    if "body" not in unseen:
        parts += _body(primary, found, limits)
    if not parts:
        return ""
    said = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    return f"{said} {'is' if parts == ['status'] else 'are'} equal"


def _headers(primary: Response, found: Sequence[Found]) -> list[str]:
    every = headers.compared(primary.headers)
    changed = len({each.path for each in found if each.path.startswith("header:") and each.primary is not None})
    if every == changed:
        return []
    return [f"{every - changed} of {every} headers" if changed else f"{every} header{'s' if every > 1 else ''}"]


def _body(primary: Response, found: Sequence[Found], limits: Limits) -> list[str]:
    changed = [each for each in found if each.path != "status" and not each.path.startswith("header:")]
    if not changed:
        return ["the body"] if primary.body else []
    if not any(each.path.startswith("$") for each in changed):
        return []
    try:
        every = _values(content_of(primary, limits, "primary"))
    except IncompleteError:
        return []
    lost = sum(counted(each.primary, _MOST) for each in changed if each.primary is not None)
    if every is None or every > _MOST or lost >= every:
        return []
    return [f"{every - lost} of {every} values"]


def _values(content: Content) -> int | None:
    try:
        return counted(orjson.loads(content.data), _MOST)
    except orjson.JSONDecodeError:
        return None
