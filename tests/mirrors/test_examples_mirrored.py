"""The examples for people who begin, behind every mirror of this machine: pair by pair the verdicts that `local` comes to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.mirrors.conftest import needs_envoy

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [pytest.mark.once, pytest.mark.timeout(900)]


def run(example: Path, *words: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SHADOWDIFF_"))}
    environment = {**ours, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{ours['PATH']}"}
    return subprocess.run(words, cwd=example, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def judged(example: Path, mirror: str, report: Path) -> list[tuple[str, str, str, list[str]]]:
    """Each pair: its test, its URL, its verdict, and where it differs."""
    done = run(
        example,
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--shadow-target=v2",
        f"--shadow-mirror={mirror}",
        f"--shadow-report=json:{report}",
    )
    assert report.exists(), done.stdout + done.stderr
    found: Any = json.loads(report.read_text(encoding="utf-8"))
    assert found["mirror"] == mirror
    return sorted(
        (pair["test"], pair["request"]["url"], pair["verdict"], sorted(one["path"].lower() for one in pair["differences"]))
        for pair in found["pairs"]
    )


@pytest.mark.parametrize("example", ["01-quickstart", "02-own-service"])
@pytest.mark.parametrize("mirror", [pytest.param("envoy", marks=needs_envoy), pytest.param("docker", marks=pytest.mark.docker)])
def test_the_verdicts_are_those_of_the_mirror_local(tmp_path: Path, example: str, mirror: str) -> None:
    folder = EXAMPLES / example
    if (folder / "run.py").exists():
        assert run(folder, sys.executable, "run.py").returncode == 0
    local = judged(folder, "local", tmp_path / "local.json")
    assert {verdict for _, _, verdict, _ in local} >= {"same", "different"}
    assert judged(folder, mirror, tmp_path / "mirrored.json") == local
