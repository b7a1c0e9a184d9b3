"""A caller's connection: requests come in, go to the primary as they are, and the primary's answers go back as they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.relay.call import Call
from pytest_shadowdiff.relay.framing import MAX_HEAD, TLS, FramingError, RequestHead, bare_newline, request_head
from pytest_shadowdiff.relay.primary import Primary, reset

if TYPE_CHECKING:
    from pytest_shadowdiff.relay.answer import Answer
    from pytest_shadowdiff.relay.entry import Entry

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\n"
_HELD: Final = 64 * 1024  # of pipelined requests; beyond it the caller has to wait
_LINGER: Final = 1.0
_READS_ON: Final = 1.0  # for the rest of an answer whose caller has seen enough
_LEFT: Final = "its caller left before the answer ended"
_LEFT_EARLY: Final = "its caller left before it had sent the whole request"


class Caller(asyncio.Protocol):
    """One connection of a caller, and the one to the primary that belongs to it.

    Attributes:
        call: the request that is served; None between requests.
        tunnel: the connection is not HTTP any more; bytes go both ways.
        reading_since: in the event loop's time, when an unfinished header section began; 0 where there is none.
    """

    __slots__ = ("_buffer", "_closing", "_eof", "_held", "_primary", "call", "entry", "reading_since", "transport", "tunnel")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.call: Call | None = None
        self.tunnel = False
        self.reading_since = 0.0
        self._buffer = b""
        self._primary: Primary | None = None
        self._eof = False
        self._held = False
        self._closing = False
        self.transport: asyncio.Transport | None = None

    # What the caller does.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It has come."""
        self.transport = transport  # type: ignore[assignment]
        self.entry.callers[self] = None

    def data_received(self, data: bytes) -> None:
        """It asks."""
        if self._closing:
            return
        if self.tunnel:
            self._to_primary(data)
            return
        call = self.call
        if call is not None and not call.body.ended:
            self._on_body(call, data)
            return
        self._buffer = self._buffer + data if self._buffer else data
        if call is None:
            self._on_head()
        elif len(self._buffer) > _HELD:
            self.hold()

    def eof_received(self) -> bool:
        """It sends no more: it has gone, or waits for the answer only."""
        self._eof = True
        call = self.call
        if call is not None and call.ended and not call.body.ended:  # it was answered, and sends no more
            self.call = None
            self.entry.abandoned(call)
        if self.call is None and not self.tunnel:
            return False
        passes = self.tunnel or self.entry.server.passes_half_closes
        if call is not None and _seen_in_part(call):
            if passes:  # many versions take it for the caller's end, and break off what could still be compared
                self.entry.server.loop.call_later(_READS_ON, self._still_half_closed, call)
        elif passes:
            self._pass_half_close()
        elif call is not None:
            self.entry.half_gone(call)
        return self.transport is not None and self.transport.can_write_eof()

    def _still_half_closed(self, call: Call) -> None:
        if self.call is call and self.transport is not None:
            self.entry.half_gone(call)
            self._pass_half_close()

    def _pass_half_close(self) -> None:
        if self._primary is not None and not self._buffer:
            self._primary.write_eof()

    def pause_writing(self) -> None:
        """It reads too slowly: so the primary has to wait."""
        if self._primary is not None and self._primary.transport is not None:
            self._primary.transport.pause_reading()

    def resume_writing(self) -> None:
        """It has read."""
        if self._primary is not None and self._primary.transport is not None:
            self._primary.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone; many look at the status only, so an answer that has begun is read on for a moment."""
        self.entry.callers.pop(self, None)
        self.transport = None
        call, by_reset = self.call, isinstance(exc, ConnectionResetError)
        if call is None or not _seen_in_part(call):
            self._leave(by_reset=by_reset)
            return
        self.resume_writing()
        self.entry.server.loop.call_later(_READS_ON, lambda: self._leave(by_reset=by_reset))

    def _leave(self, *, by_reset: bool = False) -> None:
        primary, self._primary = self._primary, None
        if primary is not None:
            primary.leave(by_reset=by_reset)
        call, self.call = self.call, None
        if call is not None and call.ended:
            self.entry.abandoned(call)
        elif call is not None:
            self.entry.left(call, _LEFT if call.body.ended else _LEFT_EARLY)

    # From bytes to requests.

    def _on_head(self) -> None:
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):  # RFC 9112, 2.2: an empty line before a request is ignored
            buffer = buffer[2:]
        blank = buffer.find(b"\r\n\r\n")
        if blank < 0:
            self._buffer = buffer
            self._on_half_head(buffer)
            return
        end = blank + 4
        head = buffer[:end]
        self.reading_since = 0.0
        if head == _PREFACE:
            self._buffer = b""
            self._through(buffer)
            return
        try:
            if end > MAX_HEAD:
                raise _endless()
            parsed = request_head(head)
        except FramingError as error:
            self.refuse(head, str(error))
            return
        self._buffer = b""
        self._begin(parsed, head, buffer, end)

    def _on_half_head(self, buffer: bytes) -> None:
        if len(buffer) > MAX_HEAD:
            self.refuse(buffer[:MAX_HEAD], str(_endless()))
        elif buffer.startswith(TLS):
            self.refuse(buffer, "it speaks TLS, and this is plain HTTP")
        elif bare_newline(buffer):
            self.refuse(buffer, "a bare LF in the header section")
        elif not buffer:
            self.reading_since = 0.0
        elif not self.reading_since:
            self.reading_since = self.entry.server.loop.time()

    def _begin(self, parsed: RequestHead, head: bytes, data: bytes, start: int) -> None:
        server = self.entry.server
        self.call = call = Call(server.next_pair(), head, parsed)
        try:
            stop = call.body.follow(data, start)
        except FramingError as error:
            self.refuse(head, str(error))
            return
        if stop > start:
            call.wire.append(data[start:stop])
        if stop < len(data):
            self._buffer = data[stop:]
            if len(self._buffer) > _HELD:
                self.hold()
        self.entry.begun(call, parsed)
        call.answer = server.answer(call, asked=bool(parsed.tunnel))
        rewriting = server.primary_rewriting if call.watched else server.unmarked
        head = rewriting(head, call.pair) if rewriting.changes else head
        call.sent_at = server.loop.time()
        if head is call.head:
            self._to_primary(data if stop == len(data) else data[:stop])
        else:
            self._to_primary(head + data[start:stop])
        if call.body.ended:
            self.entry.complete(call)

    def _to_primary(self, data: bytes) -> None:
        if self._primary is None:
            self._primary = primary = Primary(self)
            self.entry.server.connect(primary)
        self._primary.write(data)

    def _on_body(self, call: Call, data: bytes) -> None:
        try:
            stop = call.body.follow(data, 0)
        except FramingError as error:
            self._break_request(call, str(error))
            return
        if stop < len(data):
            self._buffer = data[stop:]
            data = data[:stop]
        self._to_primary(data)
        self.entry.more(call, data)
        if call.body.ended:
            self.entry.complete(call)
            if call.ended:  # the primary had answered before
                self._next()

    def _through(self, data: bytes) -> None:
        """HTTP/2 without asking: nothing of it is understood here."""
        self.entry.stranger(_PREFACE, "HTTP/2 is passed through, not mirrored")
        self.tunnel = True
        self._to_primary(data)

    # What the primary does.

    def send(self, data: bytes) -> None:
        """Pass on what the primary sent."""
        if self.transport is not None:
            self.transport.write(data)

    def answered(self, call: Call, answer: Answer) -> None:
        """The primary's answer is complete."""
        if answer.head is not None and answer.head.tunnel:
            self._become_tunnel(call)
            return
        call.ended = True
        if self._eof and not call.body.ended:
            self.call = None
            self.entry.left(call, _LEFT_EARLY)
            self._close()
            return
        self.entry.answered(call)
        if answer.excess or self.transport is None:
            self._close()
        elif call.body.ended:
            self._next()

    def _become_tunnel(self, call: Call) -> None:
        self.call = None
        self.tunnel = True
        self.entry.served(call)
        if self._buffer and self._primary is not None:
            self._primary.write(self._buffer)
            self._buffer = b""

    def _next(self) -> None:
        self.call = None
        if self._held:
            self.go_on()
        if self._closing:
            return
        if self._buffer and not self.entry.closing:
            self._on_head()
            if self._eof:
                self._pass_half_close()
        if self.entry.closing or (self._eof and not self._serving()):
            self._close()

    def _serving(self) -> bool:
        return self.call is not None

    def unasked(self) -> None:
        """The primary sends what nobody asked for: whose answer it is cannot be told, so this connection ends."""
        self._close()

    def nonsense(self, call: Call, error: FramingError) -> None:
        """The primary's answer is no HTTP/1.x, or ambiguous (RFC 9112, 6.3: 502)."""
        self.call = None
        problem = f"the {self.entry.server.primary.name} answered {call.what} with what is not plain HTTP/1.1: {error}"
        begun = call.answer is not None and call.answer.head is not None
        self.entry.broken(call, problem)
        if not begun:
            self._say(502, "Bad Gateway", problem)
        self._close(by_reset=begun)

    def primary_gone(self, exc: Exception | None, refusal: str = "") -> None:
        """The primary's connection has ended, or never came about: so does the caller's, in the same way."""
        self._primary = None
        call, answer = self.call, self.call.answer if self.call is not None else None
        if call is None or answer is None:
            self._close()
        elif call.ended:  # it had answered before the request was complete
            self.call = None
            self.entry.abandoned(call)
            self._close(gently=True)
        elif answer.end():
            self.call = None
            call.ended = True
            self.entry.answered(call)
            self._close()
        elif self.transport is None or (self._eof and not answer.begun and not refusal):
            self._leave()
            self._close()
        else:
            self.call = None
            self.entry.broken(call, f"{refusal or self._how_it_ended(exc, answer)} {call.what}")
            self._close(by_reset=exc is not None or bool(refusal))

    def _how_it_ended(self, exc: Exception | None, answer: Answer) -> str:
        verb = "closed" if exc is None else "reset"
        when = "in the middle of its answer to" if answer.begun else "before it answered"
        return f"the {self.entry.server.primary.name} {verb} the connection {when}"

    def half_closed(self) -> None:
        """The primary has closed its half of a tunnel."""
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()

    # Back pressure.

    def hold(self) -> None:
        """Read no more from the caller for now."""
        self._held = True
        if self.transport is not None:
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        self._held = False
        if self.transport is not None:
            self.transport.resume_reading()

    # Ends.

    def refuse(self, head: bytes, reason: str) -> None:
        """Answer 400: the request can be read in two ways, or not at all."""
        self.call = None
        problem = f"the relay refused the request: {reason}"
        self.entry.refused(head, problem)
        self._say(400, "Bad Request", problem)
        self._close(gently=True)

    def too_slow(self, seconds: float) -> None:
        """The header section takes too long."""
        self.reading_since = 0.0
        self.refuse(self._buffer, f"its header section was not complete within {seconds:g} s (max_head_seconds)")

    def retire(self) -> None:
        """The entry is closed: leave now, or after the answer that is on its way."""
        if self.call is None:
            self._close()

    def _break_request(self, call: Call, reason: str) -> None:
        self.call = None
        if call.ended:  # it was answered before it was complete
            self.entry.abandoned(call)
        else:
            self.entry.broken(call, f"the relay refused the body of {call.what}: {reason}")
        if call.answer is not None and not call.answer.begun:
            self._say(400, "Bad Request", f"the relay refused the request: {reason}")
        self._close(gently=True)

    def _say(self, status: int, phrase: str, reason: str) -> None:
        text = f"pytest-shadowdiff: {reason}\n".encode("utf-8", "replace")
        fields = f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\nConnection: close\r\n"
        self.send(f"HTTP/1.1 {status} {phrase}\r\n{fields}\r\n".encode() + text)

    def _close(self, *, by_reset: bool = False, gently: bool = False) -> None:
        """End both connections; gently: what the caller still sends must not reset what it still has to read."""
        self._closing = True
        primary, self._primary = self._primary, None
        if primary is not None:
            primary.leave()
        if self.transport is None:
            return
        if by_reset:
            reset(self.transport)
        elif gently and self.transport.can_write_eof() and not self._eof:
            self.transport.write_eof()
            self.entry.server.loop.call_later(_LINGER, self.transport.abort)
        else:
            self.transport.close()


def _seen_in_part(call: Call) -> bool:
    """Whether its caller may have seen enough: its request is complete, and part of the answer has come."""
    return not call.ended and call.body.ended and call.answer is not None and call.answer.begun


def _endless() -> FramingError:
    return FramingError(f"a header section over {MAX_HEAD} bytes")
