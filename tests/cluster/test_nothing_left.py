"""After every single changing call: killed, stopped or cut off from the API server, and the namespace is as it was found."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects, patching, recovery
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.hold import Hold
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, LEASES, PODS, SERVICES, Kind, Ref

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

RUNNER = Path(__file__).with_name("counted_run.py")
KINDS = (
    PODS,
    SERVICES,
    CONFIG_MAPS,
    LEASES,
    Kind("v1", "secrets", "Secret"),
    Kind("v1", "serviceaccounts", "ServiceAccount"),
    Kind("apps/v1", "deployments", "Deployment"),
    Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice"),
)
WRITTEN = ("resourceVersion", "generation", "managedFields")
CALLS = {"mirror": 16, "edits": 10}
WORKERS = 8


def snapshot(connection: Connection, namespace: str) -> dict[str, Any]:
    """Everything in a namespace, without what every write changes."""
    found = {}
    for kind in KINDS:
        for each in objects.list_all(connection, kind, namespace):
            if each["metadata"]["name"].startswith("istio-ca-"):
                continue  # a mesh puts them into each new namespace
            if each["metadata"].get("labels", {}).get("kubernetes.io/service-name") == "shop":
                continue  # a controller writes it when it gets to it, and that may be after the first look
            metadata = {key: value for key, value in each["metadata"].items() if key not in WRITTEN}
            found[f"{kind.name} {metadata['name']}"] = {**each, "metadata": metadata}
    return found


def until_as_before(connection: Connection, namespace: str, before: dict[str, Any]) -> None:
    """Controllers take away what hung on our objects a moment after them."""
    now = before

    def same() -> bool:
        nonlocal now
        now = snapshot(connection, namespace)
        return now == before

    if not until(ticks() + 20, same):
        different = [name for name in {*now, *before} if now.get(name) != before.get(name)]
        assert [(name, before.get(name), now.get(name)) for name in different] == []


def start(scenario: str, action: str, number: int, namespace: str, kubeconfig: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(RUNNER), scenario, action, str(number), namespace]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def clean(connection: Connection, namespace: str) -> None:
    for leftover in recovery.leftovers(connection, namespace):
        assert recovery.clean(connection, leftover, "cleanup", lambda _line: None)


def cut_off(proxy: Any, scenario: str, number: int, namespace: str, kubeconfig: Path) -> tuple[int, str, str]:
    """A run whose API server goes away after so many calls: its status, its last lines, its errors."""
    process = start(scenario, "cut", number, namespace, kubeconfig)
    assert process.stdout is not None
    for line in process.stdout:
        if line == "cut\n":
            proxy.cut()
            break
    out, err = process.communicate("\n", timeout=120)
    return process.returncode, out, err


def check_cut_off(status: int, out: str, err: str, *, over: bool) -> None:
    """It says what is left, unless it was over."""
    last = out.splitlines()[-1]
    if over:
        assert last == "ended"
    else:
        assert status == 3, out + err
        assert "no answer from the API server" in last or "could not be renewed" in last
        assert "shadowdiff cleanup" in last
    assert "Traceback" not in err


@pytest.fixture
def places(connection: Connection, deployments: Callable[[int], list[str]]) -> list[tuple[Connection, str]]:
    """Namespaces with the same two versions, for as many runs at once."""
    return [(connection.another(), namespace) for namespace in deployments(WORKERS)]


def everywhere(places: list[tuple[Connection, str]], numbers: range, show: Callable[[Connection, str, int], None]) -> None:
    """`show` for each number, each in a namespace that no other uses meanwhile."""

    def each(place: int) -> None:
        for number in numbers[place :: len(places)]:
            show(*places[place], number)

    with ThreadPoolExecutor(len(places)) as pool:
        list(pool.map(each, range(len(places))))


@pytest.mark.parametrize("scenario", ["mirror", "edits"])
def test_a_run_makes_that_many_changing_calls(scenario: str, kubeconfig: Path, connection: Connection, shop: Any) -> None:
    """What the tests below count up to is all there is."""
    before = snapshot(connection, shop.namespace)
    out, err = start(scenario, "none", 0, shop.namespace, kubeconfig).communicate(timeout=60)
    assert out.splitlines()[-1] == "ended", out + err
    assert out.count("call ") == CALLS[scenario], out
    until_as_before(connection, shop.namespace, before)


@pytest.mark.parametrize("scenario", ["mirror", "edits"])
def test_killed_after_each_call(scenario: str, kubeconfig: Path, places: list[tuple[Connection, str]]) -> None:
    def show(connection: Connection, namespace: str, number: int) -> None:
        before = snapshot(connection, namespace)
        process = start(scenario, "kill", number, namespace, kubeconfig)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert out.count("call ") == number
        clean(connection, namespace)
        until_as_before(connection, namespace, before)

    everywhere(places, range(1, CALLS[scenario] + 1), show)


@pytest.mark.parametrize("scenario", ["mirror", "edits"])
def test_cut_off_after_each_call(
    scenario: str, kubeconfig: Path, tmp_path: Path, places: list[tuple[Connection, str]], api_proxy: Any
) -> None:
    def show(connection: Connection, namespace: str, number: int) -> None:
        before = snapshot(connection, namespace)
        with api_proxy() as proxy:
            status, out, err = cut_off(proxy, scenario, number, namespace, proxy.kubeconfig(kubeconfig, tmp_path))
        check_cut_off(status, out, err, over=number == CALLS[scenario])
        clean(connection, namespace)
        until_as_before(connection, namespace, before)

    everywhere(places, range(1, CALLS[scenario] + 1), show)


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
    until_as_before(connection, namespace, before)


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
