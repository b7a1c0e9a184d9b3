"""Many requests: memory stays flat, and each of them is accounted for."""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from load import wrk
from machine import cpu_seconds, memory
from upstreams import BODY, free_port, nginx

from pytest_shadowdiff.model import Upstream
from pytest_shadowdiff.relay import Relay, Routing
from pytest_shadowdiff.settings import Limits
from pytest_shadowdiff.spool import Opened, Reader, Seen, Skipped

WARM = 50_000


class Counted:
    """Reads the spool behind the relay, as a run does, and counts."""

    def __init__(self, spool: Path) -> None:
        self.opened = self.primary = self.candidate = self.skipped = self.problems = 0
        self.owed: dict[str, int] = {}
        self._reader = Reader(spool, finished="delete")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._read()
            time.sleep(0.02)

    def _read(self) -> None:
        for event in self._reader.events():
            if isinstance(event, Opened):
                self.opened += 1
                self.owed[event.pair] = 2
            elif isinstance(event, Skipped):
                self.skipped += 1
                self.owed.pop(event.pair)
            elif isinstance(event, Seen):
                self.problems += bool(event.exchange.problem)
                if event.role == "primary":
                    self.primary += 1
                else:
                    self.candidate += 1
                self._seen(event.pair)

    def _seen(self, pair: str) -> None:
        if pair in self.owed:
            self.owed[pair] -= 1
            if not self.owed[pair]:
                del self.owed[pair]

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._read()


def many(requests: int, restarts: float) -> dict[str, float]:
    """So many requests; the candidate restarted every `restarts` seconds, where that is not 0."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        place = Path(name)
        ports = [free_port(), free_port()]
        blocks = [f"server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ return 200 '{BODY}'; }} }}" for port in ports]
        stack.enter_context(nginx(blocks[0], place / "v1", ports[0]))
        ended = threading.Event()
        candidate = threading.Thread(target=_candidate, args=(blocks[1], place, ports[1], restarts, ended))
        candidate.start()
        stack.callback(candidate.join)
        stack.callback(ended.set)
        first, second = (Upstream(f"v{number}", "127.0.0.1", port) for number, port in enumerate(ports, 1))
        relay = Relay(Routing(first, second, first, second), directory=place / "spool", run_id="b", timeout=10, limits=Limits())
        relay.start()
        stack.callback(relay.stop)
        return _run(relay, place / "spool", requests)


def _run(relay: Relay, spool: Path, requests: int) -> dict[str, float]:
    url = relay.open_entry("many")
    pid = relay.pid
    assert pid is not None
    counted = Counted(spool)
    sent = errors = 0
    held: list[int] = []
    loaded = 0.0
    cpu = cpu_seconds([pid])
    while sent < requests:
        begun = time.monotonic()
        done = wrk(url + "/", 5, 16)
        loaded += time.monotonic() - begun
        sent += done.requests
        errors += done.errors
        if sent >= WARM:
            held.append(memory([pid]))
        print(f"{sent:9} requests, relay {memory([pid]) / 1e6:.1f} MB", flush=True)
    relay.settle("many")
    until = time.monotonic() + 20
    while counted.owed and time.monotonic() < until:
        time.sleep(0.1)
    held.append(memory([pid]))
    cpu = cpu_seconds([pid]) - cpu
    counted.close()
    result: dict[str, float] = {
        "answered": sent,
        "answered_a_second": round(sent / loaded),
        "opened": counted.opened,
        "primary": counted.primary,
        "candidate": counted.candidate,
        "skipped": counted.skipped,
        "with_a_problem": counted.problems,
        "not_accounted_for": len(counted.owed),
        "caller_errors": errors,
        "cpu_us": cpu / sent * 1e6,
        "memory_after_50000": held[0],
        "memory_in_the_middle": held[len(held) // 2],
        "memory_at_the_end": held[-1],
        "memory_at_most": max(held),
    }
    print(result)
    return result


def _candidate(block: str, place: Path, port: int, restarts: float, ended: threading.Event) -> None:
    number = 0
    while not ended.is_set():
        number += 1
        with nginx(block, place / f"v2-{number}", port):
            ended.wait(restarts or None)
