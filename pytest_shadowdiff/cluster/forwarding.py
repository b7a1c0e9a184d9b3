"""Ports of this machine that lead to ports of pods, through the API server: one stream for each connection.

The port stays the same while pods come and go; a connection is kept waiting, not refused, while none is there.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import socket
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from pytest_shadowdiff.cluster.answers import ClusterError, refusal, unreachable
from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.objects import PODS, list_all
from pytest_shadowdiff.cluster.websockets import Refused, WebSocket, tls, upgrade
from pytest_shadowdiff.cluster.workloads import Workload, is_ready, spell
from pytest_shadowdiff.errors import SetupError, ShadowError

PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR, CHANNELS = 0, 1, 2
BLOCK = 64 * 1024
PATIENCE = 15.0  # seconds that a connection waits for a pod that takes it
PAUSE = 0.1
QUIET = 20.0  # seconds of silence after which the API server is asked for a sign of life
DIALS = 48  # at a time: an API server counts what is in flight
LISTEN = 2.0  # seconds within which a pod says that it refuses
AGAIN = 256 * 1024  # bytes that are kept until it is sure that the pod took the connection

Answer = TypeVar("Answer")
FindPod = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Way:
    """Where a local port leads.

    Attributes:
        pod: names the pod for the next connection, asked anew for each; it may raise what it likes of ours.
    """

    namespace: str
    pod: FindPod
    port: int

    def __str__(self) -> str:
        return f"port-forward to port {self.port} of a pod in {self.namespace}"


class Forwarder:
    """All forwarded ports of one user, in one thread of its own.

    Args:
        connection: whose credentials are used; each stream is a connection of its own.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection.another()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="shadowdiff port-forward", daemon=True)
        self._tls = tls(connection.credentials.configuration)
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._transports: weakref.WeakSet[asyncio.WriteTransport] = weakref.WeakSet()
        self._dials: asyncio.Semaphore | None = None
        self._trouble: ShadowError | None = None
        self._thread.start()

    @property
    def trouble(self) -> ShadowError | None:
        """Why the latest connection found no pod; None where it did."""
        return self._trouble

    def open(self, way: Way) -> tuple[str, int]:
        """A new local port, host and number.

        Raises:
            SetupError: this machine has none to give.
        """
        return self._await(asyncio.run_coroutine_threadsafe(self._listen(way), self._loop))

    def _await(self, future: Future[tuple[str, int]]) -> tuple[str, int]:
        try:
            return future.result(timeout=PATIENCE)
        except OSError as error:
            message = f"No port of 127.0.0.1 can be opened for a port-forward: {error}."
            raise SetupError(message) from None

    def refused(self, namespace: str, pod: str, port: int) -> bool:
        """Whether a pod refuses connections to a port: then nothing listens there, or only on another address than loopback."""
        way = Way(namespace, lambda: pod, port)
        return self._wait(self._refused(way), f"connecting to port {port} of Pod {namespace}/{pod}")

    def touch(self, namespace: str, pod: str, port: int) -> None:
        """Make a connection to a port of a pod, from the pod's own loopback, and close it.

        Raises:
            ShadowError: there is no such pod any more, or the API server refuses.
        """

        async def connect() -> None:
            stream = await self._dial(Way(namespace, lambda: pod, port))
            for _ in range(CHANNELS):
                await asyncio.wait_for(stream.receive(), LISTEN)
            stream.close()

        self._wait(connect(), f"connecting to port {port} of Pod {namespace}/{pod}")

    def stream(self, path: str, doing: str) -> WebSocket:
        """Open a stream of the API server, to be used in coroutines that are given to `spawn`.

        Raises:
            ClusterError: refused, or no answer.
        """
        return self._wait(self._stream(path, doing), doing)

    def _wait(self, work: Coroutine[Any, Any, Answer], doing: str) -> Answer:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=2 * PATIENCE)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, concurrent.futures.TimeoutError) as error:
            raise unreachable(doing, self._connection.context, self._connection.host, error) from None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the thread of the streams; what it raises is nobody's."""

        async def run() -> None:
            task = asyncio.current_task()
            if task is not None:
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await work

        if self._loop.is_closed():
            work.close()
            return
        asyncio.run_coroutine_threadsafe(run(), self._loop)

    async def _refused(self, way: Way) -> bool:
        stream = await self._dial(way)
        opened = 0
        try:
            while message := await asyncio.wait_for(stream.receive(), LISTEN):
                opened += 1
                if opened > CHANNELS:
                    return message[0] == ERROR and b"refused" in message
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            pass
        finally:
            stream.close()
        return False

    def close(self) -> None:
        """Close all ports and their connections; safe to call twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._dials = asyncio.Semaphore(DIALS)
        try:
            self._loop.run_forever()
        finally:
            for server in self._servers:
                server.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
            for transport in list(self._transports):
                transport.abort()  # nobody waits for the other side's farewell
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.run_until_complete(asyncio.sleep(0))  # what was aborted is closed in the loop's next rounds
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()
            self._connection.close()

    async def _listen(self, way: Way) -> tuple[str, int]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            with contextlib.suppress(asyncio.CancelledError):  # closed by `close`
                await self._serve(way, reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024, limit=BLOCK)
        self._servers.append(server)
        host, port = server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def _serve(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = _Caller(reader, writer)
        self._transports.add(writer.transport)
        deadline = 0.0
        try:
            while True:
                try:
                    await _carry(await self._dial(way), caller)
                except (ShadowError, OSError, asyncio.IncompleteReadError) as error:
                    self._trouble = error if isinstance(error, ShadowError) else SetupError(f"{way}: {error}")
                    deadline = deadline or self._loop.time() + PATIENCE
                    if not caller.may_try_again(error) or self._loop.time() >= deadline:
                        writer.transport.abort()
                        return
                    await asyncio.sleep(PAUSE)
                else:
                    self._trouble = None
                    return
        finally:
            writer.close()

    async def _dial(self, way: Way) -> WebSocket:
        assert self._dials is not None  # noqa: S101 (set by the thread before anything is served)
        async with self._dials:
            pod = await self._loop.run_in_executor(None, way.pod)
            path = f"/api/v1/namespaces/{way.namespace}/pods/{quote(pod)}/portforward?ports={way.port}"
            return await self._stream(path, f"forwarding to port {way.port} of Pod {way.namespace}/{pod}")

    async def _stream(self, path: str, doing: str) -> WebSocket:
        context, host = self._connection.context, self._connection.host
        try:
            return await asyncio.wait_for(self._upgraded(path), PATIENCE)
        except Refused as refused:
            raise refusal(doing, context, host, refused.status, refused.body) from None
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            raise unreachable(doing, context, host, error) from None

    async def _upgraded(self, path: str) -> WebSocket:
        place = urlsplit(self._connection.host)
        token = await self._loop.run_in_executor(None, self._connection.authorization)
        reader, writer = await self._reach(place.hostname or "", place.port or (443 if self._tls else 80))
        self._transports.add(writer.transport)
        try:
            return await upgrade(reader, writer, place.path + path, place.netloc, PROTOCOL, {"authorization": token} if token else {})
        except BaseException:
            writer.transport.abort()
            raise

    async def _reach(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        configuration = self._connection.credentials.configuration
        name = (getattr(configuration, "tls_server_name", None) or host) if self._tls else None
        proxy = getattr(configuration, "proxy", None)
        if not proxy or _bypassed(self._connection.host, configuration):
            return await asyncio.open_connection(host, port, ssl=self._tls, server_hostname=name, limit=BLOCK)
        through = await self._loop.run_in_executor(None, _tunnel, str(proxy), host, port)
        return await asyncio.open_connection(sock=through, ssl=self._tls, server_hostname=name, limit=BLOCK)


class _NotTakenError(OSError):
    """The pod refused the connection, so it has read nothing of it."""


class _Caller:
    """Who connected to a local port, and what it has sent while it is not sure that a pod has taken the connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.sent = bytearray()
        self.taken = False

    def may_try_again(self, error: BaseException) -> bool:
        """Whether another connection may take over: no pod has read anything, and all that was sent is still here."""
        if isinstance(error, ClusterError) and error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return False
        unread = isinstance(error, (ShadowError, _NotTakenError)) or not self.sent
        return unread and not self.taken and len(self.sent) <= AGAIN and not self.reader.at_eof()

    def keep(self, block: bytes) -> None:
        """Keep what it sent, as far as that is of use."""
        if not self.taken and len(self.sent) <= AGAIN:
            self.sent += block

    def take(self) -> None:
        """A pod has answered."""
        self.taken = True
        self.sent.clear()


