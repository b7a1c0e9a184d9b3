"""Multipart bodies (RFC 2046, RFC 7578): their parts by name, or in order where they have none; the boundary means nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, compare_values
from pytest_shadowdiff.trees.found import Found

_MOST_PARTS = 10_000
_LONGEST_BOUNDARY = 70
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]*))')
_NOT_TOLD = frozenset({"content-disposition", "content-length"})


def read(content: Content, terms: Terms) -> object:
    """An object of the parts' names, or a list of parts without names."""
    boundary = content.parameters.get("boundary", "")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise UnreadableError("no multipart: its Content-Type has no boundary")
    try:
        mark = b"\r\n--" + boundary.encode("latin-1")
    except UnicodeEncodeError:
        raise UnreadableError("no multipart: its boundary is no text of a header") from None
    pieces = (b"\r\n" + content.data).split(mark, _MOST_PARTS + 1)
    if len(pieces) < 2 or len(pieces) > _MOST_PARTS or not pieces[-1].startswith(b"--"):  # noqa: PLR2004 - what stands before, and the end
        raise UnreadableError("no multipart: its parts do not end")
    parts = [_part(piece, terms) for piece in pieces[1:-1]]
    names = [name for name, _ in parts]
    if all(names) and len(set(names)) == len(names):
        return dict(parts)
    return [value if not name else {"name": name, **value} for name, value in parts]


def _part(piece: bytes, terms: Terms) -> tuple[str, dict[str, object]]:
    piece = piece.lstrip(b" \t")
    if not piece.startswith(b"\r\n"):
        raise UnreadableError("no multipart: something stands behind a boundary")
    if piece.startswith(b"\r\n\r\n"):
        head, separator, body = b"", b"\r\n\r\n", piece[4:]
    else:
        head, separator, body = piece[2:].partition(b"\r\n\r\n")
    if not separator:
        raise UnreadableError("no multipart: a part has no end of its headers")
    terms.budget.spend(1 + len(head) // 20)
    headers = _headers(head)
    disposition = dict(_parameters(headers.get("content-disposition", "")))
    told: dict[str, object] = {name: value for name, value in disposition.items() if name != "name"}
    if "content-disposition" in headers:
        told["disposition"] = headers["content-disposition"].partition(";")[0].strip().lower()
    told |= {name: value for name, value in headers.items() if name not in _NOT_TOLD}
    return disposition.get("name", ""), {**told, "content": _value(body)}


def _headers(head: bytes) -> Mapping[str, str]:
    lines = re.sub(r"\r\n[ \t]+", " ", head.decode("latin-1")).split("\r\n")
    return {name.strip().lower(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}


def _parameters(value: str) -> list[tuple[str, str]]:
    return [(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted else plain) for name, quoted, plain in _PARAMETER.findall(value)]


def _value(body: bytes) -> object:
    """A part's content: text where it decodes (compared as JSON, where it is that), else size and digest."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return {"bytes": len(body), "sha256": sha256(body).hexdigest()}


def compare(primary: object, candidate: object, terms: Terms) -> list[Found]:
    """Where the parts differ."""
    return compare_values(primary, candidate, terms)
