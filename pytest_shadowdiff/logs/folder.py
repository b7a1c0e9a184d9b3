"""A folder of logs that are still written, one for each place that a version runs at; files may come at any time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_shadowdiff.logs.lines import Follower


class Folder:
    """Follows all files of a folder as one log; what was in them before is passed over.

    Attributes:
        source: the name of the file that the latest line came from.
    """

    def __init__(self, path: Path) -> None:
        self.source = ""
        self._path = path
        self._followers: dict[str, Follower] = {}

    @property
    def left_out(self) -> int:
        """How many lines were too long to be read."""
        return sum(follower.left_out for follower in self._followers.values())

    def start(self) -> None:
        """From here on lines are new, and files."""
        for follower in self._look():
            follower.start()

    def read(self) -> Iterator[bytes]:
        """The lines that were written since the last call."""
        list(self._look())
        for name, follower in self._followers.items():
            self.source = name
            yield from follower.read()

    def rest(self) -> Iterator[bytes]:
        """Lines that were cut, once nothing follows them any more."""
        for name, follower in self._followers.items():
            self.source = name
            yield from follower.rest()

    def close(self) -> None:
        """Let the files go; safe to call twice."""
        for follower in self._followers.values():
            follower.close()

    def _look(self) -> Iterator[Follower]:
        for file in sorted(self._path.iterdir()):
            if file.name not in self._followers:
                self._followers[file.name] = Follower(file)
                yield self._followers[file.name]
