"""Rules of the configuration and of the marker, in a run."""

from __future__ import annotations

from typing import Any

import pytest

CONFIGURATION = """
[[tool.shadowdiff.rules]]
endpoint = "GET /x"
ignore = ["$.build"]
[[tool.shadowdiff.rules]]
endpoint = "GET /x"
tolerance = [{path = "$.price", absolute = 0.1}]
[[tool.shadowdiff.rules]]
endpoint = "GET /elsewhere"
ignore = ["$.build"]
"""


@pytest.fixture
def shop(project: Any) -> Any:
    project.v1.json("/x", {"build": "a", "price": 1.0, "items": [1, 2, 3]})
    project.v2.json("/x", {"build": "b", "price": 1.0, "items": [3, 2, 1]})
    (project.pytester.path / "pyproject.toml").write_text(CONFIGURATION)
    return project


def test_the_marker_comes_before_the_configuration(shop: Any) -> None:
    shop.tests("""
import pytest

@pytest.mark.shadow(unordered=["$.items"])
def test_x(shadow):
    shadow.get("/x")

def test_y(shadow):
    shadow.get("/x")
""")
    report = shop.report()
    shop.result.assert_outcomes(passed=1, failed=1)
    assert [pair["verdict"] for pair in report["pairs"]] == ["noise", "different"]
    assert [difference["path"] for difference in report["pairs"][1]["differences"]] == ["$.items"]
    assert report["pairs"][1]["differences"][0]["kind"] == "reordered"


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_rule_that_silences_nothing_is_named(shop: Any, processes: str) -> None:
    shop.tests("import pytest\n@pytest.mark.shadow(unordered=['$.items'])\ndef test_x(shadow):\n    shadow.get('/x')\n")
    result = shop.run("-n", processes)
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*rules[[]2]: silenced nothing (GET /x): is it still needed?"])
    result.stdout.no_fnmatch_line("*rules[[]1]: silenced*")
    result.stdout.no_fnmatch_line("*rules[[]3]: silenced*")
