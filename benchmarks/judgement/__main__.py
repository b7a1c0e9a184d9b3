"""The bench of judgement: `python benchmarks/judgement --calls 5 20 100 --seeds 3 [--held-out | --tuned] [--only NAME] [--json FILE]`.

It takes seeded faults and clean noise, lets the same traffic pass two versions, and counts what each way of judging finds and on what it
cries wolf. A third of all kinds, chosen by a checksum of their names, is set aside: nothing was tuned on it.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

from clean import CLEAN
from faulty import FAULTS, Fault
from traffic import Run, run

SPREAD_SHOWS = 100
"""Calls at which what only a distribution shows has to be found."""
WAYS = ("shadowdiff", "diffy", "masking", "deepdiff")


def _third(names: Iterable[str]) -> set[str]:
    ordered = sorted(names, key=lambda name: crc32(name.encode()))
    return set(ordered[: (len(ordered) + 2) // 3])


HELD_OUT = _third(CLEAN) | _third(FAULTS)


def held_out(name: str) -> bool:
    return name in HELD_OUT


def interval(hits: int, of: int) -> str:
    """Share with Wilson's 95 % interval."""
    if not of:
        return "-"
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return f"{share:7.2%} ({hits}/{of}, {max(middle - half, 0):.1%} to {min(middle + half, 1):.1%})"


def said(done: Run) -> dict[str, set[str]]:
    return {
        "shadowdiff": set(done.said) | set(done.findings),
        "diffy": done.rivals.diffy(),
        "masking": done.rivals.masking,
        "deepdiff": done.rivals.deep,
    }


def hit(fault: Fault, paths: Iterable[str]) -> bool:
    """At the place where the fault is; a whole body that became another counts for any place in it."""
    return any(path.startswith(fault.at) or (path in ("body", "$", "status")) for path in paths)


class Tally:
    """What was found and what alarmed, by way of judging, at one number of calls."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.alarms: dict[str, list[bool]] = defaultdict(list)
        self.found: dict[str, list[bool]] = defaultdict(list)
        self.rows: list[dict[str, object]] = []
        self.asked = self.seconds = self.pairs = 0.0

    def clean(self, name: str, seed: int) -> None:
        done = self._run(run(name, self.calls, seed))
        for way, paths in said(done).items():
            self.alarms[way].append(bool(paths))
        self._row("clean", name, seed, {way: bool(paths) for way, paths in said(done).items()})
        if done.alarmed:
            self._tell("FALSE ALARM", done, seed)

    def faulty(self, fault: Fault, seed: int) -> None:
        done = self._run(run(fault, self.calls, seed))
        if not done.showed:
            return
        hits = {way: hit(fault, paths) for way, paths in said(done).items()}
        for way, found in hits.items():
            self.found[way].append(found)
        self._row("fault", fault.name, seed, hits)
        if not hits["shadowdiff"]:
            self._tell(f"MISSED (showed in {done.showed})", done, seed)

    def _run(self, done: Run) -> Run:
        self.asked, self.seconds, self.pairs = self.asked + done.asked, self.seconds + done.seconds, self.pairs + done.calls
        return done

    def _row(self, kind: str, name: str, seed: int, ways: dict[str, bool]) -> None:
        self.rows.append({kind: name, "calls": self.calls, "seed": seed, "held_out": held_out(name), **ways})

    def _tell(self, what: str, done: Run, seed: int) -> None:
        print(f"  {what} {done.name}, {self.calls} calls, seed {seed}{', held out' if held_out(done.name) else ''}")
        for path in [*done.said, *done.findings]:
            print(f"      {path} x{done.said.get(path, 0)}: {done.reasons.get(path) or done.findings.get(path)}")

    def cost(self, of: str) -> None:
        """Says what the pairs since the last call cost."""
        if not self.pairs:
            return
        asked, milliseconds = self.asked / self.pairs, self.seconds / self.pairs * 1e3
        print(f"{self.calls} calls, {of}: {asked:.2f} extra requests a call, {milliseconds:.2f} ms of CPU a pair")
        self.asked = self.seconds = self.pairs = 0.0


def tallied(calls: int, clean: list[str], faults: list[Fault], seeds: tuple[range, range]) -> Tally:
    """All kinds at one number of calls, said as it goes."""
    tally = Tally(calls)
    for name in clean:
        for seed in seeds[0]:
            tally.clean(name, seed)
    tally.cost("clean")
    for fault in faults:
        for seed in seeds[1] if not fault.spread or calls >= SPREAD_SHOWS else ():
            tally.faulty(fault, seed)
    tally.cost("faults")
    for way in WAYS:
        found, alarms = tally.found[way], tally.alarms[way]
        print(f"  {way:10}  found {interval(sum(found), len(found)):42}  false alarms {interval(sum(alarms), len(alarms))}")
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[5, 20, 100])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fault-seeds", type=int, help="other than for clean services")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="only the kinds set aside")
    parser.add_argument("--tuned", action="store_true", help="only the others")
    parser.add_argument("--only", default="", help="only kinds whose name holds this")
    parser.add_argument("--json", type=Path, help="write a row for each endpoint-run")
    options = parser.parse_args()

    def wanted(name: str) -> bool:
        return options.only in name and not (options.held_out and not held_out(name)) and not (options.tuned and held_out(name))

    first, seeds = options.first_seed, (options.seeds, options.fault_seeds or options.seeds)
    ranges = range(first, first + seeds[0]), range(first, first + seeds[1])
    clean, faults = list(filter(wanted, CLEAN)), [fault for name, fault in FAULTS.items() if wanted(name)]
    rows = [row for calls in options.calls for row in tallied(calls, clean, faults, ranges).rows]
    if options.json:
        options.json.write_text(json.dumps(rows))


main()
