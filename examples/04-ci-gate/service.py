"""A service as a pipeline has it: one file, several builds of it. python service.py PORT BUILD"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, BUILD = int(sys.argv[1]), sys.argv[2]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if BUILD == "crashing" and self.path == "/price/2":
            os._exit(70)
        price = {"/price/1": 1250, "/price/2": 390}.get(self.path, 0)
        body = json.dumps({"cents": price, "currency": "EUR" if BUILD != "changed" else "eur"}).encode()
        self.send_response(200 if price or self.path == "/" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
