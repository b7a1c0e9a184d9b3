"""The caller's latency behind the mirror `envoy` while the candidate fails: python benchmarks/mirror/faults_behind_envoy.py [SECONDS]

The primary takes 10 to 30 ms. Kinds of candidates take turns in each round; medians of the rounds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from load import wrk
from upstreams import server

from pytest_shadowdiff import mirror, tap
from pytest_shadowdiff.backends import MirrorPlan, TapPlan
from pytest_shadowdiff.model import Point, Role, Upstream
from pytest_shadowdiff.relay import Relay
from pytest_shadowdiff.settings import Settings, Target

CANDIDATES = ("10-30ms", "hangs", "resets")
CONNECTIONS = 16
ROUNDS = 3


def measured(primary: int, candidate: int, place: Path, seconds: float) -> tuple[float, int]:
    """The caller's p99 in milliseconds, and errors that it met."""
    first, second = Upstream("v1", "127.0.0.1", primary), Upstream("v2", "127.0.0.1", candidate)
    settings = Settings(primary=Target("v1", url="http://127.0.0.1"), candidate=Target("v2", url="http://127.0.0.1"), mirror="envoy")
    roles: tuple[Role, Role] = ("primary", "candidate")
    with ExitStack() as stack:
        made = mirror.create("envoy", MirrorPlan(settings, "b", place, first, second))
        stack.callback(made.stop)
        relay = Relay(made.start(), directory=place / "spool", run_id="b", timeout=10, limits=settings.limits)
        stack.callback(relay.stop)
        relay.start()
        watching = tap.create("envoy", TapPlan(settings, "b", place / "spool", made.points({role: Point(role, role) for role in roles})))
        stack.callback(watching.stop)
        watching.start()
        load = wrk(relay.open_entry("t") + "/", seconds, CONNECTIONS)
    return load.p99, load.errors


def main(seconds: float) -> None:
    """Measure and print."""
    rows: dict[str, list[tuple[float, int]]] = {behaviour: [] for behaviour in CANDIDATES}
    for _ in range(ROUNDS):
        for behaviour, found in rows.items():
            with tempfile.TemporaryDirectory() as name:
                place = Path(name)
                with server("10-30ms", place / "primary") as primary, server(behaviour, place / "candidate") as candidate:
                    (place / "run").mkdir()
                    found.append(measured(primary, candidate, place / "run", seconds))
    healthy = statistics.median(p99 for p99, _ in rows[CANDIDATES[0]])
    for behaviour, found in rows.items():
        p99 = statistics.median(p99 for p99, _ in found)
        print(f"candidate {behaviour:8} p99 {p99:6.1f} ms, {p99 / healthy:.2f} times healthy, {sum(errors for _, errors in found)} errors")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0)
