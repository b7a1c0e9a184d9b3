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
from urllib.parse import unquote

NAME, PORT = sys.argv[1], int(sys.argv[2])
SEEN: dict[str, list[tuple[str, str]]] = {}
COUNTS: dict[str, int] = {}
LOCK = threading.Lock()


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nX-Mixed-Case: Kept\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


def as_json(value: object) -> bytes:
    return answer(json.dumps(value).encode(), "Content-Type: application/json", "X-Mixed-Case: Kept")


def respond(method: str, path: str, head: bytes, body: bytes, connection: socket.socket) -> bool:
    """Answer; False where the connection has to end."""
    path, _, query = path.partition("?")
    if path.startswith("/v2/"):
        path = path[3:] if NAME == "v2" else "/json"
    if path == "/seen":
        found = SEEN.get(unquote(query), [])
        connection.sendall(as_json(found))
    elif path == "/json":
        connection.sendall(as_json({"id": 7, "name": "widget", "tags": ["a", "b"]}))
    elif path == "/wrong":
        connection.sendall(as_json({"id": 7, "name": "WIDGET", "tags": ["a", "b"]}))
    elif path == "/uuid":
        with LOCK:
            COUNTS[path] = count = COUNTS.get(path, 0) + 1
        connection.sendall(as_json({"token": f"{NAME}-{count}-{time.time_ns():x}"[-12:], "name": "widget"}))
    elif path == "/echo":
        lines = [line for line in head.decode("latin-1").split("\r\n")[1:] if line]
        connection.sendall(as_json({"headers": sorted(lines), "body": body.decode("latin-1")}))
    elif path == "/number":
        connection.sendall(as_json({"number": query}))
    elif path == "/hang":
        connection.settimeout(120)
        connection.recv(1)
        return False
    elif path == "/slow":
        time.sleep(float(query))
        connection.sendall(as_json({"id": 7}))
    elif path == "/reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    elif path == "/half":
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return False
    elif path == "/broken-chunks":
        connection.sendall(chunked(b"whole so far", end=b""))
        return False
    elif path == "/chunks":
        connection.sendall(chunked(b"one ", b"two ", b"three"))
    elif path == "/trailers":
        connection.sendall(chunked(b"checked", end=b"0\r\nX-Sum: 12\r\n\r\n"))
    elif path == "/large":
        connection.sendall(answer(b"0123456789abcdef" * (int(query) // 16), "Content-Type: text/plain"))
    elif path == "/nothing":
        connection.sendall(b"HTTP/1.1 204 No Content\r\nX-Mixed-Case: Kept\r\n\r\n")
    elif path == "/unchanged":
        connection.sendall(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 100\r\n\r\n')
    elif path == "/unavailable":
        connection.sendall(answer(b"down for a moment", "Content-Type: text/plain", status="503 Service Unavailable"))
    elif method == "HEAD":
        connection.sendall(answer(b"", "X-Mixed-Case: Kept").replace(b"Content-Length: 0", b"Content-Length: 77"))
    else:
        connection.sendall(answer(b"plain", "Content-Type: text/plain", "X-Mixed-Case: Kept"))
    return True


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
            method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            body, held = read_body(connection, head, held)
            with LOCK:
                SEEN.setdefault(path, []).append((base64.b64encode(head).decode(), base64.b64encode(body).decode()))
            if not respond(method, path, head, body, connection):
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
    print(f"{NAME} listens on {PORT}", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
