"""Two real servers behind a real Envoy, whose entries are the routes that a test asks for."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.envoy import admin, binary
from pytest_shadowdiff.envoy.configuration import Configuration, Version
from pytest_shadowdiff.envoy.process import Process
from pytest_shadowdiff.envoy.routes import LOG_FORMAT, Enacted
from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.model import Role, Upstream

RUN = "testrun"
PATIENCE = 10.0


@dataclass(frozen=True)
class Served:
    """A request as a version saw it."""

    pair: str
    method: str
    path: str
    headers: Mapping[str, str]
    connection: int


class Server(ThreadingHTTPServer):
    """A version: it says who it is, and does what a request's headers ask for."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, role: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.role = role
        self.served: list[Served] = []
        self.times: Counter[str] = Counter()
        self.changed = threading.Condition()
        self.released = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def seen(self, pair: str) -> list[Served]:
        with self.changed:
            return [one for one in self.served if one.pair == pair]

    def wait_for(self, pair: str, times: int = 1) -> list[Served]:
        with self.changed:
            self.changed.wait_for(lambda: sum(one.pair == pair for one in self.served) >= times, PATIENCE)
        return self.seen(pair)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that leaves is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.rfile.read(length)
        headers: dict[str, str] = {}
        for written, value in self.headers.items():
            name = written.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        pair = headers.get("x-shadowdiff-id", "")
        with self.server.changed:
            times = self.server.times[pair]
            self.server.times[pair] += 1
            self.server.served.append(Served(pair, self.command, self.path, headers, self.client_address[1]))
            self.server.changed.notify_all()
        if "x-delay" in headers:
            self.server.released.wait(float(headers["x-delay"]))
        failing = times < int(headers.get("x-fail", "0"))
        body = json.dumps({"by": self.server.role}).encode()
        self.send_response(int(headers.get("x-fail-with", "503")) if failing else 200)
        self.send_header("x-test", "1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = _answer  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server has
        """Nothing is printed."""


@dataclass(frozen=True)
class _Entries(Configuration):
    """One Envoy with an entry for each of many routes."""

    others: Sequence[Configuration] = field(default=())

    def rendered(self) -> dict[str, Any]:
        whole = Configuration.rendered(self)
        for at, other in enumerate(self.others):
            entry = other.rendered()["static_resources"]["listeners"][0]
            whole["static_resources"]["listeners"].append({**entry, "name": f"entry-{at}"})
        return whole


@dataclass(frozen=True)
class Answered:
    """What the caller got."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


@dataclass(frozen=True)
class Door:
    """An entry with one route file's routes."""

    enacted: Enacted
    address: tuple[str, int]
    log: Path

    def ask(self, pair: str, method: str, path: str, headers: Mapping[str, str]) -> Answered:
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        began = time.monotonic()
        try:
            connection.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
            for name, value in {"x-shadowdiff-id": pair, "x-shadowdiff-run": RUN, **headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
            got = connection.getresponse()
            body = got.read()
            return Answered(got.status, {name.lower(): value for name, value in got.getheaders()}, body, time.monotonic() - began)
        finally:
            connection.close()

    def logged(self, pair: str) -> dict[str, Any]:
        """The access log's entry for a request, once it is written."""
        deadline = time.monotonic() + PATIENCE
        pause = threading.Event()
        while time.monotonic() < deadline:
            for line in self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else ():
                entry: dict[str, Any] = json.loads(line)
                if entry["id"] == pair:
                    return entry
            pause.wait(0.02)
        raise AssertionError(f"no line for {pair} in the access log")


class Stage:
    """Both servers, and Envoys before them."""

    def __init__(self, folder: Path) -> None:
        self.servers: dict[Role, Server] = {"primary": Server("primary"), "candidate": Server("candidate")}
        self._folder = folder
        self._processes: list[Process] = []

    def doors(self, many: Sequence[Enacted], upstreams: Mapping[Role, Upstream] | None = None) -> list[Door]:
        """An entry for each, all in one Envoy."""
        folder = self._folder / str(len(self._processes))
        folder.mkdir()
        try:
            found = binary.find()
        except SetupError as error:
            pytest.skip(f"no Envoy: {error}")
        versions = [Version(role, (upstreams or {}).get(role) or self._upstream(role)) for role in self.servers]
        logs = [folder / f"access-{at}.log" for at in range(len(many))]
        configurations = [
            Configuration(RUN, versions, routes=one.routes, filters=one.filters, clusters=one.clusters, access_log=(str(log), LOG_FORMAT))
            for one, log in zip(many, logs, strict=True)
        ]
        clusters = configurations[0].clusters if len(many) == 1 else {}
        process = Process(found, _Entries(RUN, versions, clusters=clusters, others=configurations), folder)
        self._processes.append(process)
        process.start()
        addresses = [admin.listening(process.admin, f"entry-{at}") for at in range(len(many))]
        return [Door(one, address, log) for one, address, log in zip(many, addresses, logs, strict=True) if address is not None]

    def statistics(self) -> str:
        """What the last Envoy counted."""
        connection = http.client.HTTPConnection(*self._processes[-1].admin, timeout=PATIENCE)
        try:
            connection.request("GET", "/stats")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def _upstream(self, role: Role) -> Upstream:
        return Upstream(role, "127.0.0.1", self.servers[role].server_address[1])

    def close(self) -> None:
        for server in self.servers.values():
            server.released.set()
        for process in self._processes:
            process.stop()
        for server in self.servers.values():
            server.shutdown()
            server.server_close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("stage"))
    yield made
    made.close()
