"""Orders of a small shop: what production answers."""

from __future__ import annotations

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PRICES = {"tea": 4.5, "cup": 3.25, "pot": 18.0}


class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        _, *parts = self.path.split("/")
        if parts == ["health"]:
            self.answer(200, {"ok": True})
        elif len(parts) == 2 and parts[0] == "orders" and parts[1].isdigit():
            items = [name for number, name in enumerate(PRICES) if int(parts[1]) >> number & 1]
            total = sum(PRICES[name] for name in items)
            self.answer(200, {"id": int(parts[1]), "items": items, "total": total, "served_by": os.environ.get("HOSTNAME", "")})
        else:
            self.answer(404, {"error": "no such page"})

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("", 8080), Orders)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
