"""The JSON documents of answers, for looking at many at once; exactness is the comparison's affair, and what cannot be read is left out."""

from __future__ import annotations

import json

import orjson

from pytest_shadowdiff.codings import DECODERS, BrokenCodingError, Decoder, applied_to
from pytest_shadowdiff.model import Response

_MOST = 2 * 1024 * 1024
"""Bytes of a body, decoded, up to which it is looked at."""
_MOST_CODINGS = 8


class _Unread:
    def __repr__(self) -> str:
        return "unread"


UNREAD = _Unread()


def document(response: Response) -> object:
    """The JSON value that a body holds; `UNREAD` where it holds none, is too large, or comes in a coding not known here.

    A member whose name stands more than once is the list of its values.
    """
    data = content(response)
    if data is None or data.lstrip()[:1] not in (b"{", b"["):
        return UNREAD
    try:
        value: object = orjson.loads(data)
        if _quotes(data) == _quotes(orjson.dumps(value)):  # as many names in the value as in the text
            return value
        return json.loads(data, object_pairs_hook=_members)
    except (ValueError, TypeError, RecursionError):
        return UNREAD


def content(response: Response) -> bytes | None:
    """The body without its content codings; None where one is unknown or broken, or the body too large."""
    body: bytes | None = response.body
    applied = applied_to(response.headers)
    if len(applied) > _MOST_CODINGS:
        return None
    for coding in reversed(applied):
        if body:
            body = _up_to_the_most(DECODERS.get(coding), body)
    return body if body is not None and len(body) <= _MOST else None


def _up_to_the_most(decoder: Decoder | None, body: bytes) -> bytes | None:
    if decoder is None:
        return None
    decoded = bytearray()
    try:
        for piece in decoder(body):
            decoded += piece
            if len(decoded) > _MOST:
                return None
    except BrokenCodingError:
        return None
    return bytes(decoded)


def _quotes(text: bytes) -> int:
    return (text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text).count(b'"')


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    values: dict[str, list[object]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: every[0] if len(every) == 1 else every for name, every in values.items()}
