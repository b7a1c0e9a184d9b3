"""Whose container is this, and is its run still there? Labels say it, so that nothing else has to be kept anywhere."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

RUN = "pytest-shadowdiff.run"
TARGET = "pytest-shadowdiff.target"
PORT = "pytest-shadowdiff.port"
_PLACE = "pytest-shadowdiff.place"
_PID = "pytest-shadowdiff.pid"
_BEGUN = "pytest-shadowdiff.begun"
_SINCE = "pytest-shadowdiff.since"

STALE_SECONDS = 24 * 3600.0
"""A run elsewhere cannot be looked at; after this long it is over."""


def labels(run_id: str) -> dict[str, str]:
    """What everything that a run makes carries."""
    pid = os.getpid()
    return {RUN: run_id, _PLACE: _place(), _PID: str(pid), _BEGUN: _begun(pid), _SINCE: str(int(time.time()))}


def is_over(found: Mapping[str, str]) -> bool:
    """Whether the run with these labels has ended, however it did; False where that cannot be told."""
    pid = found.get(_PID, "")
    if found.get(_PLACE) != _place():
        since = found.get(_SINCE, "")
        return since.isdecimal() and time.time() - int(since) > STALE_SECONDS
    return pid.isdecimal() and _begun(int(pid)) != found.get(_BEGUN)


def _place() -> str:
    """This machine, since it was started, and the namespace in which its process ids mean something."""
    return f"{socket.gethostname()} {_word(Path('/proc/sys/kernel/random/boot_id'))} {_target(Path('/proc/self/ns/pid'))}"


def _word(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _begun(pid: int) -> str:
    """When a process was started, in its system's own terms; empty where there is none of that id."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return _alive(pid)
    return stat.rpartition(b")")[2].split()[19].decode("ascii")  # proc(5): starttime is the 22nd field


def _alive(pid: int) -> str:
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "alive"
