"""The tap `tcpdump`, live: where this machine permits it."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_shadowdiff.backends import MirrorPlan, TapPlan
from pytest_shadowdiff.envoy import binary
from pytest_shadowdiff.errors import MirrorError, SettingsError, SetupError
from pytest_shadowdiff.mirror.envoy import EnvoyMirror
from pytest_shadowdiff.model import Exchange, Point, Role, Upstream
from pytest_shadowdiff.relay import Relay
from pytest_shadowdiff.settings import Limits, Settings, Target
from pytest_shadowdiff.spool import Reader, Seen
from pytest_shadowdiff.tap.envoy import EnvoyTap
from pytest_shadowdiff.tap.tcpdump import TcpdumpTap, create
from tests.packets import permitted

HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding")

pytest.importorskip("scapy", reason="no scapy: install the extra `capture`")


@pytest.fixture(scope="module", autouse=True)
def _permitted() -> None:
    permitted()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"by": self.server.name, "path": self.path, "pad": "x" * 5000}).encode()
        self.send_response(200)
        if self.path.startswith("/chunked"):
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        else:
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server has
        """Nothing is printed."""


@pytest.fixture
def servers() -> Iterator[dict[Role, Server]]:
    made: dict[Role, Server] = {"primary": Server("v1"), "candidate": Server("v2")}
    yield made
    for server in made.values():
        server.shutdown()
        server.server_close()


def settings() -> Settings:
    return Settings(Target("v1", url="http://127.0.0.1:1"), Target("v2", url="http://127.0.0.1:2"))


def ask(address: tuple[str, int], path: str, headers: dict[str, str]) -> bytes:
    connection = http.client.HTTPConnection(*address, timeout=20)
    connection.request("GET", path, headers=headers)
    body = connection.getresponse().read()
    connection.close()
    return body


def seen(folder: Path, tap: str) -> dict[tuple[str, Role, int], Exchange]:
    return {
        (event.pair, event.role, event.attempt): event.exchange
        for event in Reader(folder).events()
        if isinstance(event, Seen) and event.exchange.tap.startswith(tap)
    }


def marked(pair: str, **more: str) -> dict[str, str]:
    return {"x-shadowdiff-id": pair, "x-shadowdiff-run": "run", **more}


def test_what_passed_before_settle_is_in_the_spool(servers: dict[Role, Server], tmp_path: Path) -> None:
    points = {role: Point(role, role, port=server.port) for role, server in servers.items()}
    tap = TcpdumpTap(TapPlan(settings(), "run", tmp_path, points))
    tap.start()
    for number in range(20):
        for server in servers.values():
            ask(("127.0.0.1", server.port), f"/{number}", marked(f"pair-{number}"))
    ask(("127.0.0.1", servers["primary"].port), "/again", marked("pair-0", **{"x-shadowdiff-attempt": "1"}))
    ask(("127.0.0.1", servers["primary"].port), "/other", {"x-shadowdiff-id": "pair-1", "x-shadowdiff-run": "another"})
    tap.settle()
    tap.stop()
    found = seen(tmp_path, "tcpdump")
    assert found.keys() == {(f"pair-{number}", role, 0) for number in range(20) for role in servers} | {("pair-0", "control", 1)}
    for (pair, role, attempt), exchange in found.items():
        assert exchange.problem == ""
        assert exchange.response is not None
        assert attempt or json.loads(exchange.response.body)["path"] == f"/{pair[5:]}"
        assert json.loads(exchange.response.body)["by"] == ("v2" if role == "candidate" else "v1")


def test_a_version_that_is_gone_is_said(servers: dict[Role, Server], tmp_path: Path) -> None:
    tap = TcpdumpTap(TapPlan(settings(), "run", tmp_path, {"primary": Point("primary", "v1", port=servers["primary"].port)}))
    tap.start()
    servers["primary"].shutdown()
    servers["primary"].socket.close()
    with pytest.raises(MirrorError, match="no longer sees connections"):
        tap.settle()
    tap.stop()


def test_encrypted_versions_and_versions_without_a_port_are_refused(tmp_path: Path) -> None:
    encrypted = Settings(Target("v1", url="https://127.0.0.1:1"))
    with pytest.raises(SettingsError, match=r"targets\.v1: its traffic is encrypted"):
        TcpdumpTap(TapPlan(encrypted, "run", tmp_path, {"primary": Point("primary", "v1", port=1)}))
    with pytest.raises(SettingsError, match="pass on no interface of this machine"):
        TcpdumpTap(TapPlan(settings(), "run", tmp_path, {"primary": Point("primary", "v1", port=1, interface="")}))
    with pytest.raises(SettingsError, match="knows no port of the primary"):
        TcpdumpTap(TapPlan(settings(), "run", tmp_path, {"primary": Point("primary", "v1")}))


def told(exchange: Exchange) -> tuple[object, ...]:
    """All of an exchange that is not the connection's own, nor the case of names, which Envoy does not keep."""
    response = exchange.response
    assert response is not None
    headers = sorted((name.lower(), value) for name, value in response.headers if name.lower() not in HOP_BY_HOP)
    request = exchange.request
    return request.method, request.target, request.body, response.status, headers, response.body, exchange.problem, exchange.truncated


