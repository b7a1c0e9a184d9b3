"""The mirror `envoy` with its tap next to the mirror `local`: python benchmarks/mirror/behind_envoy.py [SECONDS]

Both as a run has them: the relay in front, the spool behind. Every pair has to be accounted for. CPU is that of the relay,
of Envoy, and of this process, which reads the tap.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from load import wrk
from machine import cpu_seconds
from upstreams import BODY, free_port, nginx

from pytest_shadowdiff import mirror, tap
from pytest_shadowdiff.backends import MirrorPlan, TapPlan
from pytest_shadowdiff.model import Point, Role, Upstream
from pytest_shadowdiff.relay import Relay
from pytest_shadowdiff.settings import Settings, Target
from pytest_shadowdiff.spool import Opened, Reader, Seen, Skipped

CONNECTIONS = 16
ROUNDS = 3
LATE_SECONDS = 10.0


def measured(name: str, place: Path, seconds: float) -> dict[str, float]:
    with ExitStack() as stack:
        ports = [free_port(), free_port()]
        for number, port in enumerate(ports, 1):
            block = f"server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ return 200 '{BODY}'; }} }}"
            stack.enter_context(nginx(block, place / f"v{number}", port))
        begun = time.perf_counter()
        first, second = (Upstream(f"v{number}", "127.0.0.1", port) for number, port in enumerate(ports, 1))
        settings = Settings(primary=Target("v1", url="http://127.0.0.1"), candidate=Target("v2", url="http://127.0.0.1"), mirror=name)
        made = mirror.create(name, MirrorPlan(settings, "b", place, first, second))
        stack.callback(made.stop)
        spool = place / "spool"
        relay = Relay(made.start(), directory=spool, run_id="b", timeout=10, limits=settings.limits)
        stack.callback(relay.stop)
        relay.start()
        roles: tuple[Role, Role] = ("primary", "candidate")
        points = made.points({role: Point(role, role) for role in roles})
        watching = tap.create(mirror.MIRRORS[name].taps[0], TapPlan(settings, "b", spool, points))
        stack.callback(watching.stop)
        watching.start()
        url = relay.open_entry("t")
        ready = time.perf_counter() - begun
        pids = [pid for pid in (relay.pid, *_children("envoy --config-path")) if pid]
        before, own = cpu_seconds(pids), time.process_time()
        load = wrk(url + "/", seconds, CONNECTIONS)
        relay.settle("t")
        watching.settle()
        spent = cpu_seconds(pids) - before
        reading = time.process_time() - own
        pairs, missing = _counted(spool)
        return {
            "ready": ready,
            "pairs/s": load.rate,
            "p50 ms": load.p50,
            "p99 ms": load.p99,
            "CPU us a pair": (spent + reading) / pairs * 1e6,
            "of it here": reading / pairs * 1e6,
            "pairs": pairs,
            "not whole": missing,
        }


def _counted(spool: Path) -> tuple[int, int]:
    """How many pairs are owed, and how many of them are not whole once copies on their way had time to be answered.

    Those whose caller left at the end of the load are not owed.
    """
    seen: Counter[str] = Counter()
    opened: set[str] = set()
    skipped: set[str] = set()
    reader = Reader(spool)
    until = time.monotonic() + LATE_SECONDS
    while True:
        for event in reader.events():
            if isinstance(event, Opened):
                opened.add(event.pair)
            elif isinstance(event, Skipped):
                skipped.add(event.pair)
            elif isinstance(event, Seen) and not event.exchange.problem and not event.exchange.truncated:
                seen[event.pair] += 1
        owed = opened - skipped
        missing = sum(seen[pair] != 2 for pair in owed)
        if not missing or time.monotonic() > until:
            return len(owed), missing
        time.sleep(0.05)


def _children(words: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, NotADirectoryError):
            continue
        if words in line and "supervisor.py" not in line and tempfile.gettempdir() in line:
            found.append(int(entry.name))
    return found


def main(seconds: float) -> None:
    found: dict[str, list[dict[str, float]]] = {"local": [], "envoy": []}
    for _ in range(ROUNDS):
        for name, rows in found.items():
            with tempfile.TemporaryDirectory() as place:
                rows.append(measured(name, Path(place), seconds))
    for name, rows in found.items():
        print(name, {key: round(sorted(row[key] for row in rows)[ROUNDS // 2], 3) for key in rows[0]}, [row["not whole"] for row in rows])


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
