"""Runs that end badly after any one of their changing calls, and how it is seen that nothing of them is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_shadowdiff.cluster import objects, recovery
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, LEASES, PODS, SERVICES, Kind

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


def everywhere(places: Sequence[tuple[Connection, str]], numbers: range, show: Callable[[Connection, str, int], None]) -> None:
    """`show` for each number, each in a namespace that no other uses meanwhile."""

    def each(place: int) -> None:
        for number in numbers[place :: len(places)]:
            show(*places[place], number)

    with ThreadPoolExecutor(len(places)) as pool:
        list(pool.map(each, range(len(places))))


@dataclass(frozen=True)
class Drill:
    """One kind of run, in namespaces that are as they were after each.

    Attributes:
        scenario: what `counted_run.py` calls it.
        calls: its changing calls.
        look: all that must be as it was.
    """

    scenario: str
    calls: int
    look: Callable[[Connection, str], dict[str, Any]] = snapshot

    def until_as_before(self, connection: Connection, namespace: str, before: dict[str, Any]) -> None:
        """Controllers take away what hung on our objects a moment after them."""
        now = before

        def same() -> bool:
            nonlocal now
            now = self.look(connection, namespace)
            return now == before

        if not until(ticks() + 20, same):
            different = [name for name in {*now, *before} if now.get(name) != before.get(name)]
            assert [(name, before.get(name), now.get(name)) for name in different] == []

    def count(self, connection: Connection, namespace: str, kubeconfig: Path) -> None:
        """What the others count up to is all there is."""
        before = self.look(connection, namespace)
        out, err = start(self.scenario, "none", 0, namespace, kubeconfig).communicate(timeout=120)
        assert out.splitlines()[-1] == "ended", out + err
        assert out.count("call ") == self.calls, out
        self.until_as_before(connection, namespace, before)

    def kill(self, places: Sequence[tuple[Connection, str]], kubeconfig: Path) -> None:
        """After each call."""

        def show(connection: Connection, namespace: str, number: int) -> None:
            before = self.look(connection, namespace)
            process = start(self.scenario, "kill", number, namespace, kubeconfig)
            out, _ = process.communicate(timeout=120)
            assert process.returncode == -signal.SIGKILL
            assert out.count("call ") == number
            clean(connection, namespace)
            self.until_as_before(connection, namespace, before)

        everywhere(places, range(1, self.calls + 1), show)

    def cut_off(
        self, places: Sequence[tuple[Connection, str]], kubeconfig: Path, folder: Path, api_proxy: Any, numbers: range | None = None
    ) -> None:
        """After each call, or each of these."""

        def show(connection: Connection, namespace: str, number: int) -> None:
            before = self.look(connection, namespace)
            with api_proxy() as proxy:
                status, out, err = cut_off(proxy, self.scenario, number, namespace, proxy.kubeconfig(kubeconfig, folder))
            check_cut_off(status, out, err, over=number == self.calls)
            clean(connection, namespace)
            self.until_as_before(connection, namespace, before)

        everywhere(places, numbers or range(1, self.calls + 1), show)
