"""Runs of pytest that wait in the middle of their second test, so that somebody can be killed there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

VERSION = Path(__file__).with_name("mirrors") / "version.py"
PATIENCE = 90.0

COMMANDS = f"""
[tool.shadowdiff]
report = ["json:report.json"]
timeout = 2
[tool.shadowdiff.targets.v1]
command = [{json.dumps(sys.executable)}, {json.dumps(str(VERSION))}, "v1", "{{port}}"]
ready = "/plain"
[tool.shadowdiff.targets.v2]
command = [{json.dumps(sys.executable)}, {json.dumps(str(VERSION))}, "v2", "{{port}}"]
ready = "/plain"
"""

IMAGES = f"""
[tool.shadowdiff]
report = ["json:report.json"]
timeout = 2
[tool.shadowdiff.targets.v1]
image = "python:3.11-slim"
command = ["python", "/version.py", "v1", "8080"]
volumes = [{json.dumps(f"{VERSION}:/version.py:ro")}]
port = 8080
ready = "/plain"
[tool.shadowdiff.targets.v2]
image = "python:3.11-slim"
command = ["python", "/version.py", "v2", "8080"]
volumes = [{json.dumps(f"{VERSION}:/version.py:ro")}]
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
    """One of them, and every process that descends from it."""

    process: subprocess.Popen[str]
    folder: Path
    temporary: Path

    def processes(self) -> dict[int, str]:
        """Command lines by process id: each has the run's own folder for temporary files in its environment."""
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
        """The first of them."""
        return min(pid for pid, line in self.processes().items() if re.search(pattern, line))

    def go(self) -> None:
        """Let the second test go on."""
        (self.folder / "go").touch()

    def end(self) -> str:
        """Wait for its end; what it printed."""
        output, _ = self.process.communicate(timeout=PATIENCE)
        return output

    def wait_until_gone(self) -> dict[int, str]:
        """Wait for the end of all its processes; those that are left."""
        deadline = time.monotonic() + PATIENCE
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.processes()

    def files(self) -> list[str]:
        """What it left in its folder for temporary files, but for what all runs of a machine share."""
        return [path.name for path in self.temporary.iterdir() if not path.name.startswith("shadowdiff-ports")]

    def report(self) -> Any:
        """Its report."""
        return json.loads((self.folder / "report.json").read_text())

    def verdicts(self) -> dict[str, str]:
        """Verdicts by the names of the requests, in their order."""
        return {pair["request"]["url"].partition("?")[2]: pair["verdict"] for pair in self.report()["pairs"]}


@dataclass
class Midway:
    """Starts them, one after the other in one folder, and ends whatever is left.

    Attributes:
        within: words before each command, which begin a place of its own for it.
    """

    folder: Path
    temporary: Path
    within: Sequence[str] = ()
    begun: list[Running] = field(default_factory=list)

    def __call__(self, configuration: str, *options: str, **environ: str) -> Running:
        """A run that waits in its second test."""
        (self.folder / "pyproject.toml").write_text(configuration)
        (self.folder / "test_it.py").write_text(TESTS)
        for name in ("reached", "go", "report.json"):
            (self.folder / name).unlink(missing_ok=True)
        temporary = self.temporary / uuid4().hex
        temporary.mkdir()
        command = [*self.within, sys.executable, "-m", "pytest", "--shadow-target=v2", "-v", *options]
        outside = os.environ | {"TMPDIR": str(temporary), **environ}
        process = subprocess.Popen(command, cwd=self.folder, env=outside, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running = Running(process, self.folder, temporary)
        self.begun.append(running)
        deadline = time.monotonic() + PATIENCE
        while not (self.folder / "reached").exists():
            assert process.poll() is None, running.end()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return running

    def close(self) -> None:
        """End what is left."""
        for running in self.begun:
            for pid in running.processes():
                os.kill(pid, signal.SIGKILL)
            running.process.wait()
            if running.process.stdout is not None:
                running.process.stdout.close()
