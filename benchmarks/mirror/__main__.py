"""The relay next to other mirrors: `python benchmarks/mirror --help`."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from faults import faults
from load import Measured, wrk
from machine import cpu_seconds, description
from many import many
from peers import MissingError, Peer, Running
from peers.envoy import files, stream
from peers.others import goreplay, mitmproxy, nginx_mirror
from peers.ours import nothing, relay
from upstreams import two_nginx

PEERS: dict[str, Peer] = {
    "nothing": nothing,
    "relay": relay,
    "envoy-files": files,
    "envoy-stream": stream,
    "mitmproxy": mitmproxy,
    "nginx": nginx_mirror,
    "goreplay": goreplay,
}
QUIET_SECONDS = 3.0


def recorded(running: Running, wanted: int) -> tuple[int, float]:
    """Pairs recorded and decoded, once there are as many as requests or no more come; and when the last of them came."""
    if running.recorded is None:
        return wanted, time.monotonic()
    count, since = running.recorded(), time.monotonic()
    while count < wanted and time.monotonic() < since + QUIET_SECONDS:
        time.sleep(0.05)
        now = running.recorded()
        if now != count:
            count, since = now, time.monotonic()
    return count, since


def measure(peer: Peer, ports: tuple[int, int], seconds: float) -> dict[str, float]:
    """One round of one peer: 16 connections for the rate and the CPU, then one for the latency."""
    with tempfile.TemporaryDirectory() as place, peer(*ports, Path(place)) as running:
        url = f"http://127.0.0.1:{running.port}/"
        before, read_before = cpu_seconds(running.pids), cpu_seconds(list(running.readers))
        begun = time.monotonic()
        loaded: Measured = wrk(url, seconds, 16)
        pairs, ended = recorded(running, loaded.requests)
        cpu, read = cpu_seconds(running.pids) - before, cpu_seconds(list(running.readers)) - read_before
        single = wrk(url, seconds / 2, 1)
    return {
        "rate": loaded.rate if running.recorded is None else pairs / (ended - begun),
        "answered": loaded.rate,
        "cpu_us": cpu / max(1, pairs) * 1e6,
        "reader_us": read / max(1, pairs) * 1e6,
        "p50_ms": single.p50,
        "p99_ms": loaded.p99,
        "share": min(1.0, pairs / max(1, loaded.requests)),
    }


def compare(names: list[str], seconds: float, rounds: int) -> dict[str, dict[str, float]]:
    """All peers in turn, several times over; the medians."""
    rows: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as place, two_nginx(Path(place)) as ports:
        for number in range(rounds):
            for name in list(names):
                try:
                    row = measure(PEERS[name], ports, seconds)
                except MissingError as error:
                    print(f"{name:13} left out: {error}")
                    names.remove(name)
                    continue
                rows.setdefault(name, []).append(row)
                print(f"round {number + 1} {name:13} {row['rate']:8.0f} pairs/s {row['cpu_us']:7.0f} µs", flush=True)
    return {name: {key: statistics.median(row[key] for row in found) for key in found[0]} for name, found in rows.items()}


def shown(results: dict[str, dict[str, float]]) -> None:
    """The table, and the ratios of the goals."""
    base = results.get("nothing", {}).get("p50_ms", float("nan"))
    print(
        f"\n{'mirror':13} {'pairs/s':>9} {'answered/s':>10} {'CPU µs':>7} {'reader':>9} {'added p50':>10} {'recorded':>9} {'relay is':>9}"
    )
    ours = results.get("relay", {}).get("rate", float("nan"))
    for name, row in results.items():
        added, times = row["p50_ms"] - base, ours / row["rate"] if row["rate"] else float("inf")
        costs = f"{row['answered']:10.0f} {row['cpu_us']:7.0f} {row['reader_us']:9.0f}"
        print(f"{name:13} {row['rate']:9.0f} {costs} {added:7.2f} ms {row['share']:9.1%} {times:8.1f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load for each peer and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="names of peers, with commas between")
    parser.add_argument("--mitmdump", help="path of mitmproxy's program")
    parser.add_argument("--faults", action="store_true", help="the caller's p99 while the candidate fails")
    parser.add_argument("--fidelity", action="store_true", help="which byte-level cases come through unchanged")
    parser.add_argument("--requests", type=int, help="so many requests through the relay, with memory and pairs counted")
    parser.add_argument("--restarts", type=float, default=0.0, help="with --requests: the candidate is restarted every so many seconds")
    options = parser.parse_args()
    if options.mitmdump:
        os.environ["MITMDUMP"] = options.mitmdump
    out: dict[str, object] = {"machine": description(), "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    out["asked"] = {name: value for name, value in vars(options).items() if value and name != "mitmdump"}
    with ExitStack():
        if options.requests:
            out["requests"] = many(options.requests, options.restarts)
        elif options.fidelity:
            sys.path.append(str(Path(__file__).parents[2]))  # its cases are the tests'
            from fidelity import fidelity

            names = options.only.split(",") if options.only else ["relay", "envoy-stream", "nginx"]
            out["fidelity"] = fidelity({name: PEERS[name] for name in names})
        elif options.faults:
            out["faults"] = faults(options.seconds, options.rounds)
        else:
            results = compare(options.only.split(",") if options.only else list(PEERS), options.seconds, options.rounds)
            shown(results)
            out["mirrors"] = results
    place = Path(__file__).parent / "results"
    place.mkdir(exist_ok=True)
    file = place / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
    file.write_text(json.dumps(out, indent=1) + "\n", "utf-8")
    print(f"\nkept in {file}")


if __name__ == "__main__":
    main()
