"""Serves the bench's services over HTTP, by the real clock: `python serve.py PORT SEED [--faulty]`; `/KIND/N` is resource N of a kind."""

from __future__ import annotations

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from clean import CLEAN
from faulty import FAULTS
from world import Clock, World


class RealClock(Clock):
    @property
    def now(self) -> float:  # type: ignore[override]
        return time.time()

    @now.setter
    def now(self, _: float) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seed, faulty = "", False
    worlds: dict[str, World] = {}  # noqa: RUF012 - one process, one set
    lock = Lock()

    def do_GET(self) -> None:
        if self.path == "/ready":
            self._send(200, [], b"ready")
            return
        name, n = self.path.strip("/").split("/")
        with self.lock:
            world = self.worlds.setdefault(name, World(f"{name} {self.seed}", RealClock(0)))
            world.n = int(n)
            fault = FAULTS.get(name)
            answer = fault.base(world) if fault else CLEAN[name](world)
            if fault and self.faulty:
                fault.change(world, answer)
        response = answer.response(time.time())
        self._send(
            response.status, [header for header in response.headers if header[0] not in ("Server", "Date", "Content-Length")], response.body
        )

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    port, seed, *rest = sys.argv[1:]
    Handler.seed, Handler.faulty = seed, "--faulty" in rest
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
