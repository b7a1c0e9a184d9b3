"""Archives: the members of a zip by name, size and checksum; the content of a gzip file. When they were packed means nothing."""

from __future__ import annotations

import zlib
from hashlib import sha256
from io import BytesIO
from zipfile import BadZipFile, ZipFile

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, compare_values, hold
from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.trees.found import Found

_PIECE = 1 << 16
_CENTRAL_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 1


def read(content: Content, terms: Terms) -> dict[str, object]:
    """What an archive holds, as far as it can be told without unpacking it whole into memory."""
    if content.data.startswith(b"\x1f\x8b"):
        return {"content": _inflated(content.data, terms)}
    hold(10 * content.data.count(_CENTRAL_ENTRY), terms)
    try:
        with ZipFile(BytesIO(content.data)) as archive:
            return _members(archive, terms)
    except (BadZipFile, ValueError, NotImplementedError, OSError, EOFError, UnicodeError, zlib.error) as error:
        raise UnreadableError(f"no archive: {error}") from None


def _members(archive: ZipFile, terms: Terms) -> dict[str, object]:
    """The members; each is unpacked once, so that what is broken does not pass for what its directory says."""
    told: dict[str, object] = {}
    limit = terms.budget.limits.body
    size = 0
    for member in archive.infolist():
        about: dict[str, object] = {"bytes": member.file_size, "crc32": f"{member.CRC:08x}"}
        if member.flag_bits & _ENCRYPTED:
            about["encrypted"] = "yes"
        else:
            with archive.open(member) as packed:
                while piece := packed.read(_PIECE):
                    size += len(piece)
                    terms.budget.spend(100)
                    if size > limit:
                        raise IncompleteError(f"an archive inflates to more than {limit} bytes (max_body)")
        terms.budget.spend(20)
        told[member.filename] = about
    return told


def _inflated(data: bytes, terms: Terms) -> dict[str, object]:
    digest, size, rest = sha256(), 0, data
    try:
        while rest.startswith(b"\x1f\x8b"):
            inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
            while not inflater.eof:
                piece = inflater.decompress(rest, _PIECE)
                rest = inflater.unconsumed_tail
                size += len(piece)
                digest.update(piece)
                terms.budget.spend(100)
                if size > terms.budget.limits.body:
                    raise IncompleteError(f"an archive inflates to more than {terms.budget.limits.body} bytes (max_body)")
                if not piece and not rest and not inflater.eof:
                    raise UnreadableError("no archive: it ends too early")
            rest = inflater.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise UnreadableError(f"no archive: {error}") from None
    return {"bytes": size, "sha256": digest.hexdigest()}


def compare(primary: dict[str, object], candidate: dict[str, object], terms: Terms) -> list[Found]:
    """Members that came, went or changed."""
    return compare_values(primary, candidate, terms, booleans=False)
