"""A service for tests: it says who it is, what it got, and how often it was asked."""

from __future__ import annotations

import json
import os
import signal
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece
    asked = strangers = 0
    lock = threading.Lock()

    def do_GET(self) -> None:
        with Shop.lock:
            Shop.asked += 1
            Shop.strangers += self.path.startswith("/strangers/")
        if self.path == "/pod":
            self.answer({"pod": os.environ["HOSTNAME"]})
        elif self.path == "/asked":
            self.answer({"asked": Shop.asked, "strangers": Shop.strangers, "pod": os.environ["HOSTNAME"]})
        elif self.path == "/headers":
            self.answer({"headers": dict(self.headers.items())})
        elif self.path.startswith("/agreed"):
            self.answer({"path": self.path})
        elif self.path == "/ticket":
            self.answer({"ticket": str(uuid.uuid4())})
        elif self.path.startswith("/price"):
            self.answer({"price": 10 if os.environ["ANSWER"] == "shop" else "10", "path": self.path})
        else:
            self.answer({"answer": os.environ["ANSWER"], "path": self.path})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with Shop.lock:
            Shop.strangers += self.path.startswith("/strangers/")
        self.answer({"got": len(body)})

    def answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name that it has there)
        identity = self.headers.get("x-shadowdiff-id", "-")
        line: dict[str, object] = {"said": format}
        if len(args) > 1:
            line = {"method": self.command, "path": self.path, "status": int(str(args[1])), "id": identity}
        print(json.dumps(line), flush=True)  # noqa: T201 (its log)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


if __name__ == "__main__":
    server = Server(("0.0.0.0", int(os.environ.get("PORT", "8080"))), Shop)  # noqa: S104 (in a container)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