def test_proxy_envoy_and_tcpdump_see_the_same_exchanges_at_once(servers: dict[Role, Server], tmp_path: Path) -> None:
    """The relay copies, so that it sees both sides; an Envoy's listener stands before each version; packets pass before the versions."""
    try:
        binary.find()
    except SetupError as error:
        pytest.skip(f"no Envoy: {error}")
    upstreams = {role: Upstream(role, "127.0.0.1", server.port) for role, server in servers.items()}
    mirror = EnvoyMirror(MirrorPlan(settings(), "run", tmp_path, upstreams["primary"], upstreams["candidate"]))
    with ExitStack() as stack:
        stack.callback(mirror.stop)
        behind = mirror.start()
        both = replace(behind, primary=behind.ask_primary, copy=behind.ask_candidate, records=frozenset(servers))
        points = mirror.points({role: Point(role, role, port=server.port) for role, server in servers.items()})
        plan = TapPlan(settings(), "run", tmp_path, points)
        taps: list[Any] = [kind(plan) for kind in (EnvoyTap, TcpdumpTap)]
        for tap in taps:
            stack.callback(tap.stop)
            tap.start()
        relay = Relay(both, directory=tmp_path, run_id="run", timeout=10, limits=Limits())
        stack.callback(relay.stop)
        relay.start()
        url = urlsplit(relay.open_entry("test"))
        for number in range(20):
            ask((str(url.hostname), int(url.port or 0)), f"/{'chunked' if number % 2 else 'plain'}/{number}", {})
        deadline, pause = time.monotonic() + 20, threading.Event()
        while len(seen(tmp_path, "proxy")) < 40 and time.monotonic() < deadline:
            pause.wait(0.05)
        for tap in taps:
            tap.settle()
    by_proxy, by_envoy, by_tcpdump = (seen(tmp_path, tap) for tap in ("proxy", "envoy", "tcpdump"))
    assert len(by_proxy) == 40
    assert by_proxy.keys() == by_envoy.keys() == by_tcpdump.keys()
    for key, exchange in by_proxy.items():
        assert told(exchange) == told(by_envoy[key]) == told(by_tcpdump[key])
        assert exchange.response is not None
        assert json.loads(exchange.response.body)["by"] == ("v1" if key[1] == "primary" else "v2")


@pytest.mark.parametrize("form", ["pcap", "text"])
def test_a_file_that_somebody_else_writes_is_read_while_it_grows(servers: dict[Role, Server], tmp_path: Path, form: str) -> None:
    file = tmp_path / "both"
    ports = " or ".join(f"tcp port {server.port}" for server in servers.values())
    how = ["-w", str(file)] if form == "pcap" else ["-A", "-l"]
    with file.open("wb") as output:
        words = ["tcpdump", "-i", "lo", "-n", "-s", "0", "-U", "--immediate-mode", *how, ports]
        writer = subprocess.Popen(words, stdout=output if form == "text" else subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert writer.stderr is not None
    while b"listening on" not in writer.stderr.readline():
        assert writer.poll() is None
    try:
        points = {role: Point(role, role, port=server.port) for role, server in servers.items()}
        both = Settings(Target("v1", url="http://127.0.0.1:1", capture=file), Target("v2", url="http://127.0.0.1:2", capture=file))
        tap = create(TapPlan(both, "run", tmp_path / "spool", points))
        tap.start()
        for server in servers.values():
            ask(("127.0.0.1", server.port), "/x", marked("pair-1"))
        deadline, pause = time.monotonic() + 20, threading.Event()
        while len(seen(tmp_path / "spool", "tcpdump")) < 2 and time.monotonic() < deadline:
            tap.settle()
            pause.wait(0.05)
        tap.stop()
    finally:
        writer.terminate()
        writer.wait()
        writer.stderr.close()
    found = seen(tmp_path / "spool", "tcpdump")
    assert found.keys() == {("pair-1", "primary", 0), ("pair-1", "candidate", 0)}
    for (_, role, _), exchange in found.items():
        assert exchange.problem == ""
        assert exchange.response is not None
        assert json.loads(exchange.response.body)["by"] == ("v1" if role == "primary" else "v2")


def test_files_for_one_version_alone_are_refused(tmp_path: Path) -> None:
    points: dict[Role, Point] = {"primary": Point("primary", "v1", port=1), "candidate": Point("candidate", "v2", port=2)}
    half = Settings(Target("v1", url="http://127.0.0.1:1", capture=tmp_path / "a"), Target("v2", url="http://127.0.0.1:2"))
    with pytest.raises(SettingsError, match="Give each target a `capture`, or none"):
        create(TapPlan(half, "run", tmp_path, points))
