"""The caller's latency while the candidate fails: a primary that takes 10 to 30 ms, half the load that saturates it."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from load import wrk
from peers.ours import nothing, relay
from upstreams import server

CANDIDATES = ("10-30ms", "500ms", "hangs", "refuses", "resets")
CONNECTIONS = 16


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
                errors = sum(row[2] for row in rows)
                results[behaviour] = {"relay_p99_ms": with_it, "nothing_p99_ms": without, "ratio": with_it / without, "errors": errors}
                ratio = with_it / without
                print(f"candidate {behaviour:8} p99 {with_it:6.1f} ms, alone {without:6.1f} ms: {ratio:.2f}x, {errors:.0f} errors")
    return results


def _once(primary: int, candidate: int, place: Path, seconds: float) -> tuple[float, float, int]:
    place.mkdir()
    with relay(primary, candidate, place) as running:
        mirrored = wrk(f"http://127.0.0.1:{running.port}/", seconds, CONNECTIONS)
    with nothing(primary, candidate, place) as running:
        alone = wrk(f"http://127.0.0.1:{running.port}/", seconds, CONNECTIONS)
    return mirrored.p99, alone.p99, mirrored.errors
