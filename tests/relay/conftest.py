"""Versions and callers on raw sockets: what the relay does is seen in bytes, from both of its sides."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_shadowdiff.model import Upstream
from pytest_shadowdiff.relay import Relay, Routing
from pytest_shadowdiff.relay.limits import RelayLimits
from pytest_shadowdiff.settings import Limits
from pytest_shadowdiff.spool import Event, Opened, Reader, Seen, Skipped

PATIENCE = 20.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """One end of a connection, read and written in bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.seen = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read_until(self, end: bytes) -> bytes:
        """All bytes up to and with `end`; fewer where the other side has ended."""
        while end not in self.seen:
            block = self.sock.recv(65536)
            if not block:
                taken, self.seen = self.seen, b""
                return taken
            self.seen += block
        at = self.seen.index(end) + len(end)
        taken, self.seen = self.seen[:at], self.seen[at:]
        return taken

    def read(self, size: int) -> bytes:
        while len(self.seen) < size:
            block = self.sock.recv(65536)
            if not block:
                break
            self.seen += block
        taken, self.seen = self.seen[:size], self.seen[size:]
        return taken

    def read_to_end(self) -> bytes:
        """All bytes until the other side ends; a reset ends it too."""
        with suppress(ConnectionError):
            while block := self.sock.recv(65536):
                self.seen += block
        taken, self.seen = self.seen, b""
        return taken

    def request(self) -> bytes:
        """One whole request (Content-Length or chunks), as its bytes; empty where the caller has ended."""
        head = self.read_until(b"\r\n\r\n")
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            return head + self.read_until(b"0\r\n\r\n")
        if b"content-length:" in lower:
            size = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
            return head + self.read(size)
        return head

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()

    def close(self) -> None:
        self.sock.close()


Script = Callable[[Peer], None]


def serve(answer: bytes | Callable[[bytes], bytes] = OK) -> Script:
    """A script that answers every request of a connection."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.send(answer if isinstance(answer, bytes) else answer(request))

    return script


@dataclass
class Version:
    """A server whose connections each run a script."""

    name: str
    script: Script
    family: socket.AddressFamily = socket.AF_INET
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.socket(self.family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind(("::1" if self.family == socket.AF_INET6 else "127.0.0.1", 0))
        except OSError:  # a machine without IPv6
            self._listener.close()
            raise
        self._listener.listen(512)
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._open.append(sock)
                threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock: socket.socket) -> None:
        version = self

        class Recorded(Peer):
            def request(self) -> bytes:
                request = super().request()
                if request:
                    version.requests.append(request)
                return request

        with suppress(OSError, ValueError):
            self.script(Recorded(sock))
        sock.close()

    @property
    def upstream(self) -> Upstream:
        return Upstream(self.name, "::1" if self.family == socket.AF_INET6 else "127.0.0.1", self.port)

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Setup:
    """A relay between versions, one entry, and what it wrote."""

    def __init__(self, relay: Relay, spool: Path, *, unsafe: bool) -> None:
        self.relay = relay
        self.spool = spool
        self.url = relay.open_entry("t", unsafe=unsafe)
        self._reader = Reader(spool)
        self._events: list[Event] = []
        self._callers: list[Peer] = []

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def caller(self, port: int | None = None) -> Peer:
        peer = Peer(socket.create_connection(("127.0.0.1", port or self.port), PATIENCE))
        self._callers.append(peer)
        return peer

    def exchange(self, request: bytes, size: int = len(OK)) -> bytes:
        """Send a request on a connection of its own, and read so many bytes."""
        peer = self.caller()
        peer.send(request)
        answer = peer.read(size)
        peer.close()
        return answer

    def events(self, enough: Callable[[list[Event]], bool]) -> list[Event]:
        """All events so far, once there are enough of them."""
        until = time.monotonic() + PATIENCE
        while True:
            self._events += self._reader.events()
            if enough(self._events):
                return self._events
            if time.monotonic() > until:
                raise AssertionError(f"not enough in the spool: {self._events}")
            time.sleep(0.005)

    def seen(self, role: str, count: int = 1, attempt: int = 0) -> list[Seen]:
        """The first `count` exchanges of that side, in the order of their requests' beginnings."""

        def of_role(events: list[Event]) -> list[Seen]:
            order = [event.pair for event in events if isinstance(event, Opened)]
            found = [event for event in events if isinstance(event, Seen) and event.role == role and event.attempt == attempt]
            return sorted(found, key=lambda event: order.index(event.pair))

        return of_role(self.events(lambda events: len(of_role(events)) >= count))

    def opened(self, count: int = 1) -> list[Opened]:
        events = self.events(lambda events: sum(isinstance(event, Opened) for event in events) >= count)
        return [event for event in events if isinstance(event, Opened)]

    def skipped(self, count: int = 1) -> list[Skipped]:
        events = self.events(lambda events: sum(isinstance(event, Skipped) for event in events) >= count)
        return [event for event in events if isinstance(event, Skipped)]

    def close(self) -> None:
        for peer in self._callers:
            peer.close()
        self.relay.stop()
        assert (self.spool / "relay.log").read_text("utf-8") == "", "the relay's process had an error that it did not expect"


Upstreams = Upstream | Version | None


def upstream(version: Version | Upstream) -> Upstream:
    return version.upstream if isinstance(version, Version) else version


class Lab:
    """Makes versions and relays, and ends them."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._stack = ExitStack()
        self._count = 0

    def version(self, script: Script | bytes = OK, name: str = "v", family: socket.AddressFamily = socket.AF_INET) -> Version:
        version = Version(name, serve(script) if isinstance(script, bytes) else script, family)
        self._stack.callback(version.stop)
        return version

    def mirror(  # noqa: PLR0913  # each test says what is special about its mirror
        self,
        primary: Version | Upstream,
        candidate: Upstreams,
        control: Upstreams = None,
        *,
        timeout: float = 10.0,
        percent: float = 100.0,
        unsafe: bool = False,
        marked: bool = False,
        body: int = 16 * 1024 * 1024,
        bounds: RelayLimits | None = None,
    ) -> Setup:
        first, second = upstream(primary), None if candidate is None else upstream(candidate)
        third = None if control is None else upstream(control)
        routing = Routing(first, second, first, second, third, marked=marked)
        self._count += 1
        spool = self._place / f"spool{self._count}"
        relay = Relay(routing, directory=spool, run_id="run1", timeout=timeout, limits=Limits(body=body), percent=percent, bounds=bounds)
        self._stack.callback(relay.stop)
        relay.start()
        setup = Setup(relay, spool, unsafe=unsafe)
        self._stack.callback(setup.close)
        return setup

    def nobody(self, name: str = "v2") -> Upstream:
        """A version that nobody answers for: its port is held, and not listened at."""
        held = self._stack.enter_context(socket.socket())
        held.bind(("127.0.0.1", 0))
        return Upstream(name, "127.0.0.1", held.getsockname()[1])

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.close()
