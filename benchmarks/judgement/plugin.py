"""The bench through the whole plugin: two real servers, the mirror, one test a kind: `python benchmarks/judgement/plugin.py`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from clean import CLEAN
from faulty import FAULTS

HERE = Path(__file__).parent
TEST = """
import pytest

@pytest.mark.parametrize("kind", {kinds!r})
def test_kind(shadow, kind):
    for n in range({calls}):
        shadow.get(f"/{{kind}}/{{n % 6}}")
"""
CONFIGURATION = """
[tool.shadowdiff.targets.v1]
command = ["{python}", "{serve}", "{{port}}", "one"]
ready = "/ready"
[tool.shadowdiff.targets.v2]
command = ["{python}", "{serve}", "{{port}}", "two", "--faulty"]
ready = "/ready"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5)
    options = parser.parse_args()
    faults = [name for name, fault in FAULTS.items() if not fault.spread or options.calls >= 100]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "test_kinds.py").write_text(TEST.format(kinds=[*CLEAN, *faults], calls=options.calls))
        (place / "pyproject.toml").write_text(CONFIGURATION.format(python=sys.executable, serve=HERE / "serve.py"))
        command = [sys.executable, "-m", "pytest", "-q", "--shadow-target=v2", "--shadow-report=json:run.json", "-p", "no:cacheprovider"]
        done = subprocess.run(command, cwd=place, check=False, capture_output=True, text=True)
        if not (place / "run.json").exists():
            sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
        report = json.loads((place / "run.json").read_text())
    by_kind: dict[str, set[str]] = {}
    for pair in report["pairs"]:
        kind = pair["request"]["url"].strip("/").split("/")[0]
        by_kind.setdefault(kind, set()).add(pair["verdict"])
        if kind in CLEAN and pair["verdict"] in ("different", "incomplete"):
            print(f"FALSE ALARM {kind}: {pair['verdict']}: {pair['reason'][:300]}")
    findings = {finding["endpoint"].split("/")[1]: finding["what"] for finding in report["findings"]}
    alarms = [kind for kind in CLEAN if by_kind.get(kind, set()) & {"different", "incomplete"} or kind in findings]
    found = [kind for kind in faults if "different" in by_kind.get(kind, set()) or kind in findings]
    print("findings:", findings)
    print(f"missed: {sorted(set(faults) - set(found))}")
    print(f"found {len(found)} of {len(faults)}; false alarms on {len(alarms)} of {len(CLEAN)} clean endpoints; {report['summary']}")


main()
