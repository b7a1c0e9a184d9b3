"""Appending to a spool: one writer, one series of segments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zlib import crc32

import msgspec

from pytest_shadowdiff.errors import SpoolError
from pytest_shadowdiff.spool.events import Event, Gap, Opened, Routed, Seen, Skipped
from pytest_shadowdiff.spool.records import (
    EVENT_GAP,
    EVENT_OPENED,
    EVENT_ROUTED,
    EVENT_SEEN,
    EVENT_SKIPPED,
    RECORD,
    SEGMENT_HEADER,
    SUFFIX,
    TAGS,
)

if TYPE_CHECKING:
    from pytest_shadowdiff.spool.records import Raw

SEGMENT_BYTES: Final = 64 * 1024 * 1024
MAX_BYTES: Final = 4 * 1024 * 1024 * 1024
_KINDS: Final = {Opened: EVENT_OPENED, Seen: EVENT_SEEN, Skipped: EVENT_SKIPPED, Gap: EVENT_GAP, Routed: EVENT_ROUTED}


class Writer:
    """Appends to segments of its own in `directory`, which all writers of a run share.

    What `append` has returned from outlives this process, not the machine's loss of power.

    Args:
        directory: made with mode 0700 where it is missing; segments have mode 0600.
        name: of the writer, unique among those that write at one time; letters, digits, `-` and `_`.
        segment_bytes: a segment that has grown beyond this is followed by a new one.
        max_bytes: what all segments in the directory together may hold.

    Raises:
        SpoolError: from every method, where the disk is full, the bound is reached or a file cannot be written.
    """

    def __init__(self, directory: Path, name: str, *, segment_bytes: int = SEGMENT_BYTES, max_bytes: int = MAX_BYTES) -> None:
        self._directory = directory
        self._name = name
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._encode = msgspec.msgpack.Encoder().encode
        self._waiting: list[bytes] = []
        self._fd = -1
        self._number = 0
        self._size = 0
        self._others = 0
        self._next_segment()

    def append(self, event: Event) -> None:
        """Write one event; it is in the file when this returns."""
        self._put(_KINDS[type(event)], self._encode(event))
        self.flush()

    def put(self, kind: int, record: Raw) -> None:
        """Take one raw record; it is in the file after the next `flush`."""
        self._put(kind, self._encode(record))

    def _put(self, kind: int, payload: bytes) -> None:
        self._waiting += (RECORD.pack(len(payload), crc32(payload, TAGS[kind]), kind), payload)

    def flush(self) -> None:
        """Write what was put so far."""
        waiting = self._waiting
        if not waiting:
            return
        data = b"".join(waiting)
        waiting.clear()
        size = self._size
        if size + len(data) + self._others > self._max_bytes:
            self._full(len(data))
        try:
            written = os.write(self._fd, data)
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            self._cut(size)
            raise self._failed(error) from error
        self._size = size = size + len(data)
        if size >= self._segment_bytes:
            self._next_segment()

    def close(self) -> None:
        """Write what is left and close the segment; safe to call twice."""
        if self._fd < 0:
            return
        try:
            self.flush()
        finally:
            os.close(self._fd)
            self._fd = -1

    def _next_segment(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._others = _held(self._directory)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            while True:
                self._number += 1
                path = self._directory / f"{self._name}.{self._number:05d}{SUFFIX}"
                try:
                    self._fd = os.open(path, flags, 0o600)
                except FileExistsError:
                    continue
                break
            os.write(self._fd, SEGMENT_HEADER)
        except OSError as error:
            raise self._failed(error) from error
        self._size = len(SEGMENT_HEADER)

    def _full(self, more: int) -> None:
        self._others = _held(self._directory, self._name, self._number)  # readers may have taken segments away
        if self._size + more + self._others > self._max_bytes:
            message = f"The spool in {self._directory} would grow beyond {self._max_bytes} bytes (max_spool): nothing more is recorded."
            raise SpoolError(message)

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError:  # a reader stops before a record that is not whole
            return

    def _failed(self, error: OSError) -> SpoolError:
        return SpoolError(f"Cannot write to the spool in {self._directory}: {error.strerror or error}. Free the disk, or set TMPDIR.")


def _held(directory: Path, name: str = "", number: int = 0) -> int:
    """Bytes in all segments but this one."""
    own = f"{name}.{number:05d}{SUFFIX}"
    try:
        with os.scandir(directory) as entries:
            return sum(entry.stat().st_size for entry in entries if SUFFIX in entry.name and entry.name != own)
    except FileNotFoundError:
        return 0
