"""Content codings (RFC 9110, 8.4.1) taken off a piece at a time, so that whoever asks may stop when it is enough."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from pytest_shadowdiff.model import Headers

_PIECE = 1 << 16
_ZSTD_WINDOW = 1 << 23
_ZSTD_PIECE = 512  # at most 128 KiB come of four bytes, so a piece is at most 16 MiB

Decoder = Callable[[bytes], Iterator[bytes]]


def applied_to(headers: Headers) -> list[str]:
    """The content codings in the order in which they were applied."""
    names = [name.strip().lower() for each, value in headers if each.lower() == "content-encoding" for name in value.split(",")]
    return [{"x-gzip": "gzip", "x-compress": "compress"}.get(name, name) for name in names if name and name != "identity"]


class BrokenCodingError(Exception):
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
        raise BrokenCodingError(str(error)) from None
    if not inflater.eof:
        raise BrokenCodingError("it ends too early")


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
        raise BrokenCodingError(str(error)) from None
    if not inflater.is_finished():
        raise BrokenCodingError("it ends too early")


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
            raise BrokenCodingError(str(error)) from None
        if not inflater.eof:
            raise BrokenCodingError("it ends too early")
        rest = inflater.unused_data + rest[at:]


DECODERS: dict[str, Decoder] = {"gzip": _gzip, "deflate": _deflate, "br": _brotli, "zstd": _zstd}
"""By the name of the coding; each yields the content in pieces, and raises `BrokenCodingError` where it is none."""
