"""Where HTTP/1.1 messages end (RFC 9112). Nothing else of a message is understood, and nothing is changed.

What two readers could understand differently is refused: that is what request smuggling lives on. The reasons are
sentences' ends: "the relay refused the request: {reason}".
"""

from __future__ import annotations

import re
from typing import Final

from pytest_shadowdiff.spool.records import CHUNKED, CLOSE, LENGTH, NONE

MAX_HEAD: Final = 64 * 1024
TLS: Final = b"\x16\x03"  # how a TLS handshake begins

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
FIELDS: Final = re.compile(rb"(?:" + _TOKEN + rb":[^\r\n\0]*\r\n)*")
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([^\0-\x20\x7f]+) HTTP/1\.([01])\r\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*)?\r\n")
_NEEDED: Final = frozenset({b"content-length", b"transfer-encoding", b"host", b"trailer"})


class FramingError(ValueError):
    """The bytes are no HTTP/1.x message, or one that can be read in two ways; the text says why."""


class RequestHead:
    """What is known of a request from its head.

    Attributes:
        length: of the body, where `framing` is LENGTH.
        tunnel: why the connection may stop to be HTTP after the answer ("WebSocket"); empty where it may not.
        minor: of the HTTP version.
    """

    __slots__ = ("framing", "length", "method", "minor", "target", "tunnel")

    def __init__(self, head: bytes) -> None:
        line = _REQUEST_LINE.match(head)
        if line is None:
            raise FramingError(_what_is_wrong_with_line(head, "request line"))
        self.method, self.target, self.minor = line.groups()
        self.framing, self.length = _request_framing(head, line.end(), self.minor)
        self.tunnel = ""
        lower = head.lower()
        if self.method == b"CONNECT":
            self.tunnel = "CONNECT"
        elif b"\r\nupgrade:" in lower and b"upgrade" in _list(lower, b"connection"):
            self.tunnel = "an upgrade to " + _values(lower, b"upgrade")[0].decode("latin-1")


class ResponseHead:
    """What is known of a response from its head.

    Attributes:
        interim: a 1xx, after which another response follows.
        tunnel: from here on the connection is not HTTP any more.
        close: the sender closes the connection after it.

    Args:
        asked: the request asked for an upgrade.
    """

    __slots__ = ("close", "framing", "interim", "length", "status", "tunnel")

    def __init__(self, head: bytes, method: bytes, *, asked: bool = False) -> None:
        line = _STATUS_LINE.match(head)
        if line is None:
            raise FramingError(_what_is_wrong_with_line(head, "status line"))
        minor, digits = line.groups()
        self.status = status = int(digits)
        self.interim = 100 <= status < 200 and status != 101
        self.tunnel = status == 101 or (method == b"CONNECT" and 200 <= status < 300)
        if status == 101 and not asked:
            message = "101 without being asked"
            raise FramingError(message)
        framing, self.length = _framing(head, line.end(), minor)
        self.close = closes(head, minor)
        if method == b"HEAD" or status < 200 or status in {204, 304} or self.tunnel:
            framing, self.length = NONE, 0
        elif framing == NONE:
            framing = CLOSE
        self.framing = framing


def _request_framing(head: bytes, start: int, minor: bytes) -> tuple[int, int]:
    framing, length = _framing(head, start, minor)
    lower = head.lower()
    first = lower.find(b"\r\nhost:")
    if first >= 0 and lower.find(b"\r\nhost:", first + 1) >= 0:
        message = "Host is given twice"
        raise FramingError(message)
    return framing, length


def _framing(head: bytes, start: int, minor: bytes) -> tuple[int, int]:
    """How the body's end is found: NONE, LENGTH with the length, or CHUNKED."""
    fields = FIELDS.match(head, start)
    if fields is None or fields.end() != len(head) - 2:
        raise FramingError(_what_is_wrong_with_fields(head, start))
    lower = head.lower()
    if b"\r\nconnection:" in lower and (needed := _NEEDED.intersection(_list(lower, b"connection"))):
        message = f"Connection names {min(needed).decode()}, which framing needs"
        raise FramingError(message)
    chunked = b"\r\ntransfer-encoding:" in lower
    at = lower.find(b"\r\ncontent-length:")
    if chunked:
        return _chunked(lower, minor, with_length=at >= 0)
    if at < 0:
        return NONE, 0
    if lower.find(b"\r\ncontent-length:", at + 1) >= 0:
        message = "Content-Length is given twice"
        raise FramingError(message)
    value = lower[at + 17 : lower.find(b"\r\n", at + 17)].strip(b" \t")
    if not value.isdigit() or len(value) > 18:
        message = f"Content-Length is no plain number: {value[:40].decode('latin-1')!r}"
        raise FramingError(message)
    return LENGTH, int(value)


def _chunked(lower: bytes, minor: bytes, *, with_length: bool) -> tuple[int, int]:
    if with_length:
        message = "both Content-Length and Transfer-Encoding"
    elif minor == b"0":
        message = "Transfer-Encoding in HTTP/1.0"
    elif _values(lower, b"transfer-encoding") != [b"chunked"]:
        message = "a Transfer-Encoding other than chunked"
    else:
        return CHUNKED, 0
    raise FramingError(message)


def _values(lower: bytes, name: bytes) -> list[bytes]:
    """The values of all fields of that name, in a head in lower case."""
    key = b"\r\n" + name + b":"
    values, at = [], lower.find(key)
    while at >= 0:
        at += len(key)
        values.append(lower[at : lower.find(b"\r\n", at)].strip(b" \t"))
        at = lower.find(key, at)
    return values


def _list(lower: bytes, name: bytes) -> list[bytes]:
    return [item.strip(b" \t") for value in _values(lower, name) for item in value.split(b",")]


def _what_is_wrong_with_line(head: bytes, what: str) -> str:
    """The reason, without quoting what may be secret."""
    line = head.partition(b"\r\n")[0]
    if line.startswith(TLS):
        return "it speaks TLS, and this is plain HTTP"
    if b"\n" in line or b"\r" in line:
        return f"a bare CR or LF in the {what}"
    if b"\0" in line:
        return f"NUL in the {what}"
    return f"no {what} of HTTP/1.0 or HTTP/1.1"


def _what_is_wrong_with_fields(head: bytes, start: int) -> str:
    for number, line in enumerate(head[start:-4].split(b"\r\n"), 1):
        if b"\r" in line or b"\n" in line:
            return "a bare CR or LF in the header section"
        if b"\0" in line:
            return "NUL in the header section"
        if line[:1] in {b" ", b"\t"}:
            return "a folded header line (obs-fold)"
        name, colon, _ = line.partition(b":")
        if colon and name != name.rstrip(b" \t"):
            return f"a blank before the colon of {name.rstrip()[:40].decode('latin-1')!r}"
        if not colon or not re.fullmatch(_TOKEN, name):
            return f"header line {number} is no field"
    return "an empty line within the header section"


def closes(head: bytes, minor: bytes) -> bool:
    """Whether the sender of this head closes the connection after the message."""
    lower = head.lower()
    if b"\r\nconnection:" not in lower:
        return minor == b"0"
    options = _list(lower, b"connection")
    return b"close" in options or (minor == b"0" and b"keep-alive" not in options)


def bare_newline(head: bytes) -> bool:
    """Whether a line of an unfinished head ends in a bare LF, so that the head's end may never come."""
    return head.count(b"\n") != head.count(b"\r\n")
