"""A request that the route tries again is one pair: the last answer counts, the others are named, whatever tap sees them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.packets import permitted
from tests.routes.project import run, write

SERVER = r"""
import os, sys, threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

times, lock = Counter(), threading.Lock()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        pair = self.headers["x-shadowdiff-id"]
        with lock:
            times[pair] += 1
            first = times[pair] == 1 and os.environ["VERSION"] == "v1"
        status = 200
        if (first and self.path == "/unsteady") or self.path == "/never":
            status = 503
        if first and self.path == "/hangs":
            threading.Event().wait(60)
        if self.path == "/changed" and os.environ["VERSION"] == "v2":
            status = 404
        sys.stdout.write(f'{self.command} {self.path} {status} id={pair}\n')
        sys.stdout.flush()
        self.send_response(status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *rest): pass

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.daemon_threads = True
server.serve_forever()
"""
CONFIGURATION = r"""
[tool.shadowdiff.targets.v1]
command = ["PYTHON", "server.py", "{port}"]
env = {VERSION = "v1"}
log = '(?P<method>[A-Z]+) (?P<path>/\S*) (?P<status>\d+) id=(?P<id>\S+)'
[tool.shadowdiff.targets.v2]
command = ["PYTHON", "server.py", "{port}"]
env = {VERSION = "v2"}
log = '(?P<method>[A-Z]+) (?P<path>/\S*) (?P<status>\d+) id=(?P<id>\S+)'
"""
TESTS = """
import pytest
@pytest.mark.parametrize("path, status", [("/steady", 200), ("/unsteady", 200), ("/never", 503), ("/hangs", 200), ("/changed", 200)])
def test_path(shadow, path, status):
    assert shadow.get(path).status_code == status
"""
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: svc}
spec:
  hosts: [svc]
  http:
  - route: [{destination: {host: svc, subset: v1}}]
    mirror: {host: svc, subset: v2}
    retries: {attempts: 2, retryOn: "503,reset", perTryTimeout: 700ms, backoff: 5ms}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: svc}
spec: {host: svc, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path, server=SERVER, configuration=CONFIGURATION, tests=TESTS, route=ROUTE)


def told(folder: Path, tap: str) -> dict[str, dict[str, Any]]:
    options = [
        "--shadow-target=v2",
        "--shadow-route=route.yaml",
        f"--shadow-tap={tap}",
        "--shadow-timeout=5",
        "--shadow-report=json:r.json",
    ]
    done = run(folder, *options)
    assert done.returncode == 1, done.stdout + done.stderr
    pairs: list[dict[str, Any]] = json.loads((folder / "r.json").read_text(encoding="utf-8"))["pairs"]
    assert len(pairs) == 5
    return {pair["request"]["url"].rpartition("/")[2]: pair for pair in pairs}


@pytest.mark.parametrize("tap, alike", [("envoy", "same"), ("tcpdump", "same"), ("logs", "partial")])
def test_the_last_answer_counts(project: Path, tap: str, alike: str) -> None:
    if tap == "tcpdump":
        permitted()
    pairs = told(project, tap)
    expected = {"steady": alike, "unsteady": alike, "never": alike, "changed": "different", "hangs": alike}
    if tap != "envoy":
        expected["hangs"] = "incomplete"  # an answer that never came is in no log, and in packets it could still come
        assert "tried the primary 2 times, and 1 of these were seen" in pairs["hangs"]["reason"]
    assert {name: pair["verdict"] for name, pair in pairs.items()} == expected
    assert pairs["unsteady"]["primary"]["tap"].endswith("try 2 of 2 (before it: 503)")
    assert pairs["never"]["primary"]["tap"].endswith("try 3 of 3 (before it: 503, 503)")
    assert "before it" not in pairs["steady"]["primary"]["tap"] + pairs["unsteady"]["candidate"]["tap"]
    if tap == "envoy":
        assert "try 2 of 2" in pairs["hangs"]["primary"]["tap"]
