"""mitmproxy with an add-on that copies and records; nginx, which only copies; GoReplay, where it is."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upstreams import free_port, nginx, process

from peers import MissingError, Running, reading

ADDON = """
import asyncio, json, os
from mitmproxy import http

PORT, OUT = int(os.environ["CANDIDATE"]), open(os.environ["OUT"], "a", buffering=1)
idle = []


async def copy(flow):
    reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", PORT)
    lines = [f"{flow.request.method} {flow.request.path} HTTP/1.1"] + [f"{k}: {v}" for k, v in flow.request.headers.items(multi=True)]
    writer.write(("\\r\\n".join(lines) + "\\r\\n\\r\\n").encode() + flow.request.raw_content)
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    length = [line for line in head.lower().split(b"\\r\\n") if line.startswith(b"content-length:")]
    body = await reader.readexactly(int(length[0][15:])) if length else b""
    idle.append((reader, writer))
    primary = [flow.response.status_code, list(flow.response.headers.items(multi=True)), flow.response.raw_content.decode("latin-1")]
    OUT.write(json.dumps([flow.request.path, primary, head.decode("latin-1"), body.decode("latin-1")]) + "\\n")


tasks = set()


def response(flow: http.HTTPFlow) -> None:
    task = asyncio.get_running_loop().create_task(copy(flow))
    tasks.add(task)
    task.add_done_callback(tasks.discard)
"""


@contextmanager
def mitmproxy(primary: int, candidate: int, place: Path) -> Iterator[Running]:
    program = os.environ.get("MITMDUMP") or shutil.which("mitmdump")
    if program is None:
        raise MissingError("no mitmdump: `pip install mitmproxy` in a venv of its own, and name it with --mitmdump")
    port, out = free_port(), place / "pairs.jsonl"
    (place / "addon.py").write_text(ADDON, "utf-8")
    command = [program, "-q", "--mode", f"reverse:http://127.0.0.1:{primary}", "--listen-host", "127.0.0.1", "--listen-port", str(port)]
    command += ["-s", str(place / "addon.py"), "--set", f"confdir={place}", "--set", "flow_detail=0"]
    command = ["env", f"CANDIDATE={candidate}", f"OUT={out}", *command]
    with process(command, place, port) as started:
        yield Running(port, [started.pid], lambda: out.read_bytes().count(b"\n") if out.exists() else 0)


@contextmanager
def nginx_mirror(primary: int, candidate: int, place: Path) -> Iterator[Running]:
    port = free_port()
    keep = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;'
    block = f"""
      upstream v1 {{ server 127.0.0.1:{primary}; keepalive 64; }} upstream v2 {{ server 127.0.0.1:{candidate}; keepalive 64; }}
      server {{ listen 127.0.0.1:{port} backlog=1024;
        location / {{ mirror /copy; {keep} proxy_pass http://v1; }}
        location = /copy {{ internal; {keep} proxy_pass http://v2$request_uri; }} }}"""
    with nginx(block, place / "nginx", port) as started:
        yield Running(port, [started.pid])


@contextmanager
def goreplay(primary: int, candidate: int, place: Path) -> Iterator[Running]:
    program = shutil.which("goreplay") or shutil.which("gor")
    if program is None:
        raise MissingError("no goreplay on PATH: `go install github.com/buger/goreplay@latest` needs Go and libpcap's headers")
    out = place / "pairs.gor"
    command = [program, "--input-raw", f"127.0.0.1:{primary}", "--input-raw-track-response"]
    command += ["--output-http", f"http://127.0.0.1:{candidate}", "--output-http-track-response"]
    command += ["--output-file", str(out), "--output-file-append"]
    with process(command, place, primary) as started, reading("gor", str(out), place) as (reader, counted):
        time.sleep(1.0)  # it says nothing when it captures
        yield Running(primary, [started.pid], counted, (reader,))
