"""A failure is in colours where the terminal has them, and plain text everywhere else."""

from __future__ import annotations

from typing import Any


def test_colours(project: Any) -> None:
    project.v1.json("/x", {"n": 1, "total": 1})
    project.v2.json("/x", {"n": 1, "total": "1"})
    project.tests("""
        def test_x(shadow):
            shadow.get("/x")
    """)
    result = project.run("--color=yes", "--junitxml=junit.xml", "-rf")
    out = result.stdout.str()
    assert "\x1b[32m    primary    1\x1b[0m" in out
    assert '\x1b[31m    candidate  "1"\x1b[0m' in out
    assert "ShadowDifference: GET /x: candidate means something else than primary" in out
    junit = (project.pytester.path / "junit.xml").read_text()
    assert "$.total  type_changed" in junit
    assert "\x1b" not in junit
    assert "#x1B" not in junit
    assert '<failure message="ShadowDifference: GET /x: candidate means something else than primary">' in junit


def test_the_list_of_failures_names_each_in_one_line(project: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.json("/x", {"n": 2})
    project.tests("""
        def test_x(shadow):
            shadow.get("/x")
    """)
    out = project.run("-vv").stdout.str()
    assert out.count("asked:") == 1
