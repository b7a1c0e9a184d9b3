"""After every single changing call: killed, stopped or cut off from the API server, and the namespace is as it was found."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects, patching, recovery
from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.hold import Hold
from pytest_shadowdiff.cluster.objects import SERVICES, Ref
from tests.cluster.drill import Drill, snapshot, start

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

RUNS = [pytest.param(Drill("mirror", 16), id="mirror"), pytest.param(Drill("edits", 10), id="edits")]
WORKERS = 8


@pytest.fixture
def places(connection: Connection, deployments: Callable[[int], list[str]]) -> list[tuple[Connection, str]]:
    """Namespaces with the same two versions, for as many runs at once."""
    return [(connection.another(), namespace) for namespace in deployments(WORKERS)]


@pytest.mark.parametrize("drill", RUNS)
def test_a_run_makes_that_many_changing_calls(drill: Drill, kubeconfig: Path, connection: Connection, shop: Any) -> None:
    drill.count(connection, shop.namespace, kubeconfig)


@pytest.mark.parametrize("drill", RUNS)
def test_killed_after_each_call(drill: Drill, kubeconfig: Path, places: list[tuple[Connection, str]]) -> None:
    drill.kill(places, kubeconfig)


@pytest.mark.parametrize("drill", RUNS)
def test_cut_off_after_each_call(
    drill: Drill, kubeconfig: Path, tmp_path: Path, places: list[tuple[Connection, str]], api_proxy: Any
) -> None:
    drill.cut_off(places, kubeconfig, tmp_path, api_proxy)


@pytest.mark.parametrize("scenario, numbers", [("edits", [2, 3, 4, 5, 6]), ("mirror", [4, 10])])
def test_a_stopped_holder_that_wakes_changes_nothing(
    scenario: str, numbers: list[int], kubeconfig: Path, connection: Connection, shop: Any
) -> None:
    namespace = shop.namespace
    before = snapshot(connection, namespace)
    for number in numbers:
        process = start(scenario, "stop", number, namespace, kubeconfig)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(f"call {number} "):
                break
        with _held(connection, namespace):
            during = snapshot(connection, namespace)
            process.send_signal(signal.SIGCONT)
            out, err = process.communicate(timeout=60)
            assert process.returncode == 3, out + err
            assert out.count("call ") == 0, f"it changed something after it woke:\n{out}"
            assert "went to run another" in out, out
            assert "Nothing is changed any more" in out
            now = snapshot(connection, namespace)
            assert [each for each in now if now[each] != during.get(each) and not each.startswith("Lease")] == []
    Drill(scenario, 0).until_as_before(connection, namespace, before)


class _held:  # noqa: N801 (reads as what it does)
    """The service's lease, taken by another run once it has expired."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._hold = Hold(connection, namespace, "shop", "another", 20)

    def __enter__(self) -> None:
        self._hold.take(wait=20)

    def __exit__(self, *_: object) -> None:
        self._hold.end()


def test_two_runs_race_fifty_times(connection: Connection, namespace: str) -> None:
    """One holder at a time; what each changes is there while it holds, and gone before the next one begins."""
    ref = Ref(SERVICES, namespace, "shop")
    objects.create(connection, ref, {"spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]}})
    before = snapshot(connection, namespace)[str(ref).replace(f"{namespace}/", "")]
    holders: list[str] = []
    rounds: list[str] = []

    def run(name: str) -> None:
        own = connection.another()
        for number in range(50):
            run_id = f"{name}-{number}"
            hold = Hold(own, namespace, "shop", run_id, 10)
            hold.take(wait=60)
            holders.append(run_id)
            hold.changes.edit(ref, lambda found, run_id=run_id: patching.setting(found, ("metadata", "annotations", "holder"), run_id))  # type: ignore[misc]
            assert holders == [run_id]
            assert objects.get(own, ref)["metadata"]["annotations"] == {"holder": run_id}
            holders.remove(run_id)
            assert not hold.end()
            rounds.append(run_id)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, ["one", "two"]))
    assert len(rounds) == 100
    assert snapshot(connection, namespace)[str(ref).replace(f"{namespace}/", "")] == before
    assert not recovery.leftovers(connection, namespace)
