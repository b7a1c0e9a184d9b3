"""The bench of judgement: `python benchmarks/judgement --calls 5 20 100 --seeds 3 [--held-out | --tuned] [--only NAME] [--json FILE]`.

It takes seeded faults and clean noise, lets the same traffic pass two versions, and counts what each way of judging finds and on what it
cries wolf. A third of all kinds, chosen by a checksum of their names, is set aside: nothing was tuned on it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

sys.path.insert(0, str(Path(__file__).parent))

from clean import CLEAN
from faulty import FAULTS, Fault
from traffic import Run, run

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[5, 20, 100])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    def wanted(name: str) -> bool:
        if options.only:
            return options.only in name
        return not (options.held_out and not held_out(name)) and not (options.tuned and held_out(name))

    seeds = range(options.first_seed, options.first_seed + options.seeds)
    rows: list[dict[str, object]] = []
    for calls in options.calls:
        alarms: dict[str, list[bool]] = defaultdict(list)
        found: dict[str, list[bool]] = defaultdict(list)
        asked = seconds = total = 0.0
        for name in filter(wanted, CLEAN):
            for seed in seeds:
                done = run(name, calls, seed)
                asked, seconds, total = asked + done.asked, seconds + done.seconds, total + calls
                for way, paths in said(done).items():
                    alarms[way].append(bool(paths))
                rows.append(
                    {"clean": name, "calls": calls, "seed": seed, "held_out": held_out(name), **{w: bool(p) for w, p in said(done).items()}}
                )
                if done.alarmed:
                    print(f"  FALSE ALARM {name} calls={calls} seed={seed}{' (held out)' if held_out(name) else ''}")
                    for path in [*done.said, *done.findings]:
                        print(f"      {path} x{done.said.get(path, 0)}: {done.reasons.get(path) or done.findings.get(path)}")
        print(
            f"{calls} calls, clean: {asked / max(total, 1):.2f} extra requests a call, {seconds / max(total, 1) * 1e3:.2f} ms of CPU a pair"
        )
        asked = seconds = total = 0.0
        for name, fault in FAULTS.items():
            if not wanted(name) or (fault.spread and calls < 100):  # noqa: PLR2004 - the number of calls at which a distribution has to show
                continue
            for seed in seeds:
                done = run(fault, calls, seed)
                asked, seconds, total = asked + done.asked, seconds + done.seconds, total + calls
                if not done.showed:
                    continue
                for way, paths in said(done).items():
                    found[way].append(hit(fault, paths))
                rows.append(
                    {
                        "fault": name,
                        "calls": calls,
                        "seed": seed,
                        "held_out": held_out(name),
                        "spread": fault.spread,
                        **{w: hit(fault, p) for w, p in said(done).items()},
                    }
                )
                if not hit(fault, said(done)["shadowdiff"]):
                    print(f"  MISSED {name} calls={calls} seed={seed}, showed in {done.showed}{' (held out)' if held_out(name) else ''}")
                    for path in [*done.said, *done.findings]:
                        print(f"      said instead: {path}: {done.reasons.get(path) or done.findings.get(path)}")
                elif options.verbose:
                    for path in [*done.said, *done.findings]:
                        print(f"  {name}: {path} x{done.said.get(path, 0)}: {done.reasons.get(path) or done.findings.get(path)}")
        print(
            f"{calls} calls, faults: {asked / max(total, 1):.2f} extra requests a call, {seconds / max(total, 1) * 1e3:.2f} ms of CPU a pair"
        )
        for way in WAYS:
            print(
                f"  {way:10}  found {interval(sum(found[way]), len(found[way])):42}  false alarms {interval(sum(alarms[way]), len(alarms[way]))}"
            )
    if options.json:
        options.json.write_text(json.dumps(rows))


main()
