"""`--shadow-accept`: the differences found are recorded, let through from then on, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

TESTS = "def test_x(shadow):\n    shadow.get('/x')\ndef test_y(shadow):\n    shadow.get('/y')\n"


@pytest.fixture
def changed(project: Any) -> Any:
    project.v1.json("/x", {"n": 1, "token": "first-secret"})
    project.v2.json("/x", {"n": 2, "token": "other-secret"})
    project.v1.json("/y", {"n": 1})
    project.v2.json("/y", {"n": 1})
    project.tests(TESTS)
    return project


@pytest.mark.parametrize("processes", ["0", "2"])
def test_what_is_recorded_is_let_through_and_nothing_else(changed: Any, processes: str) -> None:
    file = changed.pytester.path / "shadowdiff-accepted.toml"
    result = changed.run("--shadow-accept", "-n", processes)
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    written = file.read_text()
    assert "first-secret" not in written + result.stdout.str()
    assert 'endpoint = "GET /x"' in written
    assert "/y" not in written

    report = changed.report("-n", processes)
    changed.result.assert_outcomes(passed=2)
    assert report["summary"]["accepted"] == 1
    assert file.read_text() == written

    changed.v2.json("/x", {"n": 3, "token": "other-secret"})
    changed.run("-n", processes).assert_outcomes(passed=1, failed=1)


def test_reasons_stay_and_recording_again_changes_nothing(changed: Any) -> None:
    file = changed.pytester.path / "shadowdiff-accepted.toml"
    changed.run("--shadow-accept")
    explained = file.read_text().replace('reason = ""', 'reason = "agreed on with the shop"')
    file.write_text(explained)
    changed.run("--shadow-accept").assert_outcomes(passed=2)
    assert file.read_text() == explained


def test_an_acceptance_that_is_of_no_use_is_named(changed: Any) -> None:
    changed.run("--shadow-accept")
    changed.v2.json("/x", {"n": 1, "token": "first-secret"})
    result = changed.run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*shadowdiff-accepted.toml, line *let nothing through*$.n*"])


def test_a_broken_file_is_one_clear_error(changed: Any) -> None:
    (changed.pytester.path / "shadowdiff-accepted.toml").write_text('[[accepted]]\nendpoint = "GET /x"\npaht = "$.n"\n')
    result = changed.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*line 1*paht*"])
