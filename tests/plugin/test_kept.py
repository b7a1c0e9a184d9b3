"""A run that is kept can be judged again: to the same verdicts by the same rules, to others by others."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cli import main

CONFIGURATION = "[tool.shadowdiff]\nkeep = true\ntimeout = 1\n"
RULE = "[[tool.shadowdiff.rules]]\nendpoint = '* /other'\nignore = ['$.name']\n"
TESTS = """
import httpx
import pytest

@pytest.mark.shadow(ignore=["$.build"])
def test_marked(shadow):
    shadow.get("/marked")

@pytest.mark.parametrize("n", range(3))
def test_many(shadow, n):
    for path in ("/same", "/noise", "/other", "/rare", "/broken", "/status"):
        shadow.get(path)
    shadow.post("/same")

@pytest.mark.shadow(allow_unsafe=True)
def test_writes(shadow):
    shadow.post("/other")
    shadow.get("/other")
"""


@pytest.fixture
def kept(project: Any) -> Iterator[Any]:
    """A project whose runs are kept, and what they kept removed."""
    counter = itertools.count()
    for version, name in ((project.v1, "a"), (project.v2, "b")):
        version.json("/same", {"x": 1})
        version.json("/other", {"name": name, "items": [1, 2]})
        version.json("/marked", {"build": name})
        version.route("/noise", lambda _: (200, {"content-type": "application/json"}, json.dumps({"id": str(uuid.uuid4())}).encode()))
        version.route("/rare", lambda _: (200, {}, b"ok" if next(counter) % 5 else b"no"))
    project.v2.route("/broken", broken)
    project.v1.json("/broken", {})
    project.v1.json("/status", {})
    (project.pytester.path / "pyproject.toml").write_text(CONFIGURATION)
    project.folders = []
    yield project
    for folder in project.folders:
        shutil.rmtree(folder)


def broken(handler: Any) -> Any:
    handler.close_connection = True
    raise ConnectionError


def run(project: Any, *options: str) -> dict[str, Any]:
    """Run the tests; what the report says of each pair."""
    project.tests(TESTS)
    report = project.report("--shadow-allow-unsafe", *options)
    project.folders = re.findall(r"^spool kept in (\S+)$", project.result.stdout.str(), re.MULTILINE)
    assert project.folders
    return said(report)


def again(project: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict[str, Any]]:
    monkeypatch.chdir(project.pytester.path)
    status = main(["judge", *project.folders, "--report=json:again.json"])
    return status, said(json.loads(Path("again.json").read_text()))


def said(report: Any) -> dict[str, Any]:
    return {pair["id"]: tuple(pair[key] for key in ("test", "endpoint", "verdict", "reason", "differences")) for pair in report["pairs"]}


@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_same_rules_say_the_same_of_each_pair(kept: Any, processes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    live = run(kept, "-n", processes)
    status, offline = again(kept, monkeypatch)
    assert offline == live
    assert {verdict for _, _, verdict, *_ in live.values()} >= {"same", "noise", "different", "incomplete", "skipped"}
    assert status == 1


def test_other_rules_say_otherwise(kept: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    live = run(kept)
    (kept.pytester.path / "pyproject.toml").write_text(
        CONFIGURATION + "[[tool.shadowdiff.rules]]\nendpoint = '* /other'\nignore = ['$.name']\n"
    )
    _, offline = again(kept, monkeypatch)
    changed = {endpoint for key, (_, endpoint, verdict, *_) in offline.items() if verdict != live[key][2]}
    assert changed == {"GET /other", "POST /other"}
    assert {verdict for _, endpoint, verdict, *_ in offline.values() if endpoint == "GET /other"} == {"noise"}
    assert "different" in capsys.readouterr().out  # the status


def test_hooks_that_a_run_had_are_named(kept: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    kept.pytester.makeconftest("def pytest_shadowdiff_endpoint(request):\n    return 'GET /all'\n")
    run(kept)
    again(kept, monkeypatch)
    assert "pytest_shadowdiff_endpoint" in capsys.readouterr().out


@pytest.mark.parametrize("note", [None, "", "{}", '{"version": 9}', "[1]", '{"version": 1}', "\x00"])
def test_a_folder_that_holds_no_run(
    note: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "kept"
    folder.mkdir()
    if note is not None:
        (folder / "run.jsonl").write_text(note)
    assert main(["judge", str(folder)]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert str(folder) in line
    assert main(["judge", str(tmp_path / "nowhere")]) == 4


def test_a_run_without_a_pair_compared_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.jsonl").write_text('{"version": 1, "primary": "v1", "candidate": "v2", "mirror": "local", "timeout": 1}\n')
    assert main(["judge", "."]) == 1
    assert "Nothing was compared" in capsys.readouterr().out


def test_a_damaged_segment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.jsonl").write_text('{"version": 1, "primary": "v1", "candidate": "v2", "mirror": "local", "timeout": 1}\n')
    (tmp_path / "relay-1.00001.spool").write_bytes(b"no spool at all, whatever its name")
    assert main(["judge", "."]) == 4
    assert "relay-1.00001.spool is no segment of a spool" in capsys.readouterr().err
