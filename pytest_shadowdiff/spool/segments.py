"""Reading the records of one writer's segments, in order, as far as they have been written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zlib import crc32

from pytest_shadowdiff.errors import SpoolError
from pytest_shadowdiff.spool.records import MAGIC, RECORD, SEGMENT_HEADER, SUFFIX, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_BLOCK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """One record, and where its payload ends: what long messages are found by later."""

    kind: int
    payload: bytes
    path: Path
    end: int


class Series:
    """The segments of one writer, read one after the other; a file that is still being written is read again later."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._number = 0
        self._file: BinaryIO | None = None
        self._path = directory
        self._at = 0
        self._held = b""

    def records(self) -> Iterator[Record | Path]:
        """What is new: records, and the path of each segment that has been read to its end."""
        while True:
            if self._file is None and not self._open():
                return
            following = self._path_of(self._number + 1).exists()  # before reading: then this one is whole
            yield from self._rest()
            if not following:
                return
            done = self._path
            self.close()
            yield done

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _path_of(self, number: int) -> Path:
        return self._directory / f"{self._name}.{number:05d}{SUFFIX}"

    def _open(self) -> bool:
        path = self._path_of(self._number + 1)
        try:
            self._file = path.open("rb", buffering=0)
        except FileNotFoundError:
            return False
        self._number += 1
        self._path, self._at, self._held = path, 0, b""
        return True

    def _rest(self) -> Iterator[Record]:
        if not self._at and not self._begun():
            return
        file = self._file
        assert file is not None
        while block := file.read(_BLOCK):
            data = self._held + block
            at = 0
            while (end := self._end(data, at)) and end <= len(data):
                _, checksum, kind = RECORD.unpack_from(data, at)
                payload = data[at + RECORD.size : end]
                if crc32(payload, crc32(b"%c" % kind)) != checksum:
                    raise self._damaged(self._at + at)
                yield Record(kind, payload, self._path, self._at + end)
                at = end
            self._at += at
            self._held = data[at:]

    def _end(self, data: bytes, at: int) -> int:
        if len(data) - at < RECORD.size:
            return 0
        return at + RECORD.size + int(RECORD.unpack_from(data, at)[0])

    def _begun(self) -> bool:
        assert self._file is not None
        head = self._file.read(len(SEGMENT_HEADER))
        if len(head) < len(SEGMENT_HEADER):
            self._file.seek(0)
            return False
        if head != SEGMENT_HEADER:
            what = "is of another version of the format" if head.startswith(MAGIC) else "is no segment of a spool"
            message = f"{self._path} {what}; this version reads version {VERSION}."
            raise SpoolError(message)
        self._at = len(SEGMENT_HEADER)
        return True

    def _damaged(self, at: int) -> SpoolError:
        return SpoolError(f"{self._path} is damaged: the record at byte {at} does not match its checksum. What stands before it was read.")
