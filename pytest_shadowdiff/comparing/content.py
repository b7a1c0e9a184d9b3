"""Content codings (RFC 9110, 8.4.1) taken off, a piece at a time, within limits of size and ratio."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from pytest_shadowdiff.bodies import Content
from pytest_shadowdiff.comparing.fields import parameters, values_of
from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.model import Response
from pytest_shadowdiff.settings import Limits

_NOTHING: Mapping[str, str] = MappingProxyType({})
_PIECE = 1 << 16
_FREE = 1 << 20
_MOST_CODINGS = 8
_ZSTD_WINDOW = 1 << 23
_ZSTD_PIECE = 512  # at most 128 KiB come of four bytes, so a piece is at most 16 MiB

Decoder = Callable[[bytes], Iterator[bytes]]


def codings(response: Response) -> list[str]:
    """The content codings in the order in which they were applied."""
    values = values_of(response.headers, "content-encoding")
    if not values:
        return values
    names = [name.strip().lower() for value in values for name in value.split(",")]
    return [{"x-gzip": "gzip", "x-compress": "compress"}.get(name, name) for name in names if name and name != "identity"]


def content_of(response: Response, limits: Limits, side: str, applied: list[str] | None = None) -> Content:
    """The body without its codings, with what its Content-Type says.

    Args:
        applied: its codings, where they are known already.

    Raises:
        IncompleteError: a coding is unknown or does not decode, or a limit is reached.
    """
    declared = values_of(response.headers, "content-type")
    media_type, described = _media_type(declared[0]) if declared else ("", _NOTHING)
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
    decoder = _DECODERS.get(coding)
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
    except _BrokenError as error:
        raise IncompleteError(f"the {side}'s body does not decode as {coding}: {error}") from None
    return b"".join(kept)


class _BrokenError(Exception):
    """The bytes are not what their coding says."""


def _gzip(body: bytes) -> Iterator[bytes]:
    """Any number of members, one after the other (RFC 1952, 2.2)."""
    rest = body
    while rest:
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        yield from _inflated(inflater, rest)
        rest = inflater.unused_data.lstrip(b"\0")


def _deflate(body: bytes) -> Iterator[bytes]:
    """The zlib format (RFC 1950), or the bare one that some servers send in its place."""
    bits = zlib.MAX_WBITS if body[0] & 0x0F == 8 and len(body) > 1 and (body[0] * 256 + body[1]) % 31 == 0 else -zlib.MAX_WBITS  # noqa: PLR2004 - RFC 1950, 2.2
    yield from _inflated(zlib.decompressobj(bits), body)


def _inflated(inflater: zlib._Decompress, body: bytes) -> Iterator[bytes]:
    rest = body
    try:
        while not inflater.eof:
            piece = inflater.decompress(rest, _PIECE)
            rest = inflater.unconsumed_tail
            if piece:
                yield piece
            elif not rest:
                break
    except zlib.error as error:
        raise _BrokenError(str(error)) from None
    if not inflater.eof:
        raise _BrokenError("it ends too early")


def _brotli(body: bytes) -> Iterator[bytes]:
    import brotli  # type: ignore[import-untyped]

    inflater = brotli.Decompressor()
    rest = body
    try:
        while not inflater.is_finished():
            piece = inflater.process(rest, output_buffer_limit=_PIECE)
            rest = b""
            if piece:
                yield piece
            elif inflater.can_accept_more_data():
                break
    except brotli.error as error:
        raise _BrokenError(str(error)) from None
    if not inflater.is_finished():
        raise _BrokenError("it ends too early")


def _zstd(body: bytes) -> Iterator[bytes]:
    """Any number of frames, one after the other (RFC 8878, 3.1); the window is held to 8 MiB (RFC 9659)."""
    import zstandard

    rest = body
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    while rest:
        inflater = decompressor.decompressobj()
        at = 0
        try:
            while not inflater.eof and at < len(rest):
                piece = inflater.decompress(rest[at : at + _ZSTD_PIECE])
                at += _ZSTD_PIECE
                if piece:
                    yield piece
        except zstandard.ZstdError as error:
            raise _BrokenError(str(error)) from None
        if not inflater.eof:
            raise _BrokenError("it ends too early")
        rest = inflater.unused_data + rest[at:]


_DECODERS: dict[str, Decoder] = {"gzip": _gzip, "deflate": _deflate, "br": _brotli, "zstd": _zstd}
