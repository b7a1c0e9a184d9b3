"""Formats, on lines that real servers wrote while the test ran."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_shadowdiff.envoy import binary
from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.logs import formats
from pytest_shadowdiff.logs.formats import Line
from pytest_shadowdiff.logs.regex import Matcher

PATIENCE = 20.0
APP = """
def app(environ, start_response):
    start_response("418 teapot", [("content-length", "5")])
    return [b"hello"]

async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 418, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], what: str) -> None:
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, what
        pause.wait(0.02)


@contextmanager
def running(words: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        child = subprocess.Popen(words, cwd=log.parent, stdout=output, stderr=output)
    try:
        until(lambda: accepts(port), f"{words[0]} does not listen: {log.read_text(errors='replace')}")
        yield
    finally:
        child.terminate()
        child.wait(PATIENCE)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, target: str, method: str = "GET") -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(method, target, headers={"user-agent": 'me "quoted" \\', "x-shadowdiff-id": "pair-7", "x-request-id": "req-7"})
    connection.getresponse().read()
    connection.close()


def lines_of(log: Path, read: Callable[[str], Line | None]) -> list[Line]:
    return [line for text in log.read_text(encoding="utf-8", errors="replace").splitlines() if (line := read(text)) is not None]


def show(log: Path, port: int, read: Callable[[str], Line | None], path: str = "/a%20b/c?q=1&r=%22") -> Line:
    """Ask twice and return what the log says of the first."""
    ask(port, path)
    ask(port, "/second", "POST")
    until(lambda: len(lines_of(log, read)) >= 2, "no lines")
    first, second = lines_of(log, read)[:2]
    assert (second.method, second.target, second.status) == ("POST", "/second", 418)
    return first


def check(line: Line, *, size: bool = True) -> None:
    assert (line.method, line.target, line.status) == ("GET", "/a%20b/c?q=1&r=%22", 418)
    if size:
        assert line.size == 5
    if line.time is not None:
        assert abs(line.time - time.time()) < 60


def gunicorn(port: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "--access-logfile", "-", "-b", f"127.0.0.1:{port}", *more, "app:app"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["combined", "common"])
def test_gunicorn_as_it_comes(folder: Path, name: str) -> None:
    port, log = free_port(), folder / "log"
    with running(gunicorn(port), port, log):
        check(show(log, port, formats.by_name(name)))


def test_gunicorn_with_our_id_behind_the_line(folder: Path) -> None:
    port, log = free_port(), folder / "log"
    pattern = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" "%({x-shadowdiff-id}i)s"'
    with running(gunicorn(port, "--access-logformat", pattern), port, log):
        line = show(log, port, formats.by_name("combined"))
    check(line)
    assert "pair-7" in line.ids


def test_gunicorn_in_json_by_field_names(folder: Path) -> None:
    port, log = free_port(), folder / "log"
    pattern = '{"at": "%(t)s", "http": {"verb": "%(m)s", "path": "%(U)s"}, "code": %(s)s, "took": %(L)s, "pair": "%({x-shadowdiff-id}i)s"}'
    names = {"method": "http.verb", "path": "http.path", "status": "code", "seconds": "took", "id": "pair", "time": "at"}
    with running(gunicorn(port, "--access-logformat", pattern), port, log):
        line = show(log, port, formats.by_fields(names), path="/plain")
    assert (line.method, line.target, line.status, line.ids) == ("GET", "/plain", 418, ("pair-7",))
    assert line.seconds is not None
    assert line.time is not None
    assert abs(line.time - time.time()) < 60


def test_uvicorn_by_a_regular_expression(folder: Path) -> None:
    port, log = free_port(), folder / "log"
    matcher = Matcher(r'"(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[0-9.]+" (?P<status>\d{3})', "targets.v1.log")
    with running([sys.executable, "-m", "uvicorn", "--port", str(port), "--no-use-colors", "app:asgi"], port, log):
        line = show(log, port, matcher)
    matcher.close()
    check(line, size=False)


NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 64; }}
http {{
  log_format ours '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                  '"$http_referer" "$http_user_agent" "$http_x_shadowdiff_id"';
  access_log {folder}/log {format};
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; location / {{ return 418 "hello"; }} }}
}}
"""


@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx on PATH")
@pytest.mark.parametrize("style", ["combined", "ours"])
def test_nginx(tmp_path: Path, style: str) -> None:
    port, log = free_port(), tmp_path / "log"
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path, format=style, port=port), encoding="utf-8")
    with running(["nginx", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)], port, log):
        line = show(log, port, formats.by_name("combined"))
    check(line)
    assert ("pair-7" in line.ids) == (style == "ours")


def _envoy(folder: Path, port: int, log_format: object) -> list[str]:
    try:
        found = binary.find()
    except SetupError as error:
        pytest.skip(f"no Envoy: {error}")
    base = "type.googleapis.com/envoy.extensions."
    access = {
        "@type": f"{base}access_loggers.file.v3.FileAccessLog",
        "path": str(folder / "log"),
        **({"log_format": log_format} if log_format else {}),
    }
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 418, "body": {"inline_string": "hello"}}}
    manager = {
        "@type": f"{base}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "access_log": [{"name": "file", "typed_config": access}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{base}filters.http.router.v3.Router"}}],
    }
    listener = {
        "name": "one",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    (folder / "envoy.json").write_text(json.dumps({"static_resources": {"listeners": [listener]}}), encoding="utf-8")
    quiet = ["--log-level", "error", "--disable-hot-restart", "--concurrency", "1", "--file-flush-interval-msec", "20"]
    return [str(found.path), "-c", str(folder / "envoy.json"), *quiet]


def test_envoy_as_it_comes(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with running(_envoy(tmp_path, port, None), port, log):
        line = show(log, port, formats.by_name("envoy"))
    check(line)
    assert "req-7" in line.ids
    assert line.seconds is not None
    assert line.time is not None


ISTIO_TEXT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% '
    '%DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" '
    '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)


def test_envoy_as_istio_has_it_write(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with running(_envoy(tmp_path, port, {"text_format_source": {"inline_string": ISTIO_TEXT}}), port, log):
        line = show(log, port, formats.by_name("envoy"))
    check(line)
    assert "req-7" in line.ids


def test_envoy_in_json(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    fields = {
        "start_time": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "response_code": "%RESPONSE_CODE%",
        "bytes_sent": "%BYTES_SENT%",
        "duration": "%DURATION%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "x_shadowdiff_id": "%REQ(X-SHADOWDIFF-ID)%",
    }
    with running(_envoy(tmp_path, port, {"json_format": fields}), port, log):
        line = show(log, port, formats.by_name("json"))
    check(line)
    assert line.ids == ("pair-7",)
    assert line.seconds is not None


@pytest.mark.parametrize(
    "line",
    [
        "[2020-12-07 02:54:26 +0000] [1] [INFO] Starting gunicorn 19.9.0",
        "[2020-12-07 02:54:26 +0000] [9] [INFO] Booting worker with pid: 9",
        '127.0.0.1 - - [07/Dec/2020:03:00:37 +0000] "-" 400 0 "-" "-"',
        '127.0.0.1 - - [07/Dec/2020:03:00:37 +0000] "\\x16\\x03\\x01" 400 0 "-" "-"',
        '127.0.0.1 - - [07/Dec/2020:03:00:37 +0000] "GET / HTTP/1.1" 999 0 "-" "-"',
        '127.0.0.1 - - [07/Dec/2020:03:00:37 +0000] "GET / HTTP/1.1" 200 51',
        "",
        "{",
        "null",
    ],
)
def test_lines_of_another_kind_say_nothing(line: str) -> None:
    for name in ("combined", "envoy", "json"):
        assert formats.by_name(name)(line) is None


def test_the_founding_documents_lines() -> None:
    read = formats.by_name("combined")
    first = read('127.0.0.1 - - [07/Dec/2020:03:00:37 +0000] "GET /headers HTTP/1.1" 200 516 "-" "curl/7.69.1"')
    second = read('127.0.0.1 - - [07/Dec/2020:03:06:36 +0000] "GET /headers HTTP/1.1" 200 556 "-" "curl/7.69.1"')
    assert first is not None
    assert second is not None
    assert (first.method, first.target, first.status, first.size, first.time) == ("GET", "/headers", 200, 516, 1607310037.0)
    assert second.time == 1607310396.0
