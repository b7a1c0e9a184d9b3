"""A user's regular expression as a format, in bounded time: it runs in a child process that can be ended."""

from __future__ import annotations

import json
import re
import select
import subprocess
import sys
from pathlib import Path

from pytest_shadowdiff.errors import MirrorError, SettingsError
from pytest_shadowdiff.logs.formats import FIELDS, Line, from_groups

SECONDS = 2.0
START_SECONDS = 20.0
_NEEDED = ("method", "path", "status")
_MATCHER = Path(__file__).with_name("matcher.py")


class Matcher:
    """Lines -> what a regular expression's named groups say of them.

    Args:
        pattern: with the groups method, path and status; id, size, seconds and time where the line has them.
        place: where the pattern was written, for messages.

    Raises:
        SettingsError: it is no regular expression, or lacks a group.
    """

    def __init__(self, pattern: str, place: str) -> None:
        self._pattern = pattern
        self._place = place
        self._child: subprocess.Popen[str] | None = None
        try:
            groups = re.compile(pattern).groupindex
        except (re.error, RecursionError, OverflowError) as error:
            raise SettingsError(f"{place}: {pattern!r} is no regular expression: {error}.") from None
        missing = [name for name in _NEEDED if name not in groups]
        if missing:
            raise SettingsError(
                f"{place}: {pattern!r} has no group {' and none '.join(missing)}. Write (?P<name>…); groups are {', '.join(FIELDS)}."
            )
        self.has_id = "id" in groups

    def __call__(self, line: str) -> Line | None:
        """What it says of a line.

        Raises:
            MirrorError: it took too long, and was stopped.
        """
        child = self._child or self._started()
        groups = self._exchange(child, line, SECONDS, f"one line of {len(line)} characters, {line[:80]!r}")
        return from_groups(groups) if isinstance(groups, dict) else None

    def _exchange(self, child: subprocess.Popen[str], text: str, seconds: float, what: str) -> object:
        if child.stdin is None or child.stdout is None:
            raise MirrorError(f"{self._place}: the process that matches {self._pattern!r} has no pipes.")
        try:
            child.stdin.write(json.dumps(text) + "\n")
            child.stdin.flush()
            if select.select([child.stdout], [], [], seconds)[0]:
                return json.loads(child.stdout.readline())
        except (OSError, ValueError) as error:
            self.close()
            raise MirrorError(f"{self._place}: {self._pattern!r} could not be matched: {error}.") from None
        self.close()
        raise MirrorError(f"{self._place}: {self._pattern!r} was stopped: {seconds:g} s were not enough for {what}.")

    def close(self) -> None:
        """End the process; safe to call twice."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        child.wait()

    def _started(self) -> subprocess.Popen[str]:
        words = [sys.executable, "-I", "-S", str(_MATCHER)]
        pipe = subprocess.PIPE
        self._child = child = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, encoding="utf-8")
        self._exchange(child, self._pattern, START_SECONDS, "its process to start")
        return child
