"""The tap `tcpdump` in pods: all of them, those that come later too, and an ephemeral container only where it is permitted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.objects import PODS, Kind, Ref
from pytest_shadowdiff.cluster.workloads import is_ready

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

BARE = "shadowdiff-test/bare:1"
DEPLOYMENTS = Kind("apps/v1", "deployments", "Deployment")
TESTS = """
import pathlib, time

def test_some(shadow):
    here = pathlib.Path(__file__).parent
    for number in range(200):
        if number == 50:
            (here / "go").touch()
        shadow.get(f"/things/{number}")
        time.sleep(0.02)
"""


def start(folder: Path, kubeconfig: Path, configuration: str) -> subprocess.Popen[str]:
    (folder / "shadowdiff.toml").write_text(configuration, encoding="utf-8")
    (folder / "test_shop.py").write_text(TESTS, encoding="utf-8")
    options = ["--shadow-config=shadowdiff.toml", "--shadow-target=v2", "--shadow-tap=tcpdump", "--shadow-report=json:report.json"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_all_pods_over_a_restart(replicated: Any, kubeconfig: Path, connection: Connection, tmp_path: Path) -> None:
    process = start(tmp_path, kubeconfig, replicated.manifest())
    assert until(ticks() + 60, (tmp_path / "go").exists)
    change = {"spec": {"template": {"metadata": {"annotations": {"restarted": "yes"}}}}}
    objects.merge(connection, Ref(DEPLOYMENTS, replicated.namespace, "shop-v2"), change)
    out, _ = process.communicate(timeout=150)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["summary"]["pairs"] == 200, out
    assert report["summary"]["different"] == 0, out
    assert report["summary"]["same"] >= 150, out
    pods = {pair[side]["tap"] for pair in report["pairs"] for side in ("primary", "candidate") if pair[side]}
    assert len([pod for pod in pods if pod.startswith("tcpdump in shop-v1-")]) == 2
    assert len([pod for pod in pods if pod.startswith("tcpdump in shop-v2-")]) >= 3


@pytest.mark.docker
def test_an_ephemeral_container_only_where_it_is_permitted(shop: Any, kubeconfig: Path, connection: Connection, tmp_path: Path) -> None:
    build = "FROM python:3.11-slim\nRUN rm -f /usr/bin/tcpdump /usr/sbin/tcpdump\n"
    made = subprocess.run(["docker", "build", "--quiet", "--tag", BARE, "-"], input=build, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    load = ["kind", "load", "docker-image", BARE, "--name", connection.context.removeprefix("kind-")]
    loaded = subprocess.run(load, capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    for version in ("v1", "v2"):
        container = {"spec": {"template": {"spec": {"containers": [{"name": "shop", "image": BARE}]}}}}
        path = Ref(DEPLOYMENTS, shop.namespace, f"shop-{version}").path
        connection.call("PATCH", path, body=container, content_type="application/strategic-merge-patch+json")

    def pods() -> list[dict[str, Any]]:
        return list(objects.list_all(connection, PODS, shop.namespace, {"app": "shop"}))

    def replaced() -> bool:
        found = pods()
        return len(found) == 2 and all(is_ready(pod) and pod["spec"]["containers"][0]["image"] == BARE for pod in found)

    assert until(ticks() + 60, replaced)
    out, _ = start(tmp_path, kubeconfig, shop.manifest()).communicate(timeout=100)
    assert "has tcpdump (shop)" in out, out
    assert "ephemeral_image" in out
    assert not any(pod["spec"].get("ephemeralContainers") for pod in pods())

    out, _ = start(tmp_path, kubeconfig, shop.manifest(ephemeral_image="python:3.11-slim")).communicate(timeout=100)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["summary"]["same"] == 200, out
    assert "ephemeral container with tcpdump stays in the spec of shop-v1-" in out
    assert all(pod["spec"]["ephemeralContainers"] for pod in pods())
