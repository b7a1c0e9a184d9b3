"""A direction's bytes -> HTTP/1.x messages (RFC 9112), with what was lost on the way. After a loss it begins anew at the next message."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from pytest_shadowdiff.captures.streams import Data, Lost
from pytest_shadowdiff.spool import records

MAX_HEAD: Final = 256 * 1024
MAX_BODY: Final = 256 * 1024 * 1024

_REQUEST: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64} [^\0-\x20\x7f]+ HTTP/1\.[01]\r?\n")
_RESPONSE: Final = re.compile(rb"HTTP/1\.[01] [1-9][0-9]{2}[ \r\n]")
_LENGTH: Final = re.compile(rb"\n[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee][Nn][Gg][Tt][Hh]:[ \t]*([0-9]{1,15})[ \t]*\r?\n")
_CODING: Final = re.compile(rb"\n[Tt][Rr][Aa][Nn][Ss][Ff][Ee][Rr]-[Ee][Nn][Cc][Oo][Dd][Ii][Nn][Gg]:[^\n]*chunked[ \t]*\r?\n", re.IGNORECASE)
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[^\r\n]{0,4096}\r\n")
_BODILESS: Final = (204, 304)
_SWITCHING, _FINAL = 101, 200

Side = Literal["request", "response"]


@dataclass(slots=True)
class Message:
    """A message as it stood on the wire.

    Attributes:
        wire: head and body, the body still framed; lost bytes of the body are not in it.
        framing: how the body is framed, one of the spool's.
        at, until: its place in the stream.
        ack: what its sender had received of the other direction when it began.
        problem: why it is not whole; empty where it is.
    """

    wire: bytearray
    framing: int = records.NONE
    at: int = 0
    until: int = 0
    started: float = 0.0
    ended: float = 0.0
    ack: int | None = None
    problem: str = ""
    lossy: bool = False
    head: int = 0
    length: int = 0
    kept: int = 0


@dataclass(slots=True)
class Parser:
    """Takes the pieces of a direction in, and hands out messages.

    Args:
        side: whether requests or responses come this way.
        method: of the request that a response answers whose sender had received so much; None while it is not known, in which
            case the parser waits; empty where it never will be.

    Attributes:
        other: why this direction is no HTTP/1.x that can be read ("encrypted (TLS)"); empty where it is.
        broken: bytes were lost where it cannot be known which messages they were.
        skipped: bytes before the first message, and between those that a loss tore apart.
    """

    side: Side
    method: Callable[[int | None], bytes | None] = lambda _: b"GET"
    other: str = ""
    broken: bool = False
    skipped: int = 0
    _pieces: deque[Data | Lost] = field(default_factory=deque)
    _now: Message | None = None
    _head: bytearray = field(default_factory=bytearray)
    _head_from: Data | None = None
    _tunnel: bool = False
    _begun: bool = False
    _chunk: int = -1
    _waits: bool = False

    def feed(self, piece: Data | Lost) -> None:
        """The next piece of the stream."""
        self._pieces.append(piece)

    def messages(self, *, ended: bool, final: bool) -> Iterator[Message]:
        """The messages that are complete by now.

        Args:
            ended: the direction has ended, so that a body without a length has.
            final: nothing more is to come.
        """
        self._waits = False
        while self._pieces and not self.other and not self._waits:
            piece = self._pieces.popleft()
            if self._tunnel:
                continue
            made = self._on_lost(piece) if isinstance(piece, Lost) else self._on_data(piece)
            if made is not None:
                yield made
        if (ended or final) and not self._pieces and not self.other:
            made = self._at_end(ended=ended)
            if made is not None:
                yield made

    def _on_data(self, piece: Data) -> Message | None:
        if self._now is None:
            return self._in_head(piece)
        if piece.lossy and self._start.match(piece.data):  # where a body ends, text does not tell: where the next message begins
            self._pieces.appendleft(piece)
            return self._at_end(ended=True)
        return self._in_body(piece)

    @property
    def _start(self) -> re.Pattern[bytes]:
        return _REQUEST if self.side == "request" else _RESPONSE

    def _in_head(self, piece: Data) -> Message | None:
        if self._head_from is None:
            if not self._is_start(piece):
                return None
            self._head_from = piece
        self._head += piece.data
        end = _HEAD_END.search(self._head)
        if end is None:
            if len(self._head) > MAX_HEAD:
                self._lose_head()
            return None
        method = self.method(self._head_from.ack) if self.side == "response" else b""
        if method is None:
            self._waits = True
            self._pieces.appendleft(Data(piece.until, b"", piece.time, piece.ack, piece.lossy))
            return None
        return self._open(end.end(), method, piece)

    def _is_start(self, piece: Data) -> bool:
        if not piece.data or (piece.lossy and not piece.data.strip()):
            return False
        if not self._begun and piece.data[:2] == b"\x16\x03":
            self.other = "encrypted (TLS)"
        elif not self._begun and piece.data[:14] == b"PRI * HTTP/2.0":
            self.other = "HTTP/2, which is not read from captures"
        else:
            partly = len(piece.data) < MAX_HEAD and b"\n" not in piece.data and self._could_be_start(piece.data)
            if self._start.match(piece.data) or (partly and not self.broken):
                return True
            self.skipped += len(piece.data)
            if self._begun:
                self.broken = True
        return False

    def _could_be_start(self, data: bytes) -> bool:
        if self.side == "response":
            return b"HTTP/1.".startswith(data[:7])
        return re.match(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}( [^\0-\x20\x7f]*( H?T?T?P?.{0,5})?)?\Z", data) is not None

    def _open(self, end: int, method: bytes, piece: Data) -> Message | None:
        """The head is whole: what follows is decided by it."""
        first = self._head_from or piece
        head, rest = bytes(self._head[:end]), bytes(self._head[end:])
        self._head, self._head_from = bytearray(), None
        if not self._start.match(head):
            self.broken = True
            self.skipped += end
            self._again(rest, piece)
            return None
        self._begun = True
        message = Message(bytearray(head), at=first.at, started=first.time, ended=piece.time, ack=first.ack, lossy=first.lossy, head=end)
        message.framing, message.length = self._framing(head, method)
        message.until = piece.until if piece.lossy else first.at + end
        self._now, self._chunk = message, -1
        if rest:
            return self._in_body(Data(message.until, rest, piece.time, piece.ack, piece.lossy))
        return self._close_if_done(b"", piece)

    def _framing(self, head: bytes, method: bytes) -> tuple[int, int]:
        if self.side == "response":
            status = int(head[9:12])
            if status == _SWITCHING or (method == b"CONNECT" and status // 100 == 2):  # noqa: PLR2004 - 2xx
                self._tunnel = True
            if status < _FINAL or status in _BODILESS or method == b"HEAD":
                return records.NONE, 0
        if _CODING.search(head):
            return records.CHUNKED, 0
        length = _LENGTH.search(head)
        if length is not None:
            return (records.LENGTH, int(length[1])) if int(length[1]) else (records.NONE, 0)
        return (records.CLOSE if self.side == "response" else records.NONE), 0

    def _in_body(self, piece: Data) -> Message | None:
        message = self._now
        if message is None:
            return None
        message.lossy = message.lossy or piece.lossy
        size = self._belonging(message, piece.data)
        message.wire += piece.data[:size]
        message.kept += size
        message.until = max(message.until, piece.until) if piece.lossy else piece.at + size
        if size:
            message.ended = piece.time
        if message.kept > MAX_BODY:
            message.problem = message.problem or f"a body of more than {MAX_BODY} bytes"
        return self._close_if_done(piece.data[size:], Data(piece.at + size, b"", piece.time, piece.ack, piece.lossy))

    def _belonging(self, message: Message, data: bytes) -> int:
        if message.framing == records.LENGTH:
            if message.lossy:
                return len(data)
            return min(len(data), message.length - message.kept)
        if message.framing == records.CHUNKED:
            return self._chunks(message, data)
        return len(data) if message.framing == records.CLOSE else 0

    def _chunks(self, message: Message, data: bytes) -> int:
        """How many of these bytes belong to the chunked body; `length` is where in the wire the next chunk begins."""
        wire = bytes(message.wire[message.head + message.length :]) + data
        at = 0
        while True:
            found = _CHUNK.match(wire, at)
            if found is None:
                break
            size = int(found[1], 16)
            if size == 0:
                trailer = re.compile(rb"0[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n").match(wire, at)
                if trailer is None:
                    break
                self._chunk = 0
                return trailer.end() - (len(wire) - len(data))
            if found.end() + size + 2 > len(wire):
                break
            at = found.end() + size + 2
        message.length += at
        return len(data)

    def _close_if_done(self, rest: bytes, piece: Data) -> Message | None:
        message = self._now
        if message is None:
            return None
        done = message.framing == records.NONE or (message.framing == records.CHUNKED and self._chunk == 0)
        done = done or (message.framing == records.LENGTH and message.kept >= message.length and not message.lossy)
        if not done:
            return None
        self._now = None
        if rest:
            self._pieces.appendleft(Data(piece.at, rest, piece.time, piece.ack, piece.lossy))
        return message

    def _again(self, rest: bytes, piece: Data) -> None:
        if rest:
            self._pieces.appendleft(Data(piece.at + len(piece.data) - len(rest), rest, piece.time, piece.ack, piece.lossy))

    def _on_lost(self, lost: Lost) -> Message | None:
        message = self._now
        if message is None:
            self._lose_head()
            return None
        if message.framing == records.LENGTH and message.kept + lost.size <= message.length:
            message.problem = f"{lost.size} bytes of it were not captured"
            message.kept += lost.size
            message.until = lost.at + lost.size
            return self._close_if_done(b"", Data(message.until, b"", message.ended, None))
        self.broken = True
        message.problem = f"{lost.size} bytes of it, or of what follows, were not captured"
        self._now = None
        return message

    def _lose_head(self) -> None:
        self.broken = True
        self.skipped += len(self._head)
        self._head, self._head_from = bytearray(), None

    def _at_end(self, *, ended: bool) -> Message | None:
        message, self._now = self._now, None
        if message is None:
            return None
        if message.framing == records.CLOSE and ended:
            return message
        if message.lossy and message.framing == records.LENGTH:
            return message
        message.problem = message.problem or ("the connection ended before it" if ended else "the capture ended before it")
        return message
