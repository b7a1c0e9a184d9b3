"""From the bytes that a relay recorded to the model: it has checked the framing, so this only takes it off."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pytest_shadowdiff.model import Request, Response
from pytest_shadowdiff.spool.records import CHUNKED

_HEX = b"0123456789abcdefABCDEF"
_SHORT: Final = 2 * 1024  # heads up to here are remembered
HeaderTuple = tuple[tuple[str, str], ...]


def request_of(wire: bytes, framing: int) -> Request:
    """The request in `wire`, head and framed body; what is not HTTP becomes a request without method."""
    line, headers, start = _split(wire)
    method, _, rest = line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not version.startswith("HTTP/"):
        method, target, version = "", line, "HTTP/1.1"
    body, trailers = _unframed(wire, start, framing)
    return Request(method, target, headers, body, trailers, version[5:])


def response_of(wire: bytes, framing: int) -> Response | None:
    """The answer in `wire`; None where not even its head is there."""
    line, headers, start = _split(wire)
    version, _, rest = line.partition(" ")
    if not start or not version.startswith("HTTP/") or not rest[:3].isdigit():
        return None
    body, trailers = _unframed(wire, start, framing)
    return Response(int(rest[:3]), headers, body, trailers, version[5:])


def _split(wire: bytes) -> tuple[str, HeaderTuple, int]:
    end = wire.find(b"\r\n\r\n")
    head = wire[:end] if end >= 0 else wire
    line, fields = _known_head(head) if len(head) <= _SHORT else _head(head)
    return line, fields, end + 4 if end >= 0 else 0


def _head(head: bytes) -> tuple[str, HeaderTuple]:
    line, *fields = head.decode("latin-1").split("\r\n")
    return line, _fields(fields)


# Most heads have just been seen: the other version answers with the same one, a client asks with the same one.
_known_head: Final = lru_cache(256)(_head)


def _fields(lines: list[str]) -> HeaderTuple:
    pairs = (line.partition(":") for line in lines)
    return tuple([(name, value.strip(" \t")) for name, _, value in pairs])


def _unframed(wire: bytes, start: int, framing: int) -> tuple[bytes, HeaderTuple]:
    if not start or len(wire) == start:
        return b"", ()
    if framing == CHUNKED:
        return _dechunked(wire, start)
    return wire[start:], ()


def _dechunked(wire: bytes, at: int) -> tuple[bytes, HeaderTuple]:
    """The content of chunks, as far as they go, and the trailers."""
    content: list[bytes] = []
    while True:
        end = wire.find(b"\r\n", at)
        if end < 0:
            return b"".join(content), ()
        digits = wire[at:end].partition(b";")[0].strip(b" \t")
        if not digits.isalnum() or digits.strip(_HEX):  # where the relay found fault too
            return b"".join(content), ()
        size = int(digits, 16)
        if not size:
            break
        content.append(wire[end + 2 : end + 2 + size])
        at = end + size + 4
    lines = wire[end + 2 :].decode("latin-1").split("\r\n")
    return b"".join(content), _fields([line for line in lines if line])
