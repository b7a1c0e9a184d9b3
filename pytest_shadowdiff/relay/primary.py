"""The connection to the primary that belongs to one caller's connection: what it sends goes to the caller as it comes."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.relay.framing import FramingError

if TYPE_CHECKING:
    from pytest_shadowdiff.relay.caller import Caller

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
        if self.transport is None:
            self._early.append(data)
        else:
            self.transport.write(data)

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
        self.transport = transport  # type: ignore[assignment]
        if self._caller is None:
            transport.close()
            return
        early, self._early = b"".join(self._early), []
        if early:
            self.write(early)
        if self._eof:
            self.write_eof()

    def data_received(self, data: bytes) -> None:
        caller = self._caller
        if caller is None:
            return
        call = caller.call
        if caller.tunnel:
            caller.send(data)
        elif call is None or call.answer is None:
            caller.unasked()
        else:
            try:
                out = call.answer.feed(data)
            except FramingError as error:
                caller.nonsense(error)
                return
            if out:
                caller.send(out)
            if call.answer.ended:
                caller.answered()

    def eof_received(self) -> bool:
        caller = self._caller
        if caller is not None and caller.tunnel:
            caller.half_closed()
            return True
        return False

    def pause_writing(self) -> None:
        if self._caller is not None:
            self._caller.hold()

    def resume_writing(self) -> None:
        if self._caller is not None:
            self._caller.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        caller, self._caller = self._caller, None
        if caller is not None:
            caller.primary_gone(exc)
