"""A version of a service that behaves and misbehaves by its paths, on the standard library alone, so that it runs anywhere.

    python version.py NAME PORT

`NAME` is v1 or v2; only v2 does what a path under `/v2/` says, v1 answers such a path as it answers /json. `/seen?PATH` tells how the
requests for PATH looked, as a list of [head, body] in base64.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

NAME, PORT = sys.argv[1], int(sys.argv[2])
SEEN: dict[str, list[tuple[str, str]]] = {}
LOCK = threading.Lock()


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nX-Mixed-Case: Kept\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


def as_json(value: object) -> bytes:
    return answer(json.dumps(value).encode(), "Content-Type: application/json", "X-Mixed-Case: Kept")


class Asked(NamedTuple):
    """A request, and the connection that waits for its answer."""

    method: str
    query: str
    head: bytes
    body: bytes
    connection: socket.socket

    def send(self, data: bytes) -> bool:
        self.connection.sendall(data)
        return True

    def send_and_end(self, data: bytes) -> bool:
        self.connection.sendall(data)
        return False


def hang(asked: Asked) -> bool:
    asked.connection.settimeout(120)
    asked.connection.recv(1)
    return False


def slow(asked: Asked) -> bool:
    time.sleep(float(asked.query))
    return asked.send(as_json({"id": 7}))


def in_two(asked: Asked) -> bool:
    whole = as_json(WIDGET)
    asked.connection.sendall(whole[:-5])
    time.sleep(float(asked.query))
    return asked.send(whole[-5:])


def reset(asked: Asked) -> bool:
    asked.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def noisy(asked: Asked) -> bool:
    return asked.send(as_json({"token": str(uuid.uuid4()), "name": "widget"}))


def echo(asked: Asked) -> bool:
    lines = [line for line in asked.head.decode("latin-1").split("\r\n")[1:] if line]
    return asked.send(as_json({"headers": sorted(lines), "body": asked.body.decode("latin-1")}))


def plain(asked: Asked) -> bool:
    if asked.method == "HEAD":
        return asked.send(b"HTTP/1.1 200 OK\r\nX-Mixed-Case: Kept\r\nContent-Length: 77\r\n\r\n")
    return asked.send(answer(b"plain", "Content-Type: text/plain", "X-Mixed-Case: Kept"))


def upgrade(asked: Asked) -> bool:
    asked.connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    while block := asked.connection.recv(65536):
        asked.connection.sendall(block[::-1])
    return False


WIDGET = {"id": 7, "name": "widget", "tags": ["a", "b"]}
PATHS: dict[str, Callable[[Asked], bool]] = {
    "/seen": lambda asked: asked.send(as_json(SEEN.get(unquote(asked.query), []))),
    "/json": lambda asked: asked.send(as_json(WIDGET)),
    "/wrong": lambda asked: asked.send(as_json({**WIDGET, "name": "WIDGET"})),
    "/number": lambda asked: asked.send(as_json({"number": asked.query})),
    "/half": lambda asked: asked.send_and_end(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
    "/broken-chunks": lambda asked: asked.send_and_end(chunked(b"whole so far", end=b"")),
    "/chunks": lambda asked: asked.send(chunked(b"one ", b"two ", b"three")),
    "/trailers": lambda asked: asked.send(chunked(b"checked", end=b"0\r\nX-Sum: 12\r\n\r\n")),
    "/large": lambda asked: asked.send(answer(b"0123456789abcdef" * (int(asked.query) // 16), "Content-Type: text/plain")),
    "/nothing": lambda asked: asked.send(b"HTTP/1.1 204 No Content\r\nX-Mixed-Case: Kept\r\n\r\n"),
    "/unchanged": lambda asked: asked.send(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 100\r\n\r\n'),
    "/unavailable": lambda asked: asked.send(answer(b"down for a moment", status="503 Service Unavailable")),
    "/uuid": noisy,
    "/echo": echo,
    "/upgrade": upgrade,
    "/hang": hang,
    "/slow": slow,
    "/in-two": in_two,
    "/reset": reset,
}


def respond(method: str, path: str, head: bytes, body: bytes, connection: socket.socket) -> bool:
    """Answer; False where the connection has to end."""
    path, _, query = path.partition("?")
    if path.startswith("/v2/"):
        path = path[3:] if NAME == "v2" else "/json"
    return PATHS.get(path, plain)(Asked(method, query, head, body, connection))


def serve(connection: socket.socket) -> None:
    held = b""
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            while b"\r\n\r\n" not in held:
                block = connection.recv(65536)
                if not block:
                    return
                held += block
            head, _, held = held.partition(b"\r\n\r\n")
            method, path, version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            body, held = read_body(connection, head, held)
            with LOCK:
                SEEN.setdefault(path, []).append((base64.b64encode(head).decode(), base64.b64encode(body).decode()))
            ends = b"\r\nconnection: close" in head.lower() or version == "HTTP/1.0"
            if not respond(method, path, head, body, connection) or ends:
                return


def read_body(connection: socket.socket, head: bytes, held: bytes) -> tuple[bytes, bytes]:
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    if fields.get(b"transfer-encoding") == b"chunked":
        body = b""
        while True:
            while b"\r\n" not in held:
                held += connection.recv(65536)
            size, _, held = held.partition(b"\r\n")
            wanted = int(size, 16)
            while len(held) < wanted + 2:
                held += connection.recv(65536)
            body, held = body + held[:wanted], held[wanted + 2 :]
            if wanted == 0:
                return body, held
    length = int(fields.get(b"content-length", b"0"))
    while len(held) < length:
        held += connection.recv(65536)
    return held[:length], held[length:]


def main() -> None:
    listener = socket.create_server(("", PORT), backlog=1024)
    sys.stderr.write(f"{NAME} listens on {PORT}\n")
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
