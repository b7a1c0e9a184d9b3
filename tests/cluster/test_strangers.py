"""Ten thousand requests of others during runs: none is mirrored, none fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.forwarding import Forwarder, Way
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, PODS, SERVICES, Ref

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(300)]

REQUESTS = 10_000
SCRIPT = Path(__file__).with_name("strangers.py")
TESTS = """
import pytest

@pytest.mark.parametrize("number", range(200))
def test_one(shadow, number):
    assert shadow.get(f"/ours/{number}").status_code == 200
"""


def test_strangers_notice_nothing(shop: Any, connection: Connection, kubeconfig: Path, tmp_path: Path, record_property: Any) -> None:
    namespace = shop.namespace
    public = {"spec": {"selector": {"app": "shop", "version": "v1"}, "ports": [{"port": 80, "targetPort": "http"}]}}
    address = objects.create(connection, Ref(SERVICES, namespace, "public"), public)["spec"]["clusterIP"]
    show(shop, connection, kubeconfig, tmp_path, record_property, (address, 80))


def show(
    shop: Any, connection: Connection, kubeconfig: Path, tmp_path: Path, record_property: Any, address: tuple[str, int], *options: str
) -> None:
    """Strangers ask for something at an address, run after run."""
    namespace = shop.namespace
    objects.create(connection, Ref(CONFIG_MAPS, namespace, "strangers"), {"data": {SCRIPT.name: SCRIPT.read_text(encoding="utf-8")}})
    pod = Ref(PODS, namespace, "strangers")
    container = {
        "name": "strangers",
        "image": "python:3.11-slim",
        "command": ["python", "-u", f"/strangers/{SCRIPT.name}", address[0], str(address[1]), str(REQUESTS)],
        "volumeMounts": [{"name": "script", "mountPath": "/strangers"}],
    }
    volumes = [{"name": "script", "configMap": {"name": "strangers"}}]
    objects.create(connection, pod, {"spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0}})
    assert until(ticks() + 60, lambda: objects.get(connection, pod)["status"].get("phase") == "Running")

    (tmp_path / "shadowdiff.toml").write_text(shop.manifest(), encoding="utf-8")
    (tmp_path / "test_ours.py").write_text(TESTS, encoding="utf-8")
    windows = []
    while not (found := said(connection, pod)):
        begun = connection.clock.now()
        out = run(tmp_path, kubeconfig, *options)
        windows.append((begun, connection.clock.now()))
        assert "200 passed" in out, out
        until(ticks() + 3, lambda: bool(said(connection, pod)), pause=0.3)
    result = json.loads(found)
    assert result["failed"] == []
    assert len(result["took"]) == REQUESTS
    asked = counts(connection, namespace)
    assert asked["v1"] == REQUESTS
    assert asked["v2"] == 0
    during = sorted(took for moment, took in result["took"] if any(start <= moment <= end for start, end in windows))
    between = sorted(took for moment, took in result["took"] if not any(start <= moment <= end for start, end in windows))
    record_property("requests during runs", len(during))
    record_property("p99 during runs, ms", round(during[int(len(during) * 0.99)] * 1000, 2))
    if between:
        record_property("p99 between runs, ms", round(between[int(len(between) * 0.99)] * 1000, 2))


def run(folder: Path, kubeconfig: Path, *options: str) -> str:
    command = [
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
