"""Content codings (RFC 9110, 8.4.1) taken off, a piece at a time, within limits of size and ratio."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from pytest_shadowdiff.bodies import Content
from pytest_shadowdiff.codings import DECODERS, BrokenCodingError, applied_to
from pytest_shadowdiff.comparing.fields import parameters, values_of
from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.model import Response
from pytest_shadowdiff.settings import Limits

_NOTHING: Mapping[str, str] = MappingProxyType({})
_FREE = 1 << 20
_MOST_CODINGS = 8
_PARTIAL = 206


def codings(response: Response) -> list[str]:
    """The content codings in the order in which they were applied; none that can be taken off a range (RFC 9110, 14.2)."""
    return [] if response.status == _PARTIAL else applied_to(response.headers)


def content_of(response: Response, limits: Limits, side: str, applied: list[str] | None = None) -> Content:
    """The body without its codings, with what its Content-Type says.

    Args:
        applied: its codings, where they are known already.

    Raises:
        IncompleteError: a coding is unknown or does not decode, or a limit is reached.
    """
    declared = values_of(response.headers, "content-type")
    media_type, described = _media_type(declared[0]) if declared else ("", _NOTHING)
    if response.status == _PARTIAL and not media_type.startswith("multipart/"):  # a piece of a document is none
        media_type = "application/octet-stream" if applied_to(response.headers) else "text/plain"
    return Content(decoded(response.body, codings(response) if applied is None else applied, limits, side), media_type, described)


@lru_cache(maxsize=256)
def _media_type(value: str) -> tuple[str, Mapping[str, str]]:
    media_type, described = parameters(value)
    return media_type.lower(), MappingProxyType(described)


def decoded(body: bytes, applied: list[str], limits: Limits, side: str) -> bytes:
    """The body without the codings that were applied.

    Args:
        side: whose body it is, for messages.

    Raises:
        IncompleteError: a coding is unknown or does not decode, or a limit is reached.
    """
    if len(body) > limits.body:
        raise IncompleteError(f"the {side}'s body has {len(body)} bytes, more than {limits.body} (max_body)")
    if not body:
        return body
    if len(applied) > _MOST_CODINGS:
        raise IncompleteError(f"the {side}'s body has {len(applied)} content codings, more than {_MOST_CODINGS}")
    for coding in reversed(applied):
        body = _one_off(body, coding, limits, side)
    return body


def _one_off(body: bytes, coding: str, limits: Limits, side: str) -> bytes:
    decoder = DECODERS.get(coding)
    if decoder is None:
        raise IncompleteError(f"the {side}'s content coding {coding[:40]!r} is not known here")
    kept: list[bytes] = []
    size = 0
    allowed = max(_FREE, len(body) * limits.ratio)
    try:
        for piece in decoder(body):
            size += len(piece)
            if size > limits.body:
                raise IncompleteError(f"the {side}'s body inflates to more than {limits.body} bytes (max_body)")
            if size > allowed:
                raise IncompleteError(f"the {side}'s body inflates to more than {limits.ratio} times its size (max_ratio)")
            kept.append(piece)
    except BrokenCodingError as error:
        raise IncompleteError(f"the {side}'s body does not decode as {coding}: {error}") from None
    return b"".join(kept)
