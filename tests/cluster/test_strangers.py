"""Twenty thousand requests of others, thousands of them during runs: none is mirrored, none fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.forwarding import Forwarder, Way
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, PODS, SERVICES, Ref
from tests.cluster.conftest import Deployed, a_namespace, deploy
from tests.cluster.test_run_in_cluster import project

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(400)]

REQUESTS = 20_000
CPU = "150m"
"""What services ask for: whoever asks for nothing is served last, after whatever else the machine does."""
SCRIPT = Path(__file__).with_name("strangers.py")
LEAST = 2000
PAUSE = 10.0
TESTS = """
import pytest

@pytest.mark.parametrize("number", range(200))
def test_one(shadow, number):
    assert shadow.get(f"/ours/{number}").status_code == 200
"""


def test_strangers_notice_nothing(namespace: str, connection: Connection, kubeconfig: Path, tmp_path: Path, record_property: Any) -> None:
    shop = deploy(connection, namespace, {"v1": "shop", "v2": "shop"}, cpu=CPU)
    public = {"spec": {"selector": {"app": "shop", "version": "v1"}, "ports": [{"port": 80, "targetPort": "http"}]}}
    address = objects.create(connection, Ref(SERVICES, namespace, "public"), public)["spec"]["clusterIP"]
    with a_namespace(connection) as other:
        elsewhere = deploy(connection, other, {"v1": "shop", "v2": "shop"}, cpu=CPU)
        for what, figure in show(shop, elsewhere, connection, kubeconfig, tmp_path, (address, 80)).items():
            record_property(what, figure)


def show(
    shop: Deployed, elsewhere: Deployed, connection: Connection, kubeconfig: Path, folder: Path, address: tuple[str, int], *options: str
) -> dict[str, float]:
    """Strangers ask for something at an address, while runs are on their service, on another service, and on none.

    Returns:
        How many requests there were in each of these times, and the p99 of their milliseconds. What a run on another service
        costs them is what the machine costs them: it has the cores of a laptop.
    """
    pod = strangers(connection, shop.namespace, address)
    runs = {"during runs": folder / "ours", "during runs elsewhere": folder / "elsewhere"}
    for tests, service in zip(runs.values(), (shop, elsewhere), strict=True):
        tests.mkdir()
        project(tests, service.manifest(), TESTS)
    windows: dict[str, list[tuple[float, float]]] = {what: [] for what in runs}
    while not (found := said(connection, pod)):
        for what, tests in runs.items():
            begun = connection.clock.now()
            out = run(tests, kubeconfig, *options)
            windows[what].append((begun, connection.clock.now()))
            assert "200 passed" in out, out
        until(ticks() + PAUSE, lambda: bool(said(connection, pod)), pause=0.5)
    result = json.loads(found)
    assert result["failed"] == []
    assert len(result["took"]) == REQUESTS
    asked = counts(connection, shop.namespace)
    assert asked["v1"] == REQUESTS
    assert asked["v2"] == 0
    took: dict[str, list[float]] = {what: [] for what in (*windows, "without a run")}
    for moment, seconds in result["took"]:
        when = (what for what, spans in windows.items() if any(start <= moment <= end for start, end in spans))
        took[next(when, "without a run")].append(seconds)
    assert len(took["during runs"]) > LEAST, "hardly anybody asked while a run was on"
    return {
        what: figure
        for when, each in took.items()
        for what, figure in ((f"requests {when}", len(each)), (f"p99 {when}, ms", round(percentile(each, 0.99) * 1000, 2)))
    }


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)] if values else 0.0


def strangers(connection: Connection, namespace: str, address: tuple[str, int]) -> Ref:
    """A pod from which everybody else asks."""
    objects.create(connection, Ref(CONFIG_MAPS, namespace, "strangers"), {"data": {SCRIPT.name: SCRIPT.read_text(encoding="utf-8")}})
    pod = Ref(PODS, namespace, "strangers")
    container = {
        "name": "strangers",
        "image": "python:3.11-slim",
        "command": ["python", "-u", f"/strangers/{SCRIPT.name}", address[0], str(address[1]), str(REQUESTS)],
        "volumeMounts": [{"name": "script", "mountPath": "/strangers"}],
        "resources": {"requests": {"cpu": CPU}},
    }
    volumes = [{"name": "script", "configMap": {"name": "strangers"}}]
    objects.create(connection, pod, {"spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0}})
    assert until(ticks() + 60, lambda: objects.get(connection, pod)["status"].get("phase") == "Running")
    return pod


def run(folder: Path, kubeconfig: Path, *options: str) -> str:
    command = [
        *("nice", "-n", "19"),  # it may share the cores with the cluster: what it computes is no service's time
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--shadow-config=shadowdiff.toml",
        "--shadow-target=v2",
        *options,
    ]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


def said(connection: Connection, pod: Ref) -> str:
    response = connection.stream(f"{pod.path}/log")
    text: str = response.data.decode()
    return text if text.endswith("}\n") else ""


def counts(connection: Connection, namespace: str) -> dict[str, int]:
    """How many requests of strangers each version got."""
    forwarder = Forwarder(connection)
    try:
        asked = {"v1": 0, "v2": 0}
        for each in objects.list_all(connection, PODS, namespace, {"app": "shop"}):
            name = each["metadata"]["name"]
            host, port = forwarder.open(Way(namespace, lambda name=name: name, 8080))  # type: ignore[misc]
            with urllib.request.urlopen(f"http://{host}:{port}/asked") as response:
                asked[each["metadata"]["labels"]["version"]] += json.load(response)["strangers"]
        return asked
    finally:
        forwarder.close()
