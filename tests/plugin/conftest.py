"""Two versions of a service, as real servers in this process, and pytest runs against them in processes of their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

STRICT = ("-W", "error", "--strict-markers", "--strict-config", "-o", "asyncio_default_fixture_loop_scope=function")
Answer = tuple[int, dict[str, str], bytes]
Route = Callable[["Handler"], Answer]


class Handler(BaseHTTPRequestHandler):
    """Answers by the routes of its service, and notes what it was asked."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: Service

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.body = self.rfile.read(length)
        self.service.seen.append((self.command, self.path, dict(self.headers.items()), self.body))
        route = self.service.routes.get(self.path.partition("?")[0], _not_found)
        status, headers, body = route(self)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - names of the standard library's


def _not_found(_: Handler) -> Answer:
    return 404, {}, b"not found"


@dataclass
class Service:
    """One version: its routes can be changed while it runs."""

    url: str = ""
    routes: dict[str, Route] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def json(self, path: str, value: Any) -> None:
        self.route(path, lambda _: (200, {"content-type": "application/json"}, json.dumps(value).encode()))

    def route(self, path: str, route: Route) -> None:
        self.routes[path] = route


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A connection that a test breaks off is no news."""


@pytest.fixture
def serve() -> Iterator[Callable[[], Service]]:
    servers: list[Server] = []

    def one() -> Service:
        service = Service()
        server = Server(("127.0.0.1", 0), type("H", (Handler,), {"service": service}))
        servers.append(server)
        service.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return service

    yield one
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def v1(serve: Callable[[], Service]) -> Service:
    return serve()


@pytest.fixture
def v2(serve: Callable[[], Service]) -> Service:
    return serve()


@dataclass
class Project:
    """A user's project, and pytest run in it."""

    pytester: pytest.Pytester
    v1: Service
    v2: Service

    def tests(self, source: str) -> None:
        self.pytester.makepyfile(test_it=source)

    def run(self, *options: str) -> pytest.RunResult:
        """As a user runs it, warnings being errors."""
        versions = (f"--shadow-primary={self.v1.url}", f"--shadow-target={self.v2.url}")
        return self.pytester.runpytest_subprocess(*versions, *options, *STRICT, "-p", "no:cacheprovider", timeout=90)

    def report(self, *options: str) -> Any:
        """The JSON report of a run."""
        self.result = self.run("--shadow-report=json:report.json", *options)
        return json.loads((self.pytester.path / "report.json").read_text())


@pytest.fixture
def project(pytester: pytest.Pytester, v1: Service, v2: Service) -> Project:
    return Project(pytester, v1, v2)
