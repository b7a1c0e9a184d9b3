"""Runs one command and sees to it that nothing of it outlives the process that asked for it.

A program of its own, run by path with `python -I -S`, so it imports nothing but the standard library:

    supervisor.py PARENT GRACE LOG,HELD... WORD...

PARENT is the process id of who asked, GRACE the seconds between SIGTERM and SIGKILL, LOG the descriptor that takes
the command's output, HELD descriptors that are kept open until the command is gone (locks). Standard input is the
lifeline: it ends when the parent does, be it by kill -9. Standard output says `pid N`, or `error ERRNO` where the command
could not be run, and `exit STATUS` once it ended (negative: the signal).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator

PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
ASKED_TO_END = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
PARENT_SECONDS = 1.0  # how often to look whether the parent is still there, should a fork of it hold the lifeline


def main(arguments: list[str]) -> None:
    """Run the command until it ends, or until the parent does."""
    parent, grace, words = int(arguments[0]), float(arguments[1]), arguments[3:]
    log, *held = map(int, arguments[2].split(","))
    for descriptor in held:
        os.set_inheritable(descriptor, False)
    wake = _signals_as_bytes()
    everyone = _adopt_orphans()
    try:
        child = _spawn(words, log)
    except OSError as error:
        _say(f"error {error.errno}")
        return
    _say(f"pid {child}")
    status = _watch(child, parent, wake)
    if status is not None:
        _say(f"exit {status}")
    _end(child, grace, everyone=everyone, wake=wake)


def _signals_as_bytes() -> int:
    """The reading end of a pipe that gets the number of each signal that concerns us."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    for number in (*ASKED_TO_END, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _adopt_orphans() -> bool:
    """Become the parent of descendants whose own parent ended, even of those in sessions of their own (Linux only)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def _spawn(words: list[str], log: int) -> int:
    defaults = [signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGXFSZ]
    return os.posix_spawnp(
        words[0],
        words,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
            (os.POSIX_SPAWN_CLOSE, log),
        ],
        setpgroup=0,
        setsigdef=defaults,
    )


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(1, line.encode() + b"\n")


def _watch(child: int, parent: int, wake: int) -> int | None:
    """The command's exit status; None where it has to be ended because nobody needs it any more."""
    while True:
        readable, _, _ = select.select([0, wake], [], [], PARENT_SECONDS)
        if wake in readable:
            asked = ASKED_TO_END.intersection(_drain(wake))
            for pid, status in _reap():
                if pid == child:
                    return status
            if asked:
                return None
        if (0 in readable and not os.read(0, 1)) or os.getppid() != parent:
            return None


def _drain(wake: int) -> bytes:
    try:
        return os.read(wake, 4096)
    except BlockingIOError:
        return b""


def _reap() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def _end(child: int, grace: float, *, everyone: bool, wake: int) -> None:
    """SIGTERM to all that is left of the command, SIGKILL to what does not go; returns when nothing is left."""
    _signal(child, signal.SIGTERM, everyone=everyone)
    if _gone(child, grace, everyone=everyone, wake=wake):
        return
    for _ in range(20):  # what is killed may be forking: again, until nothing is found
        _signal(child, signal.SIGKILL, everyone=everyone)
        if _gone(child, 0.25, everyone=everyone, wake=wake):
            return


def _signal(child: int, number: int, *, everyone: bool) -> None:
    with contextlib.suppress(OSError):
        os.killpg(child, number)
    for pid in _descendants() if everyone else ():
        with contextlib.suppress(OSError):
            if os.getpgid(pid) != child:
                os.kill(pid, number)


def _gone(child: int, seconds: float, *, everyone: bool, wake: int) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        for _ in _reap():
            pass
        if not _left(child, everyone=everyone):
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        select.select([wake], [], [], min(left, 0.05))
        _drain(wake)


def _left(child: int, *, everyone: bool) -> bool:
    try:
        if everyone:  # all descendants end up as our children
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        else:
            os.killpg(child, 0)
    except OSError:
        return False
    return True


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])  # the name in parentheses may hold anything
                children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
