"""The founding document's example as a user runs it: each command of its README, and what it shows of both versions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "07-founding-document"
COMMAND = re.compile(r"^\$ (pytest .+)\n(?:exit status (\d+)\n)?", re.MULTILINE)
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
COMMANDS = COMMAND.findall(README)

pytestmark = [pytest.mark.once, pytest.mark.docker, pytest.mark.timeout(600)]

VERDICTS: list[set[str]] = [set(), {"skipped"}, {"same"}, {"partial"}, {"different"}, {"incomplete"}, {"incomplete"}]


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_a_command_ends_as_the_readme_says(number: int, tmp_path: Path) -> None:
    command, status = COMMANDS[number]
    report = tmp_path / "report.json"
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SHADOWDIFF_"))}
    environment = {**ours, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{ours['PATH']}"}
    words = ["sh", "-c", f"{command} --shadow-report=json:{report} -p no:cacheprovider"]
    done = subprocess.run(words, cwd=EXAMPLE, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == int(status or 0), done.stdout + done.stderr
    pairs: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["pairs"] if report.exists() else []
    assert {pair["verdict"] for pair in pairs} == VERDICTS[number]


def test_each_step_has_its_verdict() -> None:
    assert len(COMMANDS) == len(VERDICTS)


def test_its_files_are_the_pages_own(data: Path) -> None:
    page = (data / "seed" / "istio-mirroring.md").read_text(encoding="utf-8")
    for at, text in enumerate(re.findall(r"kubectl apply -f - <<EOF\n(.*?)EOF", page, re.DOTALL)):
        assert (EXAMPLE / f"step-{at + 1}.yaml").read_text(encoding="utf-8") == text


def test_its_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (EXAMPLE / link).exists(), link
