"""Private folders that go with whoever made them: each is under a lock of the file system for as long as its process lives.

A killed process cannot delete what it wrote; its lock goes with it, so the next one of this user tells such folders and
deletes them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "shadowdiff-"
LOCK = ".lock"


class Folder:
    """A folder with mode 0700 below the system's for temporary files; those that killed processes left are deleted first."""

    def __init__(self) -> None:
        for left in leftovers():
            remove(left)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = _locked(self.path)

    def remove(self) -> None:
        """Delete it with all that is in it; safe to call twice."""
        self.leave()
        remove(self.path)

    def leave(self) -> None:
        """Leave it where it is, for whoever wants to look into it: nobody deletes it any more."""
        with contextlib.suppress(OSError):
            (self.path / LOCK).unlink()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def leftovers() -> Iterator[Path]:
    """The folders of this user whose process has ended without deleting them."""
    try:
        found = [path for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}") if path.lstat().st_uid == os.getuid()]
    except OSError:
        return
    for file in found:
        lock = _locked(file.parent, make=False)
        if lock is not None:
            os.close(lock)
            yield file.parent


def remove(folder: Path) -> bool:
    """Delete a folder; whether it is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _locked(folder: Path, *, make: bool = True) -> int | None:
    """A descriptor that holds the folder's lock; None where somebody else holds it, or the system has no such locks."""
    try:
        import fcntl

        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if make else 0), 0o600)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
