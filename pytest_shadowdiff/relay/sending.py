"""Requests of our own (copies and what is asked again), over connections that are kept."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from pytest_shadowdiff.relay.framing import FramingError

if TYPE_CHECKING:
    from pytest_shadowdiff.relay.answer import Answer
    from pytest_shadowdiff.relay.dialing import Dialer

TICK: Final = 0.05


class Shot(Protocol):
    """One request to be sent, and what came of it.

    Attributes:
        wire: all of it, in pieces.
        fresh: it may not go over a connection that was used before, since it may not be sent twice.
        started: Unix time at which its first byte was sent; 0 before.
        sent_at, ended_at: in the event loop's time.
    """

    wire: list[bytes]
    fresh: bool
    answer: Answer
    started: float
    sent_at: float
    ended_at: float

    @property
    def what(self) -> str:
        """The request, for messages: "GET /orders"."""

    @property
    def patience(self) -> str:
        """How its deadline reads in a message: "10 s of the primary's"."""

    def done(self, problem: str) -> None:
        """Called once: the answer is complete, or will never be."""


class Sender:
    """Sends shots to one version, at most `connections` at one time; the rest wait in line."""

    def __init__(self, dialer: Dialer, loop: asyncio.AbstractEventLoop, connections: int) -> None:
        self._dialer = dialer
        self._loop = loop
        self._free = connections
        self._idle: list[_Connection] = []
        self._line: deque[Shot] = deque()
        self._flying: dict[Shot, _Connection | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """The version, for messages."""
        return self._dialer.name

    def send(self, shot: Shot) -> None:
        """Send it now, or as soon as a connection is free."""
        if self._idle and not shot.fresh and not self._line:
            self._fly(shot, self._idle.pop())
            return
        self._line.append(shot)
        self._pump()

    def cancel(self, shot: Shot) -> None:
        """Nobody waits for it any more; `done` is not called."""
        connection = self._flying.pop(shot, None)
        if connection is not None:
            connection.leave()
        elif shot in self._line:
            self._line.remove(shot)

    def overdue(self, shot: Shot) -> None:
        """Its time is over."""
        if shot.started:
            how = "was not complete" if shot.answer.begun else "did not come"
            self._fail(shot, f"the answer of the {self.name} to {shot.what} {how} within {shot.patience}")
        else:
            self._fail(
                shot, f"{shot.what} was not sent to the {self.name} within {shot.patience}: no connection was free (max_connections)"
            )

    def close(self) -> None:
        """Close every connection; shots that fly are forgotten."""
        for task in self._tasks:
            task.cancel()
        for connection in [*self._idle, *self._flying.values()]:
            if connection is not None:
                connection.leave()
        self._idle.clear()
        self._flying.clear()

    def _pump(self) -> None:
        while self._line:
            if self._loop.time() < self._dialer.refused_until:
                self._refuse_line()
            elif self._idle and not self._line[0].fresh:
                self._fly(self._line.popleft(), self._idle.pop())
            elif self._free:
                self._dial(self._line.popleft())
            elif self._idle:  # all connections are there, and this shot needs a new one
                self._idle.pop(0).leave()
                return
            else:
                return

    def _refuse_line(self) -> None:
        line, self._line = self._line, deque()
        for shot in line:
            shot.done(f"{self._dialer.refusal} for {shot.what}")

    def _dial(self, shot: Shot) -> None:
        self._free -= 1
        self._flying[shot] = None
        task = self._loop.create_task(self._connect(shot))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, shot: Shot) -> None:
        connection = _Connection(self, self._loop)
        problem = await self._dialer.connect(lambda: connection)
        if problem:
            self._free += 1
            if shot in self._flying:
                self._fail(shot, f"{problem} for {shot.what}")
            self._refuse_line()
        elif shot in self._flying:
            self._fly(shot, connection)
        else:
            connection.leave()

    def _fly(self, shot: Shot, connection: _Connection) -> None:
        self._flying[shot] = connection
        connection.carry(shot)

    def _fail(self, shot: Shot, problem: str) -> None:
        self.cancel(shot)
        shot.done(problem)

    # What connections tell.

    def answered(self, shot: Shot, connection: _Connection) -> None:
        """The shot's answer is complete."""
        del self._flying[shot]
        if shot.answer.final or connection.closing:
            connection.leave()
        else:
            self._idle.append(connection)
            if self._line:
                self._pump()
        shot.done("")

    def broke(self, shot: Shot, problem: str, *, again: bool) -> None:
        """The shot's connection ended before its answer did."""
        if again:
            del self._flying[shot]
            self._line.appendleft(shot)
            self._pump()
        else:
            self._fail(shot, f"the {self.name} {problem}")

    def lost(self, connection: _Connection) -> None:
        """A connection has ended."""
        self._free += 1
        if connection in self._idle:
            self._idle.remove(connection)
        if self._line:
            self._pump()


class _Connection(asyncio.Protocol):
    """One connection of a Sender; carries one shot at a time."""

    __slots__ = ("_loop", "_owner", "_shot", "_transport", "_used")

    def __init__(self, owner: Sender, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._loop = loop
        self._shot: Shot | None = None
        self._used = False
        self._transport: asyncio.Transport | None = None

    @property
    def closing(self) -> bool:
        """It is about to end."""
        return self._transport is None or self._transport.is_closing()

    def carry(self, shot: Shot) -> None:
        """Send the shot's request and follow its answer."""
        self._shot = shot
        shot.started = time.time()
        shot.sent_at = self._loop.time()
        wire = shot.wire
        if self._transport is not None:
            self._transport.write(wire[0] if len(wire) == 1 else b"".join(wire))

    def leave(self) -> None:
        """Drop the connection and whatever it carries."""
        self._shot = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Follow the answer."""
        shot = self._shot
        if shot is None:
            self.leave()
            return
        answer = shot.answer
        try:
            answer.feed(data)
        except FramingError as error:
            self._broken(f"answered {shot.what} with what is not plain HTTP/1.1: {error}")
            return
        if answer.over:
            self._broken(f"answered {shot.what} with a body over {answer.limit} bytes (max_body)")
        elif answer.ended:
            self._ended(shot)

    def connection_lost(self, exc: Exception | None) -> None:
        """The version ended it, or we did."""
        shot = self._shot
        self._transport = None
        if shot is not None:
            if shot.answer.end():
                self._ended(shot)
            else:
                self._broken(_how_it_ended(exc, shot), again=self._used and not shot.answer.begun and not shot.fresh)
        self._owner.lost(self)

    def _ended(self, shot: Shot) -> None:
        self._shot = None
        self._used = True
        shot.ended_at = self._loop.time()
        self._owner.answered(shot, self)

    def _broken(self, problem: str, *, again: bool = False) -> None:
        shot, self._shot = self._shot, None
        if shot is not None:
            self._owner.broke(shot, problem, again=again)
        self.leave()


def _how_it_ended(exc: Exception | None, shot: Shot) -> str:
    verb = "reset" if isinstance(exc, ConnectionResetError | BrokenPipeError) else "closed" if exc is None else f"broke ({exc})"
    when = "in the middle of its answer to" if shot.answer.begun else "before it answered"
    return f"{verb} the connection {when} {shot.what}"
