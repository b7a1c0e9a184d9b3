"""A warehouse on the standard library, in an image of its own; its version is the image's.

v2 streams the whole shelf instead of collecting it first, which nobody should notice, and writes a quantity of zero as
text, which everybody should.
"""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ["VERSION"]
SHELF = {"bolt": 140, "nut": 0, "washer": 12}


def article(name: str) -> dict[str, object]:
    quantity: object = SHELF[name]
    if VERSION == "v2" and quantity == 0:
        quantity = "none"
    return {"article": name, "quantity": quantity}


class Stock(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if self.path == "/health":
            self.whole({"version": VERSION})
        elif self.path == "/articles":
            found = [{"article": name} for name in SHELF]
            self.chunks(found) if VERSION == "v2" else self.whole(found)
        elif name in SHELF:
            self.whole(article(name))
        else:
            self.whole({"error": f"no article {name}"}, 404)

    def whole(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunks(self, values: list[dict[str, str]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for place, value in enumerate(values):
            part = ("[" if place == 0 else ", ") + json.dumps(value)
            self.wfile.write(f"{len(part):x}\r\n{part}\r\n".encode())
        self.wfile.write(b"1\r\n]\r\n0\r\n\r\n")


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8000), Stock).serve_forever()
