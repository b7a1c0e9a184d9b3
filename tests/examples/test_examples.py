"""Each example as a user runs it: the commands of its README, in its folder, with the exit statuses that stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(folder.name for folder in EXAMPLES.glob("0[1-4]-*"))
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)\n(?:exit status (\d+)\n)?", re.MULTILINE)
INSTALL = "python -m pip install"

pytestmark = [pytest.mark.once, pytest.mark.timeout(900)]


def run(example: Path, command: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SHADOWDIFF_"))}
    environment = {**ours, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{ours['PATH']}"}
    words = ["sh", "-c", command]
    return subprocess.run(words, cwd=example, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def judged(example: Path, command: str, tmp_path: Path) -> dict[str, tuple[str, list[str]]]:
    """By test: the verdict of its last pair, and the paths that differ."""
    report = tmp_path / "report.json"
    done = run(example, f"{command} --shadow-report=json:{report}")
    assert report.exists(), done.stdout + done.stderr
    return {
        pair["test"].partition("::")[2]: (pair["verdict"], sorted({difference["path"] for difference in pair["differences"]}))
        for pair in json.loads(report.read_text(encoding="utf-8"))["pairs"]
    }


def session(readme: str) -> str:
    """The commands of a README as one shell session that ends where one does not end as it says; what only installs is here already."""
    commands = [found for block in CONSOLE.findall(readme) for found in COMMAND.findall(block)]
    own = any(".venv/bin/activate" in command for command, _ in commands)
    steps = [(command, status or "0") for command, status in commands if own or not command.startswith(INSTALL)]
    checks = "test $got = {status} || {{ echo 'ended with' $got 'instead of {status}'; exit 1; }}"
    return "\n".join(f"echo '$ {command}'\n{command}\ngot=$?\n{checks.format(status=status)}" for command, status in steps)


@pytest.mark.parametrize("example", NAMES)
def test_the_commands_of_its_readme_end_as_it_says(example: str) -> None:
    done = run(EXAMPLES / example, session((EXAMPLES / example / "README.md").read_text(encoding="utf-8")))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", NAMES)
def test_it_is_a_project_of_its_own(example: str) -> None:
    folder = EXAMPLES / example
    assert (folder / "pyproject.toml").exists()
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (folder / link).exists(), link


def test_the_quickstart_shows_what_the_release_changed_and_nothing_else(tmp_path: Path) -> None:
    example = EXAMPLES / "01-quickstart"
    assert run(example, "python run.py").returncode == 0, "it sets the two releases up"
    shown = judged(example, "python -m pytest -q --shadow-target=v2", tmp_path)
    changed = {test: paths for test, (verdict, paths) in shown.items() if verdict == "different"}
    assert sorted(changed) == ["test_redirect", "test_sample_document"]
    assert changed["test_sample_document"][-1] == "status"
    assert "header:location" in [path.lower() for path in changed["test_redirect"]]
    assert {test: verdict for test, (verdict, _) in shown.items() if test not in changed} == {
        "test_headers": "same",
        "test_arguments": "same",
        "test_uuid": "noise",
        "test_login_is_asked_for": "noise",
        "test_compressed": "same",
        "test_teapot": "same",
    }


def test_the_quickstart_with_one_release_on_both_sides_is_clean(tmp_path: Path) -> None:
    example = EXAMPLES / "01-quickstart"
    assert run(example, "python run.py").returncode == 0, "it sets the two releases up"
    shown = judged(example, "python -m pytest -q --shadow-target=v1", tmp_path)
    assert {verdict for verdict, _ in shown.values()} == {"same", "noise"}


def test_the_own_services_regression_is_found_and_its_fix_is_clean(tmp_path: Path) -> None:
    example = EXAMPLES / "02-own-service"
    shown = judged(example, "pytest -q --shadow-target=v2", tmp_path)
    assert shown["test_an_order_says_what_it_costs[7]"] == ("different", ["$.total"])
    assert [test for test, (verdict, _) in shown.items() if verdict == "different"] == ["test_an_order_says_what_it_costs[7]"]
    assert shown["test_an_order_can_be_placed"][0] == "skipped"
    mended = judged(example, "pytest -q --shadow-target=v2-fixed --shadow-allow-unsafe", tmp_path)
    assert not {verdict for verdict, _ in mended.values()} & {"different", "incomplete", "skipped"}


def test_the_gate_names_the_crash_in_junit(tmp_path: Path) -> None:
    from xml.etree import ElementTree as ET

    junit = tmp_path / "junit.xml"
    assert run(EXAMPLES / "04-ci-gate", f"pytest -q --shadow-target=crashing --junitxml={junit}").returncode == 1
    cases = {case.get("name"): case for case in ET.parse(junit).iter("testcase")}  # noqa: S314 - our own file
    error = cases["test_price[2]"].find("error")
    assert error is not None
    assert "no verdict" in str(error.get("message"))
    assert "the candidate crashing" in str(error.text)
    verdicts = {item.get("name"): item.get("value") for item in cases["test_price[2]"].iter("property")}
    assert verdicts == {"shadowdiff.incomplete": "1"}
    assert cases["test_price[1]"].find("error") is None
