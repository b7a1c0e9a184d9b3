"""What a result depends on: the machine, the versions, and the CPU that processes used."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: list[int]) -> float:
    """CPU that these processes and their children have used."""
    total = 0
    for pid in family(pids):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory(pids: list[int]) -> int:
    """Resident bytes of these processes and their children."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * page for pid in family(pids))


def family(pids: list[int]) -> list[int]:
    found = list(pids)
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text("ascii").split()]
            except OSError:
                continue
    return found


def description() -> dict[str, str]:
    """The machine and the versions, for the results file."""

    def said(*command: str) -> str:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return "none"
        return (done.stdout + done.stderr).strip().splitlines()[0]

    model = [
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines() if line.startswith("model name")
    ]
    return {
        "cpu": f"{len(os.sched_getaffinity(0))} of {model[0] if model else platform.machine()}",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "pytest-shadowdiff": version("pytest-shadowdiff"),
        "nginx": said("nginx", "-v"),
        "wrk": said("wrk", "-v"),
    }
