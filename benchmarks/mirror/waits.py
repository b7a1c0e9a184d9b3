"""How long a run waits at its two ends: python benchmarks/mirror/waits.py [MIRROR ...] [--service NAMESPACE/NAME:PORT]

From pytest's start to the first verdict, and from the last test's end to the prompt; the versions are commands, images for
the mirror `docker`, and for those of a cluster the pods of a Service there with the labels `version: v1` and `version: v2`,
which answer alike. Medians of some runs, one mirror after the other in each round.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

ROUNDS = 3
MIRRORS = ("local", "envoy", "docker")
OF_A_CLUSTER = ("kubernetes", "istio", "gateway-api")
SERVE = ("-m", "http.server", "--bind")
HOOKS = """
import pathlib, time

def note(name):
    with pathlib.Path("times").open("a") as file:
        file.write(f"{name} {time.time()}\\n")

def pytest_shadowdiff_judged(pair):
    note("verdict")

def pytest_runtest_logfinish():
    note("end")
"""
TESTS = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_page(shadow, number):
    assert shadow.get("/").status_code == 200
"""


def target(mirror: str, version: str) -> Mapping[str, object]:
    if mirror in OF_A_CLUSTER:
        return {"workload.labels.version": version}
    if mirror == "docker":
        return {"image": "python:3.11-slim", "command": ["python", *SERVE, "0.0.0.0", "8000"], "port": 8000, "ready": "/"}  # noqa: S104
    return {"command": [sys.executable, *SERVE, "127.0.0.1", "{port}"], "ready": "/"}


def measured(mirror: str, service: Mapping[str, object], folder: Path) -> tuple[float, float]:
    """Seconds to the first verdict, and from the last test to the prompt."""
    lines = ["[tool.shadowdiff]"]
    if mirror in OF_A_CLUSTER:
        lines += ["[tool.shadowdiff.service]", *(f"{key} = {json.dumps(value)}" for key, value in service.items())]
    for name in ("v1", "v2"):
        lines += [f"[tool.shadowdiff.targets.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in target(mirror, name).items())]
    (folder / "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")
    (folder / "conftest.py").write_text(HOOKS, encoding="utf-8")
    (folder / "test_page.py").write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "--shadow-target=v2", f"--shadow-mirror={mirror}"]
    begun = time.time()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    ended = time.time()
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    noted = [(name, float(moment)) for name, moment in map(str.split, (folder / "times").read_text(encoding="utf-8").splitlines())]
    first = next(moment for name, moment in noted if name == "verdict")
    last = max(moment for name, moment in noted if name == "end")
    return first - begun, ended - last


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mirrors", nargs="*", default=MIRRORS)
    parser.add_argument("--service", default="default/shop:80")
    given = parser.parse_args()
    namespace, _, rest = given.service.partition("/")
    name, _, port = rest.partition(":")
    service = {"name": name, "namespace": namespace, "port": int(port)}
    mirrors = list(given.mirrors)
    found: dict[str, list[tuple[float, float]]] = {mirror: [] for mirror in mirrors}
    for _ in range(ROUNDS):
        for mirror, rows in found.items():
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measured(mirror, service, Path(folder)))
    for mirror, rows in found.items():
        first, last = (median(row[at] for row in rows) for at in (0, 1))
        print(f"{mirror:11} start to first verdict {first:.2f} s, last test to prompt {last:.2f} s")


if __name__ == "__main__":
    main()
