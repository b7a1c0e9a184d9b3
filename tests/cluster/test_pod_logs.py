"""The logs of pods, whole: over dropped connections and restarts no line is lost, and none comes twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection, connect, ticks, until
from pytest_shadowdiff.cluster.execs import succeeds
from pytest_shadowdiff.cluster.forwarding import Forwarder
from pytest_shadowdiff.cluster.objects import PODS, Ref
from pytest_shadowdiff.cluster.pod_logs import PodLogs
from pytest_shadowdiff.cluster.workloads import Workload, is_ready

pytestmark = pytest.mark.cluster

LONG = 40_000  # beyond the 16 KiB at which runtimes cut lines
WRITER = f"""
import os, time
print("before", flush=True)
while not os.path.exists("/tmp/keep/go"):
    time.sleep(0.02)
for number in range(600):
    print(number, "x" * ({LONG} if number % 100 == 7 else 10), flush=True)
    time.sleep(0.005)
print("end", flush=True)
if not os.path.exists("/tmp/keep/again"):
    open("/tmp/keep/again", "w").close()
    raise SystemExit(0)
time.sleep(3600)
"""


def pod(connection: Connection, namespace: str, script: str) -> Ref:
    ref = Ref(PODS, namespace, "writer")
    container = {
        "name": "writer",
        "image": "python:3.11-slim",
        "command": ["python", "-u", "-c", script],
        "volumeMounts": [{"name": "keep", "mountPath": "/tmp/keep"}],
    }
    spec = {"containers": [container], "volumes": [{"name": "keep", "emptyDir": {}}], "terminationGracePeriodSeconds": 0}
    objects.create(connection, ref, {"metadata": {"labels": {"app": "writer"}}, "spec": spec})
    assert until(ticks() + 60, lambda: is_ready(objects.get(connection, ref)))
    return ref


def lines(folder: Path) -> list[str]:
    return (folder / "writer.writer").read_text(encoding="utf-8").splitlines()


def test_no_line_is_lost_or_doubled_over_dropped_connections_and_a_restart(
    connection: Connection, namespace: str, kubeconfig: Path, tmp_path: Path, api_proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = pod(connection, namespace, WRITER)
    with api_proxy() as proxy:
        monkeypatch.setenv("KUBECONFIG", str(proxy.kubeconfig(kubeconfig, tmp_path)))
        through = connect(None, None)
        logs = PodLogs(through, Workload("writer", namespace, {"app": "writer"}, 1, declared=True, pods=(ref.name,)), tmp_path / "logs")
        logs.start()
        start_writing(connection, ref)
        for count in (50, 200, 350):
            assert until(ticks() + 60, lambda count=count: len(lines(tmp_path / "logs")) > count, 0.02)  # type: ignore[misc]
            proxy.drop()
        wanted = 2 * ("end",)
        assert until(ticks() + 90, lambda: tuple(line for line in lines(tmp_path / "logs") if line == "end") == wanted)
        logs.stop()
        through.close()
    found = [line for line in lines(tmp_path / "logs") if line != "before"]
    once = [f"{number} {'x' * (LONG if number % 100 == 7 else 10)}" for number in range(600)] + ["end"]
    assert [line[:30] for line in found] == [line[:30] for line in once * 2]
    assert found == once * 2


def start_writing(connection: Connection, pod: Ref) -> None:
    forwarder = Forwarder(connection)
    try:
        assert succeeds(forwarder, pod, "writer", ["touch", "/tmp/keep/go"])
    finally:
        forwarder.close()
