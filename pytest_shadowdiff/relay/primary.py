"""The connection to the primary that belongs to one caller's connection: what it sends goes to the caller as it comes."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.relay.framing import FramingError

if TYPE_CHECKING:
    from pytest_shadowdiff.relay.answer import Answer
    from pytest_shadowdiff.relay.call import Call
    from pytest_shadowdiff.relay.caller import Caller

_EARLY: Final = 64 * 1024  # waits for the connection; beyond it the caller waits too
_RESET: Final = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """End a connection with a reset, as the other side's ended."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != getattr(socket, "AF_UNIX", -1):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


class Primary(asyncio.Protocol):
    """The primary's side of one caller's connection.

    Attributes:
        transport: None until the connection is there.
    """

    __slots__ = ("_caller", "_early", "_eof", "transport")

    def __init__(self, caller: Caller) -> None:
        self._caller: Caller | None = caller
        self._early: list[bytes] = []
        self._eof = False
        self.transport: asyncio.Transport | None = None

    def write(self, data: bytes) -> None:
        """Send on what the caller sent."""
        if self.transport is not None:
            self.transport.write(data)
            return
        self._early.append(data)
        if len(data) > _EARLY or len(self._early) > 1:
            self.pause_writing()

    def write_eof(self) -> None:
        """The caller has closed its half of the connection."""
        if self.transport is None:
            self._eof = True
        elif self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()

    def refused(self, reason: str) -> None:
        """The connection did not come about."""
        caller, self._caller = self._caller, None
        if caller is not None:
            caller.primary_gone(None, reason)

    def leave(self, *, by_reset: bool = False) -> None:
        """The caller has gone."""
        self._caller = None
        if self.transport is None:
            return
        if by_reset:
            reset(self.transport)
        else:
            self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there: send what waited for it."""
        self.transport = transport  # type: ignore[assignment]
        if self._caller is None:
            transport.close()
            return
        early, self._early = self._early, []
        self.resume_writing()
        for data in early:
            self.write(data)
        if self._eof:
            self.write_eof()

    def data_received(self, data: bytes) -> None:
        """It answers."""
        caller = self._caller
        if caller is None:
            return
        call = caller.call
        if caller.tunnel:
            caller.send(data)
        elif call is None or call.answer is None or call.answer.ended:
            caller.unasked()
        else:
            self._answer(caller, call, call.answer, data)

    def _answer(self, caller: Caller, call: Call, answer: Answer, data: bytes) -> None:
        try:
            out = answer.feed(data)
        except FramingError as error:
            caller.nonsense(call, error)
            return
        if out:
            caller.send(out)
        if answer.ended:
            caller.answered(call, answer)

    def eof_received(self) -> bool:
        """It sends no more."""
        caller = self._caller
        if caller is not None and caller.tunnel:
            caller.half_closed()
            return True
        return False

    def pause_writing(self) -> None:
        """It reads too slowly: so the caller has to wait."""
        if self._caller is not None:
            self._caller.hold()

    def resume_writing(self) -> None:
        """It has read."""
        if self._caller is not None:
            self._caller.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        caller, self._caller = self._caller, None
        if caller is not None:
            caller.primary_gone(exc)
