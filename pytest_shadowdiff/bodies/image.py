"""PNG (ISO 15948): how it is sized and coloured, and its pixels as they are inflated; when and by what it was made means nothing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from hashlib import sha256

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, compare_values
from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.trees.found import Found

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIECE = 1 << 16
_WITHOUT_MEANING = frozenset({b"tIME", b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"IEND"})


def read(content: Content, terms: Terms) -> dict[str, object]:
    """What the image shows."""
    if not content.data.startswith(_SIGNATURE):
        raise UnreadableError("no PNG")
    told: dict[str, object] = {}
    pixels: list[bytes] = []
    other = sha256()
    for kind, data in _chunks(content.data):
        terms.budget.spend()
        if kind == b"IHDR" and len(data) == 13:  # noqa: PLR2004 - ISO 15948, 11.2.2
            names = ("width", "height", "depth", "colour", "compression", "filter", "interlace")
            told |= dict(zip(names, struct.unpack(">IIBBBBB", data), strict=True))
        elif kind == b"IDAT":
            pixels.append(data)
        elif kind not in _WITHOUT_MEANING:
            other.update(kind + data)
    return {**told, "pixels": _inflated(b"".join(pixels), terms), "other": other.hexdigest()}


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(data):
        head = data[at : at + 8]
        if len(head) < 8:  # noqa: PLR2004 - length and kind
            raise UnreadableError("no PNG: it ends too early", f"byte {at}")
        size = int.from_bytes(head[:4], "big")
        if at + 12 + size > len(data):
            raise UnreadableError("no PNG: it ends too early", f"byte {at}")
        chunk = data[at + 4 : at + 8 + size]
        if zlib.crc32(chunk) != int.from_bytes(data[at + 8 + size : at + 12 + size], "big"):
            raise UnreadableError("no PNG: a checksum does not hold", f"byte {at}")
        yield head[4:], chunk[4:]
        at += 12 + size


def _inflated(data: bytes, terms: Terms) -> str:
    inflater, digest, size, rest = zlib.decompressobj(), sha256(), 0, data
    try:
        while not inflater.eof:
            piece = inflater.decompress(rest, _PIECE)
            rest = inflater.unconsumed_tail
            size += len(piece)
            digest.update(piece)
            terms.budget.spend(100)
            if size > terms.budget.limits.body:
                raise IncompleteError(f"an image inflates to more than {terms.budget.limits.body} bytes (max_body)")
            if not piece and not rest:
                break
    except zlib.error as error:
        raise UnreadableError(f"no PNG: {error}") from None
    return digest.hexdigest()


def compare(primary: dict[str, object], candidate: dict[str, object], terms: Terms) -> list[Found]:
    """Where two images show something else."""
    return compare_values(primary, candidate, terms, booleans=False)
