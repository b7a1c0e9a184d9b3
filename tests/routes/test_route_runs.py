"""`--shadow-route` as a user gives it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.routes.project import run, write

SERVER = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/reset" and os.environ["VERSION"] == "v1":
            self.close_connection = True
            return self.connection.shutdown(2)
        if self.path == "/slow" and os.environ["VERSION"] == "v1":
            time.sleep(3)
        body = json.dumps({"path": self.path, "changed": os.environ["VERSION"] if self.path == "/changed" else ""}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *rest): pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
CONFIGURATION = """
[pytest]
[tool.shadowdiff.targets.v1]
command = ["PYTHON", "server.py", "{port}"]
env = {VERSION = "v1"}
[tool.shadowdiff.targets.v2]
command = ["PYTHON", "server.py", "{port}"]
env = {VERSION = "v2"}
"""
TESTS = """
import pytest
@pytest.mark.parametrize("path, status", [
    ("/mirrored", 200), ("/changed", 200), ("/alone", 200), ("/answered", 418), ("/canary", 200), ("/unsampled", 200), ("/nobody", 404),
    ("/faulty", 503), ("/slow", 504),
])
def test_path(shadow, path, status):
    assert shadow.get(path).status_code == status

def test_reset(shadow):
    assert shadow.get("/reset").status_code == 503
"""
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: svc}
spec:
  hosts: [svc]
  http:
  - match: [{uri: {prefix: /alone}}]
    route: [{destination: {host: svc, subset: v1}}]
  - match: [{uri: {prefix: /answered}}]
    directResponse: {status: 418}
  - match: [{uri: {prefix: /canary}}]
    route: [{destination: {host: svc, subset: v2}}]
  - match: [{uri: {prefix: /unsampled}}]
    route: [{destination: {host: svc, subset: v1}}]
    mirror: {host: svc, subset: v2}
    mirrorPercentage: {value: 0}
  - match: [{uri: {prefix: /faulty}}]
    fault: {abort: {httpStatus: 503, percentage: {value: 100}}}
    route: [{destination: {host: svc, subset: v1}}]
  - match: [{uri: {prefix: /slow}}]
    route: [{destination: {host: svc, subset: v1}}]
    mirror: {host: svc, subset: v2}
    timeout: 300ms
  - match: [{uri: {prefix: /mirrored}}, {uri: {prefix: /changed}}, {uri: {prefix: /reset}}]
    route: [{destination: {host: svc, subset: v1}}]
    mirror: {host: svc, subset: v2}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: svc}
spec: {host: svc, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path, server=SERVER, configuration=CONFIGURATION.replace("[pytest]\n", ""), tests=TESTS, route=ROUTE)


def test_each_request_is_a_pair_or_says_why_it_is_none(project: Path) -> None:
    done = run(project, "--shadow-target=v2", "--shadow-route=route.yaml", "--shadow-report=json:report.json", "--shadow-timeout=5")
    assert done.returncode == 1, done.stdout
    pairs: list[dict[str, Any]] = json.loads((project / "report.json").read_text(encoding="utf-8"))["pairs"]
    told = {pair["request"]["url"].rpartition("/")[2]: (pair["verdict"], pair["reason"]) for pair in pairs}
    assert told["mirrored"][0] == "same"
    assert told["changed"][0] == "different"
    assert told["reset"][0] == "incomplete"
    assert {name: reason for name, (verdict, reason) in told.items() if verdict == "skipped"} == {
        "alone": "http[0] has no mirror to the candidate",
        "answered": "the route answers by itself",
        "canary": "the route sent it to the candidate itself (http[2])",
        "unsampled": "not in the sample of http[3]",
        "faulty": "the route aborted it on purpose (fault)",
        "slow": "the route's timeout passed",
        "nobody": "no rule of the route matches",
    }
    assert "http[6].0: path /mirrored* -> v1; copy of all to v2" in done.stdout


def test_without_a_target_the_primary_alone_is_reached_by_the_route(project: Path) -> None:
    route = (
        (project / "route.yaml")
        .read_text(encoding="utf-8")
        .replace("route: [{destination: {host: svc, subset: v2}}]", "directResponse: {status: 200}")
    )
    (project / "route.yaml").write_text(route, encoding="utf-8")
    done = run(project, "--shadow-route=route.yaml", "-k", "not reset")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "words, message",
    [
        (["--shadow-route=gone.yaml"], "gone.yaml: the route file cannot be read"),
        (["--shadow-route=route.yaml", "--shadow-percent=10"], "percent"),
        (["--shadow-route=route.yaml", "--shadow-mirror=local"], "local"),
        (["--shadow-route=wrong.yaml"], "wrong.yaml:17:43: spec.http[3].mirrorPercentage.value: 101 is outside 0 to 100"),
    ],
)
def test_what_is_wrong_ends_before_anything_starts(project: Path, words: list[str], message: str) -> None:
    (project / "wrong.yaml").write_text(ROUTE.replace("{value: 0}", "            {value: 101}"), encoding="utf-8")
    done = run(project, "--shadow-target=v2", *words)
    assert done.returncode == 4, done.stdout + done.stderr
    assert message in done.stderr
