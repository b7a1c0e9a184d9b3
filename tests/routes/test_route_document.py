"""The two files of the page that this project comes from, as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_shadowdiff.envoy.routes import cast, enact, read_routes
from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.model import Role
from pytest_shadowdiff.settings import Target

SIDES: dict[Role, Target] = {"primary": Target("v1", url="http://127.0.0.1:1"), "candidate": Target("v2", url="http://127.0.0.1:2")}


@pytest.fixture
def files(data: Path, tmp_path: Path) -> list[Path]:
    page = (data / "seed" / "istio-mirroring.md").read_text(encoding="utf-8")
    written = []
    for at, text in enumerate(re.findall(r"kubectl apply -f - <<EOF\n(.*?)EOF", page, re.DOTALL)):
        written.append(tmp_path / f"step-{at + 1}.yaml")
        written[-1].write_text(text, encoding="utf-8")
    return written


def test_together_they_send_all_to_v1_and_copy_all_to_v2(files: list[Path]) -> None:
    enacted = enact(read_routes(files), SIDES)
    assert enacted.explain() == [
        "VirtualService httpbin, the first that matches:",
        "  http[0]: every request -> v1; copy of all to v2",
        "  all else: 404 from the route, not copied",
    ]
    assert [route["route"]["cluster"] for route in enacted.routes] == ["primary"]
    assert [policy["cluster"] for policy in enacted.routes[0]["route"]["request_mirror_policies"]] == ["candidate"]


def test_the_first_alone_copies_nothing(files: list[Path]) -> None:
    enacted = enact(read_routes(files[:1]), SIDES)
    assert "  http[0]: every request -> v1; no copy" in enacted.explain()
    assert "request_mirror_policies" not in enacted.routes[0]["route"]


def test_the_second_alone_names_subsets_that_nobody_defined(files: list[Path]) -> None:
    with pytest.raises(SettingsError, match=r"step-2\.yaml:12:17: .*no DestinationRule names the subset 'v1'"):
        cast(read_routes(files[1:]), SIDES)
