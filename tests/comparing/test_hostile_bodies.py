"""Hostile bodies: each ends within bounds, as a difference or as a limit that is named, and never as the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).parents[2] / "benchmarks" / "compare" / "hostile.py"

QUICK = [
    "depth_400",
    "depth_900",
    "depth_100000",
    "depth_of_objects",
    "empty_lists",
    "a_huge_integer",
    "a_huge_exponent",
    "documents_within_texts",
    "a_thousand_million_laughs",
    "an_entity_from_a_file",
    "attributes",
    "xml_deep",
    "html_deep",
    "html_unclosed",
    "fields_of_a_form",
    "boundaries",
    "a_zip_that_inflates",
    "an_image_that_inflates",
    "a_file_that_inflates",
    "maps_of_messagepack",
    "claims_of_messagepack",
    "depth_of_cbor",
    "cycle_of_cbor",
    "deep_and_wide",
    "few_values_many_times",
    "one_name_many_times",
]
HEAVY = [
    "a_million_keys",
    "many_keys_reordered",
    "a_million_elements_permuted",
    "a_million_elements_permuted_and_one_changed",
    "a_million_texts_permuted",
    "objects_permuted",
    "objects_that_all_differ",
    "lines_shuffled",
    "xml_wide",
    "html_wide",
    "rows",
    "events",
]
LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def outcome(name: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(CASES), "--one", name], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return str(json.loads(done.stdout)["outcome"])


@pytest.mark.skipif(sys.platform != "linux", reason="limits of processes hold on Linux")
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in HEAVY)])
def test_a_hostile_body_ends_within_bounds(name: str) -> None:
    said = outcome(name)
    assert said.startswith("incomplete: ") or (said == "0 differences") == (name == "many_keys_reordered"), said


def test_a_limit_is_named() -> None:
    assert "max_depth" in outcome("depth_100000")
    assert "more than 3000000 values" in outcome("empty_lists")
    assert "max_body" in outcome("a_zip_that_inflates")


def test_nothing_is_fetched() -> None:
    said = outcome("an_entity_from_a_file")
    assert said == "1 differences, the first at /l/text()"
