"""Children: started, watched, ended with all that they started themselves. What they are for is not known here.

Each child runs under a supervisor (`supervisor.py`) that ends it when this process does, however it does: on Linux and
macOS, on a clean end, an exception, SIGTERM or kill -9.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from pytest_shadowdiff.errors import SetupError

GRACE_SECONDS = 3.0
TAIL_BYTES = 16 * 1024
TAIL_LINES = 20
START_SECONDS = 30.0
COMMAND_NOT_RUN = 127
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")  # colours, cursor, titles (ECMA-48)
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SUPERVISOR = Path(__file__).with_name("supervisor.py")


class Child:
    """A command under supervision, in a process group of its own, its output in a file."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        held: Sequence[int] = (),
        grace: float = GRACE_SECONDS,
    ) -> None:
        """Start it.

        Args:
            words: the program and its arguments; the program is looked up on the PATH of `env`.
            log: file that its output and errors are appended to.
            held: descriptors (of locks) that stay open until all of the command is gone.
            grace: seconds between SIGTERM and SIGKILL.

        Raises:
            OSError: there is no such program, or it may not be run.
            SetupError: the operating system lacks process groups.
        """
        if os.name != "posix":
            raise SetupError("Commands can be started on Linux and macOS only; start this version yourself and give its URL.")
        self.log = log
        self.pid = 0
        self.status: int | None = None
        self._grace = grace
        self._lock = threading.Lock()
        self._heard = b""
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._supervisor = _supervised(words, output, held, env, cwd, grace)
        finally:
            os.close(output)
        self._await_start(words[0])

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self.wait(0.0)

    def wait(self, seconds: float) -> int | None:
        """Its exit status as soon as it ends; None where it still runs after so many seconds."""
        deadline = time.monotonic() + seconds
        with self._lock:
            while self.status is None and self._hear(max(0.0, deadline - time.monotonic())):
                pass
            return self.status

    def stop(self) -> None:
        """End it and all that it started; safe to call twice."""
        _close(self._supervisor.stdin)  # the lifeline: the supervisor does the rest, even if we are interrupted here
        with self._lock:
            try:
                self._supervisor.wait(self._grace + 10.0)
            except subprocess.TimeoutExpired:
                self._supervisor.kill()
                self._supervisor.wait()
                self._kill_group()
            _close(self._supervisor.stdout)
            if self.status is None:
                self.status = -signal.SIGTERM

    def _await_start(self, program: str) -> None:
        try:
            while self.pid == 0 and self.status is None and self._hear(START_SECONDS):
                pass
        except OSError:
            self.stop()
            raise
        if self.pid == 0:
            self.stop()
            raise SetupError(f"{program}: its supervisor did not start: {' '.join(last_lines(self.log)) or 'no output'}")

    def _hear(self, seconds: float) -> bool:
        """Take in what the supervisor says within so many seconds; False where it said nothing."""
        said = _read(self._supervisor.stdout, seconds)
        if said is None:
            return False
        if said == b"":  # it was killed: its work is ours
            self._kill_group()
            self.status = -signal.SIGKILL
        *lines, self._heard = (self._heard + said).split(b"\n")
        for line in lines:
            word, _, number = line.partition(b" ")
            if word == b"pid":
                self.pid = int(number)
            elif word == b"exit":
                self.status = int(number)
            else:
                self.status = COMMAND_NOT_RUN
                raise OSError(int(number), os.strerror(int(number)))
        return True

    def _kill_group(self) -> None:
        if self.pid:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)


def ended_how(status: int) -> str:
    """An exit status in words: "exit status 3", "signal SIGKILL"."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


def last_lines(file: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a file of any size, without control characters; none where it cannot be read."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = stream.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    plain = ESCAPES.sub("", text).replace("\t", "    ")
    return [CONTROLS.sub("\N{REPLACEMENT CHARACTER}", line) for line in plain.splitlines()[-lines:]]


def _supervised(
    words: Sequence[str], output: int, held: Sequence[int], env: Mapping[str, str] | None, cwd: Path | None, grace: float
) -> subprocess.Popen[bytes]:
    descriptors = (output, *held)
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(SUPERVISOR), str(os.getpid()), str(grace), ",".join(map(str, descriptors)), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=output,
        env=env,
        cwd=cwd,
        pass_fds=descriptors,
        start_new_session=True,
        bufsize=0,
    )


def _read(pipe: IO[bytes] | None, seconds: float) -> bytes | None:
    """What came within so many seconds; empty at the end of the pipe, None where nothing came."""
    if pipe is None:
        return b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        if not selector.select(seconds):
            return None
    return os.read(pipe.fileno(), 4096)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()
