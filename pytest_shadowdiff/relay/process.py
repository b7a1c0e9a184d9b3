"""The life of the relay's process: it ends when it is told to, or when the process that started it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
from typing import TYPE_CHECKING, Final

import msgspec

from pytest_shadowdiff.errors import ShadowError
from pytest_shadowdiff.relay.messages import Ask, Close, Command, Open, Plan, Reply, Settle, Stop, Unframer, framed
from pytest_shadowdiff.relay.server import Server

if TYPE_CHECKING:
    from collections.abc import Coroutine

_TICK: Final = 0.5


class _Channel(asyncio.Protocol):
    """The connection to the process that started this one; when it ends, so does the relay."""

    def __init__(self, ended: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
        self._ended = ended
        self._loop = loop
        self._unframer = Unframer()
        self._commands = msgspec.msgpack.Decoder(Command)
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.WriteTransport | None = None
        self.server: Server | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        for payload in self._unframer.feed(data):
            if self.server is None:
                self._begin(payload)
            else:
                self._on(self._commands.decode(payload), self.server)

    def connection_lost(self, _: Exception | None) -> None:
        self._ended.set()

    def say(self, reply: Reply) -> None:
        """Tell the other process."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed(msgspec.msgpack.encode(reply)))

    def _begin(self, payload: bytes) -> None:
        try:
            plan = msgspec.msgpack.decode(payload, type=Plan)
            self.server = Server(plan, self._loop, lambda reason: self.say(Reply(0, error=reason)))
        except (ShadowError, OSError, ValueError) as error:
            self.say(Reply(0, error=str(error)))
            self._ended.set()
            return
        gc.collect()
        gc.freeze()
        self.say(Reply(0, value="ready"))

    def _on(self, command: Command, server: Server) -> None:
        if isinstance(command, Ask):
            server.ask(command)
        elif isinstance(command, Open):
            self._answer(command.number, server.open(command.key, unsafe=command.unsafe))
        elif isinstance(command, Settle):
            self._answer(command.number, server.settle(command.key))
        elif isinstance(command, Close):
            server.close(command.key)
            self.say(Reply(command.number))
        elif isinstance(command, Stop):
            self._ended.set()

    def _answer(self, number: int, work: Coroutine[object, object, str | None]) -> None:
        async def run() -> None:
            try:
                self.say(Reply(number, value=await work or ""))
            except OSError as error:
                self.say(Reply(number, error=f"the relay cannot do that: {error}"))

        task = self._loop.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _live(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    channel = _Channel(ended, loop)
    await loop.create_connection(lambda: channel, sock=socket.socket(fileno=fd))
    parent = os.getppid()
    while not ended.is_set() and os.getppid() == parent:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ended.wait(), _TICK)
        if channel.server is not None:
            channel.server.tick()
    if channel.server is not None:
        channel.server.end()


def main(fd: int) -> int:
    """Run until the end; `fd` is the relay's end of the channel."""
    gc.set_threshold(20_000, 20, 50)  # a pair leaves no cycles behind
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each caller takes two
    asyncio.run(_live(fd))
    return 0
