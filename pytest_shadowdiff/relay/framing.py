"""Where HTTP/1.1 messages end (RFC 9112). Nothing else of a message is understood, and nothing is changed.

What two readers could understand differently is refused: that is what request smuggling lives on. The reasons are
sentences' ends: "the relay refused the request: {reason}".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.spool.records import CHUNKED, CLOSE, LENGTH, NONE

MAX_HEAD: Final = 64 * 1024
_SHORT: Final = 2 * 1024  # heads up to here are remembered
TLS: Final = b"\x16\x03"  # how a TLS handshake begins

if TYPE_CHECKING:
    from collections.abc import Collection

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
FIELDS: Final = re.compile(rb"(?:" + _TOKEN + rb":[^\r\n\0]*\r\n)*")
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([^\0-\x20\x7f]+) HTTP/1\.([01])\r\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*)?\r\n")
_NAMES_THAT_COUNT: Final = re.compile(rb"\r\n(connection|content-length|host|transfer-encoding|upgrade):[ \t]*([^\r]*)")
_COMMON: Final = {b"keep-alive": frozenset({b"keep-alive"}), b"close": frozenset({b"close"})}
_BODILESS: Final = frozenset({204, 304})
_OTHER: Final = frozenset({b"HEAD", b"CONNECT"})
_SWITCHING, _FINAL, _NOT_DONE = 101, 200, 300
_MAX_DIGITS: Final = 18
_NEEDED: Final = frozenset({b"content-length", b"transfer-encoding", b"host", b"trailer"})


class FramingError(ValueError):
    """The bytes are no HTTP/1.x message, or one that can be read in two ways; the text says why."""


class RequestHead:
    """What is known of a request from its head.

    Attributes:
        length: of the body, where `framing` is LENGTH.
        tunnel: why the connection may stop to be HTTP after the answer ("CONNECT"); empty where it may not.
    """

    __slots__ = ("framing", "length", "method", "target", "tunnel")

    def __init__(self, head: bytes) -> None:
        line = _REQUEST_LINE.match(head)
        if line is None:
            raise FramingError(_what_is_wrong_with_line(head, "request line"))
        self.method, self.target, minor = line.groups()
        self.framing, self.length, options, upgrade = _fields(head, line.end(), minor)
        if self.method == b"CONNECT":
            self.tunnel = "CONNECT"
        elif upgrade and b"upgrade" in options:
            self.tunnel = f"an upgrade to {upgrade[:40].decode('latin-1')}"
        else:
            self.tunnel = ""


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
        framing, self.length, options, _ = _fields(head, line.end(), minor)
        self.close = b"close" in options or (minor == b"0" and b"keep-alive" not in options)
        if status >= _FINAL and status not in _BODILESS and method not in _OTHER:
            self.interim = self.tunnel = False
            self.framing = framing or CLOSE
            return
        if status == _SWITCHING and not asked:
            message = "101 without being asked"
            raise FramingError(message)
        self.interim = status < _FINAL and status != _SWITCHING
        self.tunnel = status == _SWITCHING or (method == b"CONNECT" and _FINAL <= status < _NOT_DONE)
        if method == b"CONNECT" and not self.tunnel and status not in _BODILESS:
            self.framing = framing or CLOSE
        else:
            self.framing, self.length = NONE, 0


def request_head(head: bytes) -> RequestHead:
    """What is known of a request from its head.

    Raises:
        FramingError: it is none, or can be read in two ways.
    """
    return _known_request(head) if len(head) <= _SHORT else RequestHead(head)


def response_head(head: bytes, method: bytes, *, asked: bool) -> ResponseHead:
    """What is known of a response from its head.

    Raises:
        FramingError: it is none, or can be read in two ways.
    """
    return _known_response(head, method, asked) if len(head) <= _SHORT else ResponseHead(head, method, asked=asked)


# Most heads have just been seen: the other version answers with the same one, a client asks with the same one.
_known_request: Final = lru_cache(256)(RequestHead)


@lru_cache(256)
def _known_response(head: bytes, method: bytes, asked: bool) -> ResponseHead:  # noqa: FBT001  # keywords would cost more than they say
    return ResponseHead(head, method, asked=asked)


def _fields(head: bytes, start: int, minor: bytes) -> tuple[int, int, Collection[bytes], bytes]:
    """How the body's end is found (NONE, LENGTH with the length, CHUNKED), the options of Connection, the first Upgrade."""
    fields = FIELDS.match(head, start)
    if fields is None or fields.end() != len(head) - 2:
        raise FramingError(_what_is_wrong_with_fields(head, start))
    length = -1
    coding = upgrade = b""
    hosts = 0
    options: Collection[bytes] = ()
    for name, value in _NAMES_THAT_COUNT.findall(head.lower(), start - 2):
        if name == b"connection":
            options = _options(value, options)
        elif name == b"content-length":
            length = _length(value, length)
        elif name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            coding += value.rstrip(b" \t") + b","
        else:
            upgrade = upgrade or value.rstrip(b" \t")
    if hosts > 1:
        message = "Host is given twice"
        raise FramingError(message)
    if coding:
        _check_coding(coding, minor, length)
        return CHUNKED, 0, options, upgrade
    if length < 0:
        return NONE, 0, options, upgrade
    return LENGTH, length, options, upgrade


def _options(value: bytes, before: Collection[bytes]) -> Collection[bytes]:
    common = _COMMON.get(value)
    if common is not None and not before:
        return common
    options = {option.strip(b" \t") for option in value.split(b",")}
    if needed := _NEEDED.intersection(options):
        message = f"Connection names {min(needed).decode()}, which framing needs"
        raise FramingError(message)
    return options.union(before)


def _length(value: bytes, before: int) -> int:
    if before >= 0:
        message = "Content-Length is given twice"
        raise FramingError(message)
    value = value.rstrip(b" \t")
    if not value.isdigit() or len(value) > _MAX_DIGITS:
        message = f"Content-Length is no plain number: {value[:40].decode('latin-1')!r}"
        raise FramingError(message)
    return int(value)


def _check_coding(coding: bytes, minor: bytes, length: int) -> None:
    if length >= 0:
        message = "both Content-Length and Transfer-Encoding"
    elif minor == b"0":
        message = "Transfer-Encoding in HTTP/1.0"
    elif coding != b"chunked,":
        message = "a Transfer-Encoding other than chunked"
    else:
        return
    raise FramingError(message)


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


def bare_newline(head: bytes) -> bool:
    """Whether a line of an unfinished head ends in a bare LF, so that the head's end may never come."""
    return head.count(b"\n") != head.count(b"\r\n")
