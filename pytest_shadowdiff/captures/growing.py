"""A capture file that somebody else writes while a run goes on: read anew when it has grown, and each exchange handed on once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pytest_shadowdiff.captures.exchanges import Seen
from pytest_shadowdiff.captures.files import exchanges
from pytest_shadowdiff.errors import SettingsError

LOOK_SECONDS = 0.3
STILL_SECONDS = 1.0
"""How long nothing may be added before what is not whole is taken for lost; writers hold packets back for a moment."""
JOIN_SECONDS = 10.0


class Growing:
    """Follows a file in a thread.

    Args:
        path: a pcap, a pcapng or a `tcpdump -A` text; it need not be there yet.
        seen: called with each exchange that carries an id of ours and is whole, once; with those that are not whole, when the file
            has stood still.
    """

    def __init__(self, path: Path, seen: Callable[[Seen], None]) -> None:
        self._path = path
        self._seen = seen
        self._size = -1
        self._grown = 0.0
        self._told: set[tuple[str, str, str, float]] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="shadowdiff-capture", daemon=True)
        self.failure: str | None = None

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def settle(self) -> None:
        """Read what is there by now."""
        with self._lock:
            self._read()

    def stop(self) -> None:
        """End; safe to call twice."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            with self._lock:
                self._read()

    def _read(self) -> None:
        size = self._path.stat().st_size if self._path.exists() else 0
        if not size:
            return
        if size != self._size:
            self._size, self._grown = size, time.monotonic()
        still = time.monotonic() - self._grown > STILL_SECONDS
        try:
            for one in exchanges(self._path, Counter()):
                self._tell(one, still=still)
            self.failure = None
        except SettingsError as error:
            self.failure = str(error) if still else None

    def _tell(self, one: Seen, *, still: bool) -> None:
        exchange = one.exchange
        if exchange.problem and not still:
            return
        headers = {name.lower(): value for name, value in exchange.request.headers}
        key = (headers.get("x-shadowdiff-id", ""), headers.get("x-shadowdiff-attempt", ""), f"{one.server}", exchange.started)
        if key[0] and key not in self._told:
            self._told.add(key)
            self._seen(one)
