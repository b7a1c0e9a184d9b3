"""The versions behind every mirror: two nginx, or small servers that are slow or fail in one way."""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

BODY = '{"items": [' + ", ".join(f'{{"id": {number}, "name": "item {number}"}}' for number in range(22)) + "]}"

NGINX = """
worker_processes 1; daemon off; pid {place}/pid; error_log {place}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type application/json;
  client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c;
  uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;
  {servers}
}}
"""


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def until_listening(port: int, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


@contextmanager
def process(command: list[str], place: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that listens at `port`, ended at the end."""
    with (place / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=place) as started:
        try:
            until_listening(port)
            yield started
        finally:
            started.terminate()
            try:
                started.wait(5)
            except subprocess.TimeoutExpired:
                started.kill()


@contextmanager
def nginx(servers: str, place: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """An nginx with these `server` blocks."""
    place.mkdir()
    (place / "nginx.conf").write_text(NGINX.format(place=place, servers=servers), "ascii")
    with process(["nginx", "-p", str(place), "-c", str(place / "nginx.conf")], place, port) as started:
        yield started


@contextmanager
def two_nginx(place: Path) -> Iterator[tuple[int, int]]:
    """Two versions that answer at once."""
    with ExitStack() as stack:
        ports = []
        for name in ("primary", "candidate"):
            port = free_port()
            block = f"server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ return 200 '{BODY}'; }} }}"
            stack.enter_context(nginx(block, place / name, port))
            ports.append(port)
        yield ports[0], ports[1]


@contextmanager
def server(behaviour: str, place: Path) -> Iterator[int]:
    """A small server: `10-30ms`, `500ms`, `hangs`, `resets`; `refuses` is a port that nobody listens at."""
    port = free_port()
    if behaviour == "refuses":
        yield port
        return
    place.mkdir()
    with process([sys.executable, __file__, behaviour, str(port)], place, port):
        yield port


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY.encode())


class _Server(asyncio.Protocol):
    behaviour = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            if self.behaviour == "resets":
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.transport.abort()
            elif self.behaviour != "hangs":
                delay = random.uniform(0.010, 0.030) if self.behaviour == "10-30ms" else 0.5
                asyncio.get_running_loop().call_later(delay, self.transport.write, ANSWER)


async def _main(behaviour: str, port: int) -> None:
    _Server.behaviour = behaviour
    listener = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", port, backlog=1024)
    await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
