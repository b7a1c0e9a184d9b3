"""The examples with Envoy and with images as a user runs them: the commands of the README, with the exit statuses that stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.mirrors.conftest import needs_envoy

EXAMPLES = Path(__file__).parents[2] / "examples"
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)\n(?:exit status (\d+)\n)?", re.MULTILINE)

pytestmark = [pytest.mark.once, pytest.mark.timeout(900)]


def run(example: Path, command: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SHADOWDIFF_"))}
    environment = {**ours, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{ours['PATH']}"}
    words = ["sh", "-c", command]
    return subprocess.run(words, cwd=example, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("example", [pytest.param("05-envoy", marks=needs_envoy), pytest.param("06-docker", marks=pytest.mark.docker)])
def test_the_commands_of_its_readme_end_as_it_says_and_find_the_one_difference(example: str, tmp_path: Path) -> None:
    folder = EXAMPLES / example
    readme = (folder / "README.md").read_text(encoding="utf-8")
    commands = [found for block in CONSOLE.findall(readme) for found in COMMAND.findall(block)]
    assert len(commands) >= 4
    for number, (command, status) in enumerate(commands):
        if command.startswith("python -m pip install"):
            continue
        report = tmp_path / f"{number}.json"
        judged = command.startswith("pytest")
        done = run(folder, f"{command} --shadow-report=json:{report} -p no:cacheprovider" if judged else command)
        assert done.returncode == int(status or 0), done.stdout + done.stderr
        if judged:
            pairs: Any = json.loads(report.read_text(encoding="utf-8"))["pairs"]
            found = [(pair["request"]["url"], [one["path"] for one in pair["differences"]]) for pair in pairs if pair["differences"]]
            assert found == ([("/articles/nut", ["$.quantity"])] if status else [])
            assert {pair["verdict"] for pair in pairs} <= {"same", "different", "skipped"}


@pytest.mark.parametrize("example", ["05-envoy", "06-docker"])
def test_it_is_a_project_of_its_own(example: str) -> None:
    folder = EXAMPLES / example
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (folder / link).exists(), link
