"""The caller's latency while the candidate fails: a primary that takes 10 to 30 ms, half the load that saturates it.

The control is on, at its most: whenever it may be, somebody is being asked again.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import wrk
from peers.ours import nothing
from upstreams import server

from pytest_shadowdiff.model import Pair, Request, Upstream
from pytest_shadowdiff.relay import Relay, Routing
from pytest_shadowdiff.settings import Limits
from pytest_shadowdiff.spool import Opened, Reader, Seen

CANDIDATES = ("10-30ms", "500ms", "hangs", "refuses", "resets")
CONNECTIONS = 16
ASKED = 4  # requests at one time, as many as the relay asks


class Asker(threading.Thread):
    """Has requests that the primary has answered asked again, without a pause."""

    def __init__(self, relay: Relay, spool: Path) -> None:
        super().__init__()
        self.count = 0
        self._relay = relay
        self._reader = Reader(spool, finished="delete")
        self._requests: dict[str, Request] = {}
        self._waiting: set[str] = set()
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            for event in self._reader.events():
                if isinstance(event, Opened):
                    self._requests[event.pair] = event.request
                elif isinstance(event, Seen) and event.role == "control":
                    self.count += 1
                    self._waiting.discard(event.pair)
                elif isinstance(event, Seen) and event.role == "primary":
                    self._ask(event.pair, self._requests.pop(event.pair))
            time.sleep(0.005)

    def _ask(self, pair: str, request: Request) -> None:
        if len(self._waiting) < ASKED:
            self._waiting.add(pair)
            self._relay.ask(Pair(pair, None, request), 1)

    def close(self) -> None:
        self._ended.set()
        self.join()


def faults(seconds: float, rounds: int) -> dict[str, dict[str, float]]:
    """For each kind of candidate: p99 through the relay, without it, and their ratio; medians of interleaved rounds."""
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with server("10-30ms", place / "primary") as primary:
            for behaviour in CANDIDATES:
                with server(behaviour, place / behaviour) as candidate:
                    rows = [_once(primary, candidate, place / f"{behaviour}{number}", seconds) for number in range(rounds)]
                with_it, without = (statistics.median(row[index] for row in rows) for index in (0, 1))
                errors, asked = sum(row[2] for row in rows), sum(row[3] for row in rows)
                ratio = with_it / without
                results[behaviour] = {
                    "relay_p99_ms": with_it,
                    "nothing_p99_ms": without,
                    "ratio": ratio,
                    "errors": errors,
                    "asked_again": asked,
                }
                said = f"{ratio:.2f}x, {errors:.0f} errors, {asked} asked again"
                print(f"candidate {behaviour:8} p99 {with_it:6.1f} ms, alone {without:6.1f} ms: {said}", flush=True)
    return results


def _once(primary: int, candidate: int, place: Path, seconds: float) -> tuple[float, float, int, int]:
    place.mkdir()
    with _asked(primary, candidate, place) as (port, asker):
        mirrored = wrk(f"http://127.0.0.1:{port}/", seconds, CONNECTIONS)
    with nothing(primary, candidate, place) as running:
        alone = wrk(f"http://127.0.0.1:{running.port}/", seconds, CONNECTIONS)
    return mirrored.p99, alone.p99, mirrored.errors, asker.count


@contextmanager
def _asked(primary: int, candidate: int, place: Path) -> Iterator[tuple[int, Asker]]:
    first, second = Upstream("v1", "127.0.0.1", primary), Upstream("v2", "127.0.0.1", candidate)
    relay = Relay(Routing(first, second, first, second), directory=place / "spool", run_id="b", timeout=10, limits=Limits())
    relay.start()
    asker = Asker(relay, place / "spool")
    try:
        url = relay.open_entry("benchmark")
        asker.start()
        yield int(url.rpartition(":")[2]), asker
        asker.close()
    finally:
        relay.stop()
