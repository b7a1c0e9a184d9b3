"""Reading the records of one writer's segments, in order, as far as they have been written."""

from __future__ import annotations

import gzip
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast
from zlib import crc32

from pytest_shadowdiff.errors import SpoolError
from pytest_shadowdiff.spool.records import MAGIC, RECORD, SEGMENT_HEADER, SUFFIX, TAGS, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKED: Final = ".gz"
_BLOCK: Final = 1024 * 1024
_LEVEL: Final = 1  # most of what can be had, at a tenth of the time


@dataclass(frozen=True, slots=True)
class Record:
    """One record, and where its payload ends: what long messages are found by later."""

    kind: int
    payload: bytes
    path: Path
    end: int


def opened(path: Path) -> BinaryIO:
    """The segment, for reading, also where it was compressed meanwhile.

    Raises:
        FileNotFoundError: it is not there, or not yet.
    """
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return cast("BinaryIO", gzip.open(_compressed(path), "rb"))


def there(path: Path) -> bool:
    """Whether the segment is there, compressed or not."""
    return path.exists() or _compressed(path).exists()


def compress(path: Path) -> None:
    """Compress a segment that nobody writes any more; whoever reads it goes on reading."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with path.open("rb") as plain, os.fdopen(descriptor, "wb") as out, gzip.GzipFile("", "wb", _LEVEL, out) as packed:
        shutil.copyfileobj(plain, packed, _BLOCK)
    part.replace(_compressed(path))
    path.unlink()


def _compressed(path: Path) -> Path:
    return path.with_name(path.name + PACKED)


class Series:
    """The segments of one writer, read one after the other; a file that is still being written is read again later."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._number = 1
        self._at = 0  # how far the file was read
        self._data = b""  # the last of it, and how much of that was yielded
        self._done = 0

    def records(self) -> Iterator[Record | Path]:
        """What is new: records, and the path of each segment that has been read to its end."""
        while True:
            path = self._path(self._number)
            following = there(self._path(self._number + 1))  # before reading: then this one is whole
            try:
                with opened(path) as file:
                    yield from self._rest(file, path)
            except FileNotFoundError:
                return
            if not following:
                return
            self._number += 1
            self._at, self._data, self._done = 0, b"", 0
            yield path

    def _path(self, number: int) -> Path:
        return self._directory / f"{self._name}.{number:05d}{SUFFIX}"

    def _rest(self, file: BinaryIO, path: Path) -> Iterator[Record]:
        if not self._at and not self._begun(file, path):
            return
        file.seek(self._at)
        yield from self._parsed(path)
        while block := file.read(_BLOCK):
            self._data, self._done = self._data[self._done :] + block, 0
            self._at += len(block)
            yield from self._parsed(path)

    def _parsed(self, path: Path) -> Iterator[Record]:
        data = self._data
        base = self._at - len(data)
        while len(data) - self._done >= RECORD.size:
            begun = self._done + RECORD.size
            size, checksum, kind = RECORD.unpack_from(data, self._done)
            end = begun + size
            if end > len(data):
                return
            start, self._done = self._done, end
            payload = data[begun:end]
            if crc32(payload, TAGS[kind]) != checksum:
                raise SpoolError(f"{path} is damaged: the record at byte {base + start} does not match its checksum.")
            yield Record(kind, payload, path, base + end)

    def _begun(self, file: BinaryIO, path: Path) -> bool:
        head = file.read(len(SEGMENT_HEADER))
        if len(head) < len(SEGMENT_HEADER):
            return False
        if head != SEGMENT_HEADER:
            what = "is of another version of the format" if head.startswith(MAGIC) else "is no segment of a spool"
            raise SpoolError(f"{path} {what}; this program reads version {VERSION}.")
        self._at = len(SEGMENT_HEADER)
        return True
