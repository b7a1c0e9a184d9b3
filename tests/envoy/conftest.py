"""An Envoy, real servers behind it, and what its tap shows."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_shadowdiff.envoy import marks
from pytest_shadowdiff.envoy.binary import Binary, find
from pytest_shadowdiff.envoy.configuration import Configuration, Version
from pytest_shadowdiff.envoy.process import Process
from pytest_shadowdiff.envoy.tapstream import TapStream, Wanted
from pytest_shadowdiff.envoy.traces import Traced, traced
from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.model import Upstream

if TYPE_CHECKING:
    import trustme

RUN_ID = "r1"
LIMIT = 100_000


@dataclass
class Server:
    """Answers each request by what stands under its path, then goes on; notes the heads."""

    answers: dict[str, bytes] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    ends: set[str] = field(default_factory=set)
    resets: set[str] = field(default_factory=set)
    deaf: bool = False
    certificate: trustme.LeafCert | None = None

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), self._spoken(plain) as connection:
            self._answer(connection)

    def _spoken(self, plain: socket.socket) -> socket.socket:
        if self.certificate is None:
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate.configure_cert(context)
        try:
            return context.wrap_socket(plain, server_side=True)
        finally:
            plain.close()

    def _answer(self, connection: socket.socket) -> None:
        held = b""
        if self.deaf:
            threading.Event().wait(60)
        else:
            while True:
                while b"\r\n\r\n" not in held:
                    block = connection.recv(65536)
                    if not block:
                        return
                    held += block
                head, _, held = held.partition(b"\r\n\r\n")
                self.heads.append(head.decode("latin-1"))
                if length := re.search(r"\r\ncontent-length: (\d+)", self.heads[-1]):
                    left = int(length[1]) - len(held)
                    while left > 0:
                        left -= len(connection.recv(65536))
                    held = b""
                path = self.heads[-1].split(" ")[1]
                connection.sendall(self.answers.get(path, b"HTTP/1.1 200 OK\r\nX-Mixed: Kept\r\nContent-Length: 2\r\n\r\nok"))
                if path in self.resets:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if path in self.ends:
                    return


@pytest.fixture(scope="session")
def binary() -> Binary:
    try:
        return find()
    except SetupError as error:
        pytest.skip(f"no Envoy: {error}")


@pytest.fixture
def validate(binary: Binary, tmp_path: Path) -> Callable[[Configuration], None]:
    def checked(configuration: Configuration) -> None:
        file = tmp_path / "checked.json"
        file.write_text(configuration.text(), encoding="utf-8")
        done = subprocess.run([binary.path, "--mode", "validate", "-c", file, "-l", "error"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return checked


class Reply(NamedTuple):
    """An answer as the caller has it."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Lab:
    """Both versions behind an Envoy, and its tap stream."""

    primary: Server
    candidate: Server
    process: Process
    stream: TapStream

    def ask(self, path: str, *, marked: bool = True, body: bytes | None = None, **headers: str) -> Reply:
        """An answer, read whole."""
        connection = http.client.HTTPConnection(*self.process.entry, timeout=20)
        ours = {marks.RUN: RUN_ID, marks.ID: path} if marked else {}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, body, {**ours, **given})
        response = connection.getresponse()
        reply = Reply(response.status, response.reason, response.getheaders(), response.read())
        connection.close()
        return reply

    def shown(self, count: int) -> list[Traced]:
        """The next objects of the stream."""
        found: list[Traced] = []
        for _ in range(200):
            found += [traced(one) for one in self.stream.read(0.1) or ()]
            if len(found) >= count:
                return found
        raise AssertionError(f"of {count} exchanges {len(found)} were shown")

    def both(self) -> tuple[Traced, Traced]:
        """The primary's and the candidate's exchange."""
        found = {one.listener: one for one in self.shown(2)}
        return found["primary"], found["candidate"]


@pytest.fixture
def start_lab(binary: Binary, tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    labs: list[Lab] = []

    def start(
        upstream: Callable[[Upstream], Upstream] = lambda one: one,
        wanted: Wanted | None = None,
        *,
        certificate: trustme.LeafCert | None = None,
        configured: Callable[[Configuration], Configuration] = lambda one: one,
    ) -> Lab:
        primary, candidate = Server(certificate=certificate), Server(certificate=certificate)
        versions: Sequence[Version] = [
            Version(name, upstream(Upstream(name, "127.0.0.1", server.port)))
            for name, server in (("primary", primary), ("candidate", candidate))
        ]
        process = Process(binary, configured(Configuration(RUN_ID, versions)), tmp_path)
        process.start()
        lab = Lab(primary, candidate, process, TapStream(process.admin, wanted or Wanted(RUN_ID, LIMIT)))
        labs.append(lab)
        return lab

    yield start
    for lab in labs:
        lab.stream.close()
        lab.process.stop()
        lab.primary.close()
        lab.candidate.close()


@pytest.fixture
def lab(start_lab: Callable[..., Lab]) -> Lab:
    return start_lab()
