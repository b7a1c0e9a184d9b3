"""The command line as a whole, and `shadowdiff report`."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from pytest_shadowdiff.cli import COMMANDS, main

REPORT = {
    "schema": 1, "primary": "v1", "candidate": "v2", "mirror": "local", "endpoints": [], "findings": [], "pairs": [],
    "summary": {"pairs": 0, "same": 0, "noise": 0, "accepted": 0, "partial": 0, "different": 0, "incomplete": 0, "skipped": 0},
}  # fmt: skip


def test_the_command_is_installed() -> None:
    (command,) = entry_points(group="console_scripts", name="shadowdiff")
    assert command.load() is main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert all(f"    {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["dif"], ["report"], ["report", "x", "--format=pdf"]])
def test_a_wrong_command_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 4
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("form, file", [("html", "shadowdiff-report.html"), ("markdown", "shadowdiff-report.md")])
def test_report(form: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(REPORT))
    assert main(["report", "run.json", f"--format={form}"]) == 0
    assert (tmp_path / file).stat().st_size
    assert file in capsys.readouterr().out
    assert main(["report", "run.json", f"--format={form}", "--output=new/x"]) == 0
    assert (tmp_path / "new" / "x").read_bytes() == (tmp_path / file).read_bytes()


@pytest.mark.parametrize("document", [{}, {**REPORT, "schema": 9}, {**REPORT, "pairs": [{"verdict": "different"}]}, {**REPORT, "pairs": 1}])
def test_what_is_no_report(document: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text(json.dumps(document))
    assert main(["report", str(tmp_path / "run.json"), "--output", str(tmp_path / "x.html")]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("shadowdiff report: ")
    assert not (tmp_path / "x.html").exists()


def test_heavy_libraries_are_not_imported_for_help() -> None:
    heavy = {"httpx", "kubernetes", "deepdiff", "rich", "lxml"}
    code = f"import sys; from pytest_shadowdiff.cli import COMMANDS; print(sorted(sys.modules.keys() & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
