"""Commands that run in containers, with pipes to this process: what `kubectl exec` does, one stream each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Sequence
from typing import BinaryIO, cast
from urllib.parse import urlencode

from pytest_shadowdiff.cluster.forwarding import Forwarder
from pytest_shadowdiff.cluster.objects import Ref
from pytest_shadowdiff.cluster.websockets import WebSocket

STDIN, STDOUT, STDERR, STATUS = 0, 1, 2, 3
START_SECONDS = 15.0


class Exec:
    """One command; it reads `send`, and ends at the end of its input where it heeds that.

    Attributes:
        stdout, stderr: what it writes, to be read in threads.

    Raises:
        SetupError: the container does not run it, or the right is missing.
    """

    def __init__(self, forwarder: Forwarder, pod: Ref, container: str, command: Sequence[str]) -> None:
        streams = [(name, "true") for name in ("stdin", "stdout", "stderr")]
        query = [("container", container), *(("command", word) for word in command), *streams]
        path = f"{pod.path}/exec?{urlencode(query)}"
        self._forwarder = forwarder
        self._ended = threading.Event()
        self._status = ""
        ends = [socket.socketpair() for _ in (STDOUT, STDERR)]
        self.stdout, self.stderr = (cast("BinaryIO", ours.makefile("rb")) for ours, _ in ends)
        for ours, _ in ends:
            ours.close()  # the file keeps it open
        doing = f"running {command[0]} in {pod}, container {container}"
        self._stream: WebSocket = forwarder.stream(path, doing)
        forwarder.spawn(self._carry([theirs for _, theirs in ends]))

    async def _carry(self, ends: Sequence[socket.socket]) -> None:
        writers = []
        for end in ends:
            end.settimeout(0)
            writers.append((await asyncio.open_connection(sock=end))[1])
        try:
            while message := await self._stream.receive():
                channel, payload = message[0], message[1:]
                if channel == STATUS:
                    self._status = payload.decode("utf-8", "replace")
                elif channel in (STDOUT, STDERR) and payload:
                    writer = writers[channel - STDOUT]
                    writer.write(payload)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError) as error:
            self._status = self._status or str(error)
        finally:
            for writer in writers:
                writer.close()
            self._ended.set()

    def send(self, text: bytes) -> None:
        """Write to its input."""
        self._forwarder.spawn(self._stream.send(bytes([STDIN]) + text))

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        return self._ended.wait(seconds)

    @property
    def ended(self) -> bool:
        """Whether it has ended, or its stream has."""
        return self._ended.is_set()

    @property
    def failure(self) -> str:
        """Why it ended, in Kubernetes' words; empty where it ended well, or has not."""
        try:
            said = json.loads(self._status) if self._status else {}
        except ValueError:
            return self._status
        return "" if said.get("status") in (None, "Success") else str(said.get("message") or said)

    def close(self) -> None:
        """End its input, and forget it."""
        self._forwarder.spawn(_close(self._stream))
        self._ended.wait(1.0)
        for file in (self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                file.close()


async def _close(stream: WebSocket) -> None:
    stream.close()


def succeeds(forwarder: Forwarder, pod: Ref, container: str, command: Sequence[str]) -> bool:
    """Whether a command can be run there, and ends well."""
    running = Exec(forwarder, pod, container, command)
    try:
        return running.wait(START_SECONDS) and not running.failure
    finally:
        running.close()
