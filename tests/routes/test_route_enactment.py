"""Each route in data/cases.yaml, enacted by a real Envoy before two real servers, and shown with requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_shadowdiff.envoy.routes import Enacted, enact, read_routes
from pytest_shadowdiff.settings import Target

CASES: list[dict[str, Any]] = [
    case for case in yaml.safe_load_all((Path(__file__).parent / "data" / "cases.yaml").read_text(encoding="utf-8")) if case
]
RULE = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: httpbin}
spec: {host: httpbin, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
"""


def enacted(case: dict[str, Any], folder: Path) -> Enacted:
    file = folder / "route.yaml"
    file.write_text(case["route"] + (RULE if case.get("rule") else ""), encoding="utf-8")
    primary, candidate = case.get("targets", ["v1", "v2"])
    return enact(read_routes([file]), {"primary": Target(primary, url="http://a"), "candidate": Target(candidate, url="http://b")})


@pytest.fixture(scope="module")
def doors(stage: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("routes")
    made = stage.doors([enacted(case, folder) for case in CASES])
    return {case["about"]: door for case, door in zip(CASES, made, strict=True)}


def test_there_are_forty_routes_of_different_kinds() -> None:
    assert len({json.dumps(case["route"]) for case in CASES}) >= 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["about"])
def test_a_route_does_what_it_says(case: dict[str, Any], doors: dict[str, Any], stage: Any) -> None:
    for at, ask in enumerate(case["asks"]):
        _show(f"{CASES.index(case)}-{at}", ask, case, doors[case["about"]], stage)


def _show(pair: str, ask: dict[str, Any], case: dict[str, Any], door: Any, stage: Any) -> None:
    method, path = ask["ask"].split(" ", 1)
    got = door.ask(pair, method, path, ask.get("headers", {}))
    roles = dict(zip(case.get("targets", ["v1", "v2"]), ("primary", "candidate"), strict=True))
    by = roles.get(ask["by"])
    if by is not None:
        assert json.loads(got.body) == {"by": by}
    if "status" in ask or by is not None:
        assert got.status == ask.get("status", 200)
    if "body" in ask:
        assert got.body == ask["body"].encode()
    if "takes" in ask:
        assert got.seconds >= 0.95 * ask["takes"]  # clocks of two processes
    for name, value in ask.get("answer", {}).items():
        assert got.headers.get(name) == value, name
    if by is not None:
        _check_request(stage.servers[by].seen(pair)[-1], ask)
    if "times" in ask:
        assert len(stage.servers["primary"].wait_for(pair, ask["times"])) == ask["times"]
    if "statistic" in ask:
        assert f"{ask['statistic']}: 1" in stage.statistics()
    _check_copy(pair, ask, by, stage)
    _check_outcome(ask, door, door.logged(pair))


def _check_request(served: Any, ask: dict[str, Any]) -> None:
    if "path" in ask:
        assert served.path == ask["path"]
    for name, value in ask.get("saw", {}).items():
        assert served.headers.get(name) == value, name
    for name in ask.get("unseen", ()):
        assert name not in served.headers


def _check_copy(pair: str, ask: dict[str, Any], by: str | None, stage: Any) -> None:
    candidate = stage.servers["candidate"]
    if ask["copied"]:
        (copy,) = candidate.wait_for(pair)
        for name, value in ask.get("copy_saw", {}).items():
            assert copy.headers.get(name) == value, name
        if "path" in ask:
            assert copy.path == ask["path"]
    else:
        assert len(candidate.seen(pair)) == (1 if by == "candidate" else 0)


def _check_outcome(ask: dict[str, Any], door: Any, entry: dict[str, Any]) -> None:
    outcome = door.enacted.outcome(entry)
    assert outcome is not None
    assert outcome.problem == ""
    if ask["copied"]:
        assert outcome.skipped == ""
    else:
        assert outcome.skipped
        assert outcome.skipped == ask.get("skipped", outcome.skipped)
