"""Somebody kills pytest, Envoy or a container in the middle of a run: a clear end, and nothing of ours is left."""

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

from tests.mirrors.conftest import VERSION, needs_envoy

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes by /proc, which this system lacks")

COMMANDS = """
[tool.shadowdiff]
report = ["json:report.json"]
timeout = 2
[tool.shadowdiff.targets.v1]
command = [{python}, {version}, "v1", "{{port}}"]
ready = "/plain"
[tool.shadowdiff.targets.v2]
command = [{python}, {version}, "v2", "{{port}}"]
ready = "/plain"
"""

IMAGES = """
[tool.shadowdiff]
report = ["json:report.json"]
timeout = 2
[tool.shadowdiff.targets.v1]
image = "python:3.11-slim"
command = ["python", "/version.py", "v1", "8080"]
volumes = [{volume}]
port = 8080
ready = "/plain"
[tool.shadowdiff.targets.v2]
image = "python:3.11-slim"
command = ["python", "/version.py", "v2", "8080"]
volumes = [{volume}]
port = 8080
ready = "/plain"
"""

TESTS = """
import pathlib
import time

def test_first(shadow):
    shadow.get("/json?first")

def test_second(shadow):
    shadow.get("/json?second")
    shadow.check()
    pathlib.Path("reached").touch()
    for _ in range(400):
        if pathlib.Path("go").exists():
            break
        time.sleep(0.05)
    shadow.get("/json?third")

def test_last(shadow):
    shadow.get("/json?last")
"""


@dataclass
class Running:
    """A pytest run that waits in its second test."""

    process: subprocess.Popen[str]
    folder: Path
    temporary: Path

    def processes(self) -> dict[int, str]:
        """All that descends from it, by what is in the environment."""
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
        return max(pid for pid, line in self.processes().items() if re.search(pattern, line))

    def go(self) -> None:
        (self.folder / "go").touch()

    def end(self) -> str:
        output, _ = self.process.communicate(timeout=90)
        return output

    def wait_until_gone(self) -> dict[int, str]:
        deadline = time.monotonic() + 20
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.processes()

    def verdicts(self) -> dict[str, str]:
        report: Any = json.loads((self.folder / "report.json").read_text())
        return {pair["request"]["url"].partition("?")[2]: pair["verdict"] for pair in report["pairs"]}


Start = Callable[..., Running]

ENGINE = """
import os, socket, sys, threading
def pump(source, sink):
    try:
        while block := source.recv(65536):
            sink.sendall(block)
    except OSError:
        pass
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(50)
print("listening", flush=True)
while True:
    near, _ = listener.accept()
    far = socket.socket(socket.AF_UNIX)
    far.connect("/var/run/docker.sock")
    threading.Thread(target=pump, args=(near, far), daemon=True).start()
    threading.Thread(target=pump, args=(far, near), daemon=True).start()
"""
"""An engine that the test itself can end: all that it is asked, the real one answers."""


@pytest.fixture
def start(pytester: pytest.Pytester, tmp_path: Path) -> Iterator[Start]:
    begun: list[Running] = []

    def one(mirror: str, configuration: str, **more: str) -> Running:
        folder = pytester.path
        filled = configuration.format(
            python=json.dumps(sys.executable), version=json.dumps(str(VERSION)), volume=json.dumps(f"{VERSION}:/version.py:ro")
        )
        (folder / "pyproject.toml").write_text(filled)
        (folder / "test_it.py").write_text(TESTS)
        for name in ("reached", "go", "report.json"):
            (folder / name).unlink(missing_ok=True)
        temporary = tmp_path / uuid4().hex
        temporary.mkdir()
        command = [sys.executable, "-m", "pytest", "--shadow-target=v2", f"--shadow-mirror={mirror}", "-v"]
        environ = os.environ | {"TMPDIR": str(temporary), **more}
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running = Running(process, folder, temporary)
        begun.append(running)
        deadline = time.monotonic() + 60
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


def ours(running: Running) -> list[str]:
    """Containers and networks of a run."""
    found = []
    for words in (("ps", "-a"), ("network", "ls")):
        command = ["docker", *words, "--filter", f"label=pytest-shadowdiff.pid={running.process.pid}", "--format", "{{.ID}}"]
        found += subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return found


@needs_envoy
def test_envoy_is_killed(start: Start) -> None:
    running = start("envoy", COMMANDS)
    os.kill(running.pid(r"envoy --config-path"), signal.SIGKILL)
    running.go()
    output = running.end()
    assert running.process.returncode == 1
    assert "Envoy ended with signal SIGKILL" in output
    assert running.wait_until_gone() == {}
    verdicts = running.verdicts()
    assert (verdicts["first"], verdicts["second"], verdicts["third"]) == ("same", "same", "incomplete")
    assert verdicts["last"] == "same", "a new mirror for the next test"


@needs_envoy
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_pytest_is_ended_and_envoy_goes_with_it(start: Start, number: int) -> None:
    running = start("envoy", COMMANDS)
    running.process.send_signal(number)
    running.end()
    assert running.wait_until_gone() == {}


@pytest.mark.docker
def test_a_killed_run_is_swept_up_by_the_next(start: Start) -> None:
    running = start("docker", IMAGES)
    assert len(ours(running)) == 4
    running.process.kill()
    running.end()
    running.wait_until_gone()
    assert len(ours(running)) == 4
    following = start("docker", IMAGES)
    following.go()
    following.end()
    assert following.process.returncode == 0
    assert ours(running) == ours(following) == []


@pytest.mark.docker
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_end_leaves_no_container(start: Start, number: int) -> None:
    running = start("docker", IMAGES)
    running.process.send_signal(number)
    running.end()
    assert ours(running) == []


@pytest.mark.docker
@pytest.mark.parametrize("name, said", [("envoyproxy/envoy", "container of envoyproxy/envoy"), ("v2", "v2")])
def test_a_container_is_killed(start: Start, name: str, said: str) -> None:
    running = start("docker", IMAGES)
    wanted = f"label=pytest-shadowdiff.target={name}" if name == "v2" else "ancestor=envoyproxy/envoy:v1.40.0"
    found = subprocess.run(["docker", "ps", "-q", "--filter", wanted], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["docker", "kill", *found], capture_output=True, check=True)
    running.go()
    output = running.end()
    assert running.process.returncode == 1
    assert said in output
    assert "was killed" in output
    assert running.verdicts()["third"] == "incomplete"
    assert ours(running) == []


@pytest.mark.docker
def test_the_engine_goes_away(start: Start, tmp_path: Path) -> None:
    socket = tmp_path / "engine.sock"
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, str(socket)], stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    assert engine.stdout.readline() == "listening\n"
    running = start("docker", IMAGES, DOCKER_HOST=f"unix://{socket}")
    engine.kill()
    engine.wait()
    engine.stdout.close()
    running.go()
    output = running.end()
    assert "Traceback" not in output
    assert running.verdicts()["second"] == "same"
    assert set(running.verdicts().values()) <= {"same", "incomplete"}
    following = start("docker", IMAGES)
    following.go()
    following.end()
    assert following.process.returncode == 0
    assert ours(running) == ours(following) == []
