"""Somebody ends pytest, the relay or a version in the middle of a run: a clear end, nothing left, nothing that was seen lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes by /proc, which this system lacks")

VERSION = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"ok"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""

CONFIGURATION = """
[tool.shadowdiff]
report = ["json:report.json"]
timeout = 2
[tool.shadowdiff.targets.v1]
command = [{python}, "version.py", "v1", "{{port}}"]
ready = "/"
[tool.shadowdiff.targets.v2]
command = [{python}, "version.py", "v2", "{{port}}"]
ready = "/"
"""

TESTS = """
import pathlib
import time

def test_first(shadow):
    shadow.get("/first")

def test_second(shadow):
    shadow.get("/second")
    shadow.check()
    pathlib.Path("reached").touch()
    for _ in range(200):
        if pathlib.Path("go").exists():
            break
        time.sleep(0.05)
    shadow.get("/third")

def test_last(shadow):
    shadow.get("/last")
"""


@dataclass
class Running:
    """A pytest run that waits in its second test, and every process that descends from it."""

    process: subprocess.Popen[str]
    folder: Path
    temporary: Path

    def processes(self) -> dict[int, str]:
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if self.temporary.name.encode() in (entry / "environ").read_bytes():
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
        return found

    def pid(self, pattern: str) -> int:
        """The last that was started of those whose command line has the pattern: a version, not what watches over it."""
        return max(pid for pid, line in self.processes().items() if re.search(pattern, line))

    def supervisor(self, pattern: str) -> int:
        return min(pid for pid, line in self.processes().items() if re.search(pattern, line))

    def go(self) -> None:
        (self.folder / "go").touch()

    def end(self) -> str:
        output, _ = self.process.communicate(timeout=60)
        return output

    def wait_until_gone(self) -> dict[int, str]:
        deadline = time.monotonic() + 90
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.processes()

    def report(self) -> Any:
        return json.loads((self.folder / "report.json").read_text())


@pytest.fixture
def start(pytester: pytest.Pytester, tmp_path: Path) -> Iterator[Callable[[], Running]]:
    begun: list[Running] = []

    def one() -> Running:
        folder, token = pytester.path, uuid4().hex
        (folder / "version.py").write_text(VERSION)
        (folder / "pyproject.toml").write_text(CONFIGURATION.format(python=json.dumps(sys.executable)))
        (folder / "test_it.py").write_text(TESTS)
        temporary = tmp_path / token
        temporary.mkdir()
        environ = os.environ | {"TMPDIR": str(temporary)}
        command = [sys.executable, "-m", "pytest", "--shadow-target=v2", "-v"]
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running = Running(process, folder, temporary)
        begun.append(running)
        deadline = time.monotonic() + 90
        while not (folder / "reached").exists():
            assert process.poll() is None, running.end()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return running

    yield one
    for running in begun:
        for pid in running.processes():
            os.kill(pid, signal.SIGKILL)
        running.process.wait()
        assert running.process.stdout is not None
        running.process.stdout.close()


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 2), (signal.SIGTERM, 143)])
def test_pytest_is_asked_to_end(start: Callable[[], Running], number: int, status: int) -> None:
    running = start()
    running.process.send_signal(number)
    output = running.end()
    assert running.process.returncode == status
    assert running.wait_until_gone() == {}
    assert [path.name for path in running.temporary.iterdir() if not path.name.startswith("shadowdiff-ports")] == []
    assert [pair["request"]["url"] for pair in running.report()["pairs"]] == ["/first", "/second"]
    assert "Traceback" not in output
    assert "2 pairs: 2 same" in output
    assert ("ended by SIGTERM" in output) is (number == signal.SIGTERM)


def test_pytest_is_killed(start: Callable[[], Running]) -> None:
    running = start()
    running.process.kill()
    running.end()
    assert running.wait_until_gone() == {}


def test_the_relay_is_killed(start: Callable[[], Running]) -> None:
    running = start()
    os.kill(running.pid("relay/__main__"), signal.SIGKILL)
    running.go()
    output = running.end()
    assert running.process.returncode == 1
    assert "relay" in output
    assert running.wait_until_gone() == {}
    pairs = running.report()["pairs"]
    assert [pair["request"]["url"] for pair in pairs if pair["verdict"] == "same"] == ["/first", "/second", "/last"]
    assert "test_last PASSED" in output


def test_what_watches_over_the_candidate_is_killed(start: Callable[[], Running]) -> None:
    running = start()
    os.kill(running.supervisor(r"version\.py v2"), signal.SIGKILL)
    running.go()
    running.end()
    assert running.wait_until_gone() == {}


def test_the_candidate_is_killed(start: Callable[[], Running]) -> None:
    running = start()
    os.kill(running.pid(r"version\.py v2"), signal.SIGKILL)
    running.go()
    output = running.end()
    assert running.process.returncode == 1
    verdicts = {pair["request"]["url"]: pair["verdict"] for pair in running.report()["pairs"]}
    assert verdicts == {"/first": "same", "/second": "same", "/third": "incomplete", "/last": "incomplete"}
    assert "v2" in output
    assert "SIGKILL" in output
    assert running.wait_until_gone() == {}


def test_the_primary_is_killed(start: Callable[[], Running]) -> None:
    running = start()
    os.kill(running.pid(r"version\.py v1"), signal.SIGKILL)
    running.go()
    output = running.end()
    assert running.process.returncode == 1
    assert "test_second FAILED" in output
    assert {pair["verdict"] for pair in running.report()["pairs"][:2]} == {"same"}
    assert running.wait_until_gone() == {}
