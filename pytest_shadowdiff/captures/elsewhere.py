"""The tap `tcpdump` where versions run elsewhere: one capture for each place of a version, read as it comes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import BinaryIO, Protocol

from pytest_shadowdiff.captures.exchanges import Exchanges
from pytest_shadowdiff.captures.exchanges import Seen as Passed
from pytest_shadowdiff.captures.packets import Dissector, stream
from pytest_shadowdiff.captures.segments import Segment
from pytest_shadowdiff.errors import MirrorError, SettingsError, SetupError
from pytest_shadowdiff.model import Role
from pytest_shadowdiff.spool import Gap

MARK_SECONDS = 10.0
LOOPBACK = ("127.0.0.1", "::1")

Write = Callable[[Role, Passed], None]
Missed = Callable[[Gap], None]


class Packets(Protocol):
    """Where a version's packets are captured; a mirror provides it."""

    def start(self, read: Callable[[str, BinaryIO], None], late: Callable[[str, float, float], None]) -> None:
        """Begin: `read` gets each place's name and pcap, `late` what a place that came later may have missed."""

    def knock(self) -> list[str]:
        """Connect from loopback to each place; the places that took it."""

    def lost(self) -> int:
        """Packets that were dropped so far."""

    def stop(self) -> None:
        """End; safe to call twice."""


class Elsewhere:
    """The captures of one version.

    Args:
        write: called with each exchange, in any thread.
        missed: called with each gap, in any thread.
    """

    def __init__(self, role: Role, packets: Packets, write: Write, missed: Missed) -> None:
        self._role: Role = role
        self._packets = packets
        self._write = write
        self._missed = missed
        self._lock = threading.Lock()
        self._exchanges: dict[str, Exchanges] = {}
        self._marks: Counter[str] = Counter()
        self._over: set[str] = set()
        self._changed = threading.Condition()
        self._lost = 0
        self._since = time.time()

    def start(self) -> None:
        """Return when a connection to each place was seen.

        Raises:
            SetupError: it cannot be captured there, or nothing is seen.
        """
        self._packets.start(self._read, self._late)
        unseen = self._unseen()
        if unseen:
            raise SetupError(f"tcpdump runs in {', '.join(unseen)}, but does not see connections to the version's port there.")

    def settle(self) -> None:
        """Hand on all that passed before this call.

        Raises:
            MirrorError: a capture no longer shows what passes.
        """
        unseen = self._unseen()
        if unseen:
            raise MirrorError(f"tcpdump in {', '.join(unseen)} no longer shows connections to the version's port.")
        lost = self._packets.lost()
        with self._lock:
            passed = [one for exchanges in self._exchanges.values() for one in exchanges.settle()]
        for one in passed:
            self._write(self._role, one)
        if lost > self._lost:
            self._missed(Gap(self._role, self._since, time.time(), f"tcpdump lost {lost - self._lost} packets"))
        self._lost, self._since = lost, time.time()

    def stop(self) -> None:
        """End; safe to call twice."""
        self._packets.stop()

    def _unseen(self) -> list[str]:
        """Knock everywhere; where it was not seen."""
        with self._changed:
            before = Counter(self._marks)
        knocked = self._packets.knock()

        def missing() -> list[str]:
            return [name for name in knocked if self._marks[name] <= before[name] and name not in self._over]

        with self._changed:
            self._changed.wait_for(lambda: not missing(), MARK_SECONDS)
            return missing()

    def _read(self, name: str, pcap: BinaryIO) -> None:
        dissector = Dissector()
        exchanges = Exchanges(f"tcpdump in {name}")
        with self._lock:
            self._exchanges[name] = exchanges
        try:
            for link, moment, data in stream(pcap):
                segment = dissector.segment(link, moment, data)
                if segment is not None:
                    self._take(name, exchanges, segment)
        except (SettingsError, OSError, ValueError):
            pass  # the pod went, or the capture was ended; what was owed by then has no verdict
        with self._lock:
            passed = list(exchanges.finish())
            del self._exchanges[name]
        for one in passed:
            self._write(self._role, one)
        with self._changed:
            self._over.add(name)
            self._changed.notify_all()

    def _take(self, name: str, exchanges: Exchanges, segment: Segment) -> None:
        with self._lock:
            passed = list(exchanges.add(segment))
        for one in passed:
            self._write(self._role, one)
        if segment.syn and segment.ack is None and segment.source[0] in LOOPBACK:
            with self._changed:
                self._marks[name] += 1
                self._changed.notify_all()

    def _late(self, name: str, since: float, until: float) -> None:
        self._missed(Gap(self._role, since, until, f"{name} came, and tcpdump did not run there yet"))
