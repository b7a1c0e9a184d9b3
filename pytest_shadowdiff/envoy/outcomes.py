"""What the routes of an entry did to each request, read from its access log as it is written. Nothing is judged here."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_shadowdiff.envoy.routes import Enacted
from pytest_shadowdiff.errors import SpoolError
from pytest_shadowdiff.spool import Routed, Skipped, Writer

LOOK_SECONDS = 0.02
LONGEST_LINE = 1024 * 1024
JOIN_SECONDS = 5.0


class Outcomes:
    """Follows an entry's access log and says of each request how often it was tried, or why it is no pair.

    Args:
        log: the file; it need not be there yet.
        enacted: the routes that the entry has.
        run_id: lines of other runs are passed over.
        spool: the folder that is appended to.
    """

    def __init__(self, log: Path, enacted: Enacted, run_id: str, spool: Path) -> None:
        self._log = log
        self._enacted = enacted
        self._run_id = run_id
        self._writer = Writer(spool, "route")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="shadowdiff-route", daemon=True)
        self._rest = b""
        self._at = 0
        self.failure: str | None = None

    def start(self) -> None:
        """Begin to read; from here on each pair is owed what the routes did with it."""
        self._writer.append(Routed("", 0))
        self._thread.start()

    def stop(self) -> None:
        """Read what is left, and end; safe to call twice."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)
        self._writer.close()

    def _follow(self) -> None:
        try:
            while not self._ended.wait(LOOK_SECONDS):
                self._read()
            self._read()
        except (SpoolError, OSError) as error:
            self.failure = f"what the route did cannot be recorded: {error}"

    def _read(self) -> None:
        for line in self._lines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("run") == self._run_id and entry.get("id"):
                self._take(entry)

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._log.open("rb") as file:
                file.seek(self._at)
                block = file.read(LONGEST_LINE)
        except FileNotFoundError:
            return
        self._at += len(block)
        *lines, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            self._rest = b""
        yield from lines

    def _take(self, entry: Mapping[str, Any]) -> None:
        outcome = self._enacted.outcome(entry)
        pair = str(entry["id"])
        if outcome is None:
            return
        if outcome.skipped:
            self._writer.append(Skipped(pair, outcome.skipped))
        else:
            self._writer.append(Routed(pair, outcome.tries, outcome.problem))
