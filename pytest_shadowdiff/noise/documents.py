"""The JSON documents of answers, for looking at many at once; exactness is the comparison's affair, and what cannot be read is left out."""

from __future__ import annotations

import zlib

import orjson

from pytest_shadowdiff.model import Response

_MOST = 2 * 1024 * 1024
"""Bytes of a body, decoded, up to which it is looked at."""


class _Unread:
    def __repr__(self) -> str:
        return "unread"


UNREAD = _Unread()


def document(response: Response) -> object:
    """The JSON value that a body holds; `UNREAD` where it holds none, is too large, or comes in a coding not known here."""
    data = content(response)
    if data is None or data.lstrip()[:1] not in (b"{", b"["):
        return UNREAD
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return UNREAD


def content(response: Response) -> bytes | None:
    """The body without its content coding; None where that is unknown, broken, or the body too large."""
    coding = ", ".join(value for name, value in response.headers if name.lower() == "content-encoding").strip().lower()
    if coding in ("", "identity"):
        return response.body if len(response.body) <= _MOST else None
    if coding in ("gzip", "x-gzip", "deflate"):
        try:
            inflate = zlib.decompressobj(wbits=47 if response.body[:1] in (b"\x1f", b"\x78") else -15)
            data = inflate.decompress(response.body, _MOST)
        except zlib.error:
            return None
        return data if inflate.eof else None
    return None