async def _carry(stream: WebSocket, caller: _Caller) -> None:
    """Carry bytes both ways until one side ends.

    Raises:
        OSError, asyncio.IncompleteReadError: the stream broke off; what was sent may be sent again only where the pod refused.
    """
    tasks = [asyncio.ensure_future(part(stream, caller)) for part in (_down, _up, _watch)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
                return
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        stream.close()


async def _up(stream: WebSocket, caller: _Caller) -> None:
    if caller.sent:
        await stream.send(bytes([DATA]) + caller.sent)
    while block := await caller.reader.read(BLOCK):
        caller.keep(block)
        await stream.send(bytes([DATA]) + block)


async def _down(stream: WebSocket, caller: _Caller) -> None:
    opened: set[int] = set()
    while message := await stream.receive():
        channel, payload = message[0], message[1:]
        if channel not in opened:
            opened.add(channel)
            payload = payload[2:]  # each channel begins with the port's number
        if channel == ERROR and payload:
            text = payload.decode("utf-8", "replace").strip()
            raise _NotTakenError(text) if "refused" in text else OSError(text)
        if channel == DATA and payload:
            caller.take()
            caller.writer.write(payload)
            await caller.writer.drain()


async def _watch(stream: WebSocket, _caller: _Caller) -> None:
    while True:
        before = stream.frames
        await asyncio.sleep(QUIET)
        if stream.frames == before:
            await stream.ping()
            await asyncio.sleep(QUIET)
        if stream.frames == before:
            raise OSError(f"the API server gave no sign of life for {2 * QUIET:.0f} s")


def _bypassed(host: str, configuration: object) -> bool:
    from urllib.request import proxy_bypass

    name = urlsplit(host).hostname or ""
    listed = [entry.strip().lstrip(".") for entry in str(getattr(configuration, "no_proxy", None) or "").split(",")]
    return any(name == entry or (entry and name.endswith(f".{entry}")) for entry in listed) or bool(proxy_bypass(name))


def _tunnel(proxy: str, host: str, port: int) -> socket.socket:
    place = urlsplit(proxy)
    through = socket.create_connection((place.hostname or "", place.port or 3128), timeout=PATIENCE)
    through.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        block = through.recv(1)
        if not block or len(answer) > BLOCK:
            raise OSError(f"the proxy {place.netloc} ended the connection")
        answer += block
    if b" 200 " not in answer.split(b"\r\n", 1)[0] + b" ":
        raise OSError(f"the proxy {place.netloc} refused: {answer[:100]!r}")
    through.settimeout(None)
    return through


def ready_pods(connection: Connection, workload: Workload) -> FindPod:
    """One ready pod of a version after the other, looked up anew for each connection.

    Args:
        connection: its own, as it is used in another thread.
    """
    turn = itertools.count()

    def next_pod() -> str:
        found = [pod for pod in list_all(connection, PODS, workload.namespace, workload.selector) if is_ready(pod)]
        if not found:
            message = (
                f"Target {workload.name}: no pod with the labels {spell(workload.selector)} is ready in namespace {workload.namespace}."
            )
            raise SetupError(message)
        return str(found[next(turn) % len(found)]["metadata"]["name"])

    return next_pod
