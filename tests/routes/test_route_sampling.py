"""Shares are drawn as Envoy draws them, and what was not drawn is known as that."""

from __future__ import annotations

import http.client
import json
import math
import threading
from collections import Counter
from typing import Any

import pytest

from pytest_shadowdiff.envoy.routes import enact, read_routes
from pytest_shadowdiff.model import Role
from pytest_shadowdiff.settings import Target

SIDES: dict[Role, Target] = {"primary": Target("v1", url="http://a"), "candidate": Target("v2", url="http://b")}
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: httpbin}
spec:
  hosts: [httpbin]
  http:
  - match: [{uri: {prefix: /tenth}}]
    route: [{destination: {host: httpbin, subset: v1}}]
    mirror: {host: httpbin, subset: v2}
    mirrorPercentage: {value: 10}
  - match: [{uri: {prefix: /split}}]
    route:
    - {destination: {host: httpbin, subset: v1}, weight: 75}
    - {destination: {host: httpbin, subset: v2}, weight: 25}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: httpbin}
spec: {host: httpbin, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
"""
COUNT = 10_000


def within_chance(seen: int, count: int, share: float) -> bool:
    """Whether a binomial draw may come out so, but for one time in ten million."""
    return abs(seen - count * share) <= 5.4 * math.sqrt(count * share * (1 - share))


def ask_many(address: tuple[str, int], path: str, count: int) -> None:
    def some(first: int) -> None:
        connection = http.client.HTTPConnection(*address, timeout=30)
        for number in range(first, count, 8):
            connection.request("GET", path, headers={"x-shadowdiff-id": f"{path}-{number}", "x-shadowdiff-run": "testrun"})
            assert connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=some, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture(scope="module")
def door(stage: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("sampling") / "route.yaml"
    file.write_text(ROUTE, encoding="utf-8")
    return stage.doors([enact(read_routes([file]), SIDES)])[0]


def outcomes(door: Any, prefix: str, count: int) -> Counter[str]:
    door.logged(f"{prefix}-{count - 1}")
    found: Counter[str] = Counter()
    for line in door.log.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["id"].startswith(prefix):
            outcome = door.enacted.outcome(entry)
            assert outcome.problem == ""
            found[outcome.skipped] += 1
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_percent_of_ten_thousand(door: Any, stage: Any) -> None:
    ask_many(door.address, "/tenth", COUNT)
    found = outcomes(door, "/tenth", COUNT)
    assert sum(found.values()) == COUNT
    assert set(found) == {"", "not in the sample of http[0]"}
    assert within_chance(found[""], COUNT, 0.1)
    copies = Counter(one.pair for one in stage.servers["candidate"].served if one.pair.startswith("/tenth"))
    assert len(copies) == found[""]
    assert set(copies.values()) == {1}


@pytest.mark.slow
def test_weights(door: Any) -> None:
    ask_many(door.address, "/split", 2000)
    found = outcomes(door, "/split", 2000)
    assert sum(found.values()) == 2000
    assert within_chance(found["the route sent it to the candidate itself (http[1])"], 2000, 0.25)
