"""Pairs made ready to be shown: content codings off, bodies cut to what a report holds, secrets out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from pytest_shadowdiff.codings import DECODERS, BrokenCodingError, applied_to
from pytest_shadowdiff.model import Exchange, Headers, Pair, Repeat, Request, Response
from pytest_shadowdiff.redact import Redactor

BODY_LIMIT = 64 * 1024
"""Bytes of a body that a report holds."""

_SLACK = 4 * 1024  # redaction looks beyond the cut, so that no half of a secret stands before it
_MOST = 256 * 1024 * 1024

Message = TypeVar("Message", Request, Response)


@dataclass(frozen=True, slots=True)
class Shown:
    """A pair in the only form in which one leaves the run.

    Attributes:
        pair: redacted; bodies without content coding, texts in UTF-8.
        left_out: how many bytes of a body are not here, by `request`, `primary`, `candidate`, `control`.
    """

    pair: Pair
    left_out: Mapping[str, int]


def shown(pair: Pair, redactor: Redactor, limit: int = BODY_LIMIT) -> Shown:
    """The pair as it may leave the run; `limit` in bytes of a body."""
    left_out: dict[str, int] = {}

    def message(name: str, whole: Message) -> Message:
        body, more = _decoded(whole.body, whole.headers, limit + _SLACK)
        left_out[name] = more
        return replace(whole, body=_whole_characters(body) if more else body)

    def exchange(name: str, seen: Exchange | None) -> Exchange | None:
        if seen is None:
            return None
        response = message(name, seen.response) if seen.response is not None else None
        return replace(seen, request=_outline(seen.request), response=response)

    redacted = redactor.pair(
        replace(
            pair,
            request=message("request", pair.request),
            primary=exchange("primary", pair.primary),
            candidate=exchange("candidate", pair.candidate),
            control=exchange("control", pair.control),
            repeats=tuple(Repeat(_status(repeat.control), _status(repeat.candidate)) for repeat in pair.repeats),
        )
    )
    return _cut(redacted, left_out, limit)


def _outline(request: Request) -> Request:
    return Request(request.method, request.target)


def _status(exchange: Exchange | None) -> Exchange | None:
    """Of a repeat only that it was, and how it ended."""
    if exchange is None:
        return None
    response = exchange.response and Response(exchange.response.status, (), b"")
    return replace(exchange, request=_outline(exchange.request), response=response)


def _cut(pair: Pair, left_out: dict[str, int], limit: int) -> Shown:
    def body(name: str, whole: bytes) -> bytes:
        if len(whole) <= limit and not left_out[name]:
            return whole
        left_out[name] += max(0, len(whole) - limit)
        kept = whole[:limit]
        return kept if _binary(whole) else kept.decode("utf-8", "ignore").encode()

    def exchange(name: str, seen: Exchange | None) -> Exchange | None:
        if seen is None or seen.response is None:
            return seen
        return replace(seen, response=replace(seen.response, body=body(name, seen.response.body)))

    cut = replace(
        pair,
        request=replace(pair.request, body=body("request", pair.request.body)),
        primary=exchange("primary", pair.primary),
        candidate=exchange("candidate", pair.candidate),
        control=exchange("control", pair.control),
    )
    return Shown(cut, {name: count for name, count in left_out.items() if count})


def _whole_characters(body: bytes) -> bytes:
    """Bytes that were cut, without the beginning of a character in UTF-8 at their end."""
    for end in range(len(body), max(0, len(body) - 4), -1):
        if not _binary(body[:end], within=0):
            return body[:end]
    return body


def _binary(body: bytes, within: int = 4) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(body) - within
    return False


def _decoded(body: bytes, headers: Headers, most: int) -> tuple[bytes, int]:
    """The first `most` bytes of a body without its content codings, and how many more there are.

    What does not decode is left out as a whole: nobody could say what is secret in it.
    """
    more = 0
    for coding in reversed(applied_to(headers) if body else []):
        try:
            body, more = _one_off(body, coding, most)
        except (BrokenCodingError, KeyError):
            return b"", len(body)
    return body[:most], more + max(0, len(body) - most)


def _one_off(body: bytes, coding: str, most: int) -> tuple[bytes, int]:
    kept, more = bytearray(), 0
    try:
        for piece in DECODERS[coding](body):
            room = max(0, most - len(kept))
            kept += piece[:room]
            more += max(0, len(piece) - room)
            if more > _MOST:
                break
    except BrokenCodingError:
        if not kept:
            raise
    return bytes(kept), more
