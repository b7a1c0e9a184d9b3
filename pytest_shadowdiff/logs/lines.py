"""Lines of a file that is still written: from its end on, across rotation, whole again where a runtime cut them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CUT = 16 * 1024
"""Container runtimes cut lines at 16 KiB and write the pieces as lines of their own."""
LONGEST = 1024 * 1024
BLOCK = 1024 * 1024


class Assembler:
    """Blocks of bytes -> lines. A line of exactly 16 KiB, or a multiple, waits for its rest; one beyond a bound is left out.

    Attributes:
        left_out: how many lines were longer than the bound.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._rest = bytearray()
        self._cut = bytearray()
        self._skipping = False

    def feed(self, block: bytes) -> Iterator[bytes]:
        """The lines that end in this block, without their line breaks."""
        self._rest += block
        if b"\n" not in block:
            if len(self._rest) > LONGEST:
                self._rest.clear()
                self._skipping = True
            return
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            if self._skipping:
                self._skipping = False
                self.left_out += 1
            else:
                yield from self._whole(line)

    def waiting(self) -> bytes:
        """The line that was cut and whose rest has not come; it is handed out once."""
        line, self._cut = bytes(self._cut), bytearray()
        return line

    def _whole(self, line: bytes) -> Iterator[bytes]:
        joined = bytes(self._cut) + line
        if line and len(line) % CUT == 0 and len(joined) <= LONGEST:
            self._cut = bytearray(joined)
            return
        self._cut.clear()
        if len(joined) > LONGEST:
            self.left_out += 1
        else:
            yield joined.removesuffix(b"\r")


@dataclass(slots=True)
class _Open:
    descriptor: int
    inode: int
    at: int


class Follower:
    """Follows a log file; what was in it before is passed over.

    Args:
        path: it need not be there yet; a file that appears later is read from its start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._assembler = Assembler()
        self._open: _Open | None = None
        self._started = False

    @property
    def left_out(self) -> int:
        """How many lines were too long to be read."""
        return self._assembler.left_out

    def start(self) -> None:
        """From here on lines are new."""
        self._reopen(at_end=True)
        self._started = True

    def read(self) -> Iterator[bytes]:
        """The lines that were written since the last call."""
        if self._open is None:
            self._reopen(at_end=False)
        for _ in range(2):
            opened = self._open
            if opened is None:
                return
            yield from self._drain(opened)
            if not self._rotated(opened):
                return
            self._reopen(at_end=False)

    def rest(self) -> Iterator[bytes]:
        """A line that was cut, once nothing follows it any more."""
        line = self._assembler.waiting()
        if line:
            yield line

    def close(self) -> None:
        """Let the file go; safe to call twice."""
        if self._open is not None:
            os.close(self._open.descriptor)
            self._open = None

    def _drain(self, opened: _Open) -> Iterator[bytes]:
        if os.fstat(opened.descriptor).st_size < opened.at:  # emptied in its place (copytruncate)
            opened.at = 0
        while block := os.pread(opened.descriptor, BLOCK, opened.at):
            opened.at += len(block)
            yield from self._assembler.feed(block)

    def _rotated(self, opened: _Open) -> bool:
        with contextlib.suppress(OSError):
            return self._path.stat().st_ino != opened.inode
        return False

    def _reopen(self, *, at_end: bool) -> None:
        self.close()
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        status = os.fstat(descriptor)
        self._open = _Open(descriptor, status.st_ino, status.st_size if at_end else 0)
