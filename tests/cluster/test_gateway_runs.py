"""Whole runs of pytest behind a Gateway: it mirrors this run's requests and nobody else's, and its routes are as they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.gateways import GATEWAYS
from pytest_shadowdiff.cluster.http_routes import HTTP_ROUTES
from pytest_shadowdiff.cluster.objects import Ref
from tests.cluster.conftest import Deployed, a_namespace, deploy
from tests.cluster.test_istio_runs import AUTHENTICATIONS, inject, verdicts
from tests.cluster.test_run_in_cluster import nothing_of_ours, project, pytest_in

pytestmark = [pytest.mark.cluster, pytest.mark.istio, pytest.mark.timeout(240)]

OPTIONS = ("--shadow-config=shadowdiff.toml", "--shadow-target=v2", "--shadow-mirror=gateway-api")
MOVING = ("resourceVersion", "generation", "managedFields")
RULES = [
    {
        "matches": [{"path": {"type": "PathPrefix", "value": "/price"}}],
        "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-gateway", "value": "one"}]}}],
        "backendRefs": [{"name": "shop", "port": 8000}],
    },
    {"backendRefs": [{"name": "shop", "port": 8000}]},
]
TESTS = """
def test_same(shadow):
    assert shadow.get("/headers").json()["headers"]["host"] == "{host}"

def test_different(shadow):
    assert shadow.get("/price").json()["price"] == 10

def test_a_write_is_not_copied(shadow):
    assert shadow.post("/things", content=b"x" * 100_000).json() == {{"got": 100_000}}
"""
EXPECTED = Counter({("/headers", "same"): 1, ("/price", "different"): 1, ("/things", "skipped"): 1})
WAITS = """
import time

def test_waits(shadow):
    shadow.get("/headers")
    print("UNDER WAY", flush=True)
    for _ in range(60):
        shadow.get("/headers")
        time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def shop(connection: Connection) -> Iterator[Deployed]:
    """Two versions that answer differently, with sidecars that take nothing but mTLS, behind a Gateway."""
    with a_namespace(connection) as namespace:
        inject(connection, namespace)
        objects.create(connection, Ref(AUTHENTICATIONS, namespace, "default"), {"spec": {"mtls": {"mode": "STRICT"}}})
        gateway = Ref(GATEWAYS, namespace, "gateway")
        metadata = {"annotations": {"networking.istio.io/service-type": "ClusterIP"}}
        listeners = [{"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.example"}]
        objects.create(connection, gateway, {"metadata": metadata, "spec": {"gatewayClassName": "istio", "listeners": listeners}})
        yield deploy(connection, namespace, {"v1": "shop", "v2": "other"})


@pytest.fixture(params=["gateway", "mesh"])
def routed(request: pytest.FixtureRequest, shop: Deployed, connection: Connection) -> Iterator[tuple[Deployed, str]]:
    """A route of the Gateway, or of the Service, and the Host that it knows."""
    ref = Ref(HTTP_ROUTES, shop.namespace, request.param)
    parent = {"name": "gateway"} if request.param == "gateway" else {"group": "", "kind": "Service", "name": "shop", "port": 8000}
    hostnames = {"hostnames": ["shop.example"]} if request.param == "gateway" else {}
    body = {"metadata": {"annotations": {"team": "orders"}}, "spec": {"parentRefs": [parent], "rules": RULES, **hostnames}}
    objects.create(connection, ref, body)

    def ready() -> bool:
        route, door = objects.get(connection, ref), objects.get(connection, Ref(GATEWAYS, shop.namespace, "gateway"))
        return bool((route.get("status") or {}).get("parents")) and bool((door.get("status") or {}).get("addresses"))

    assert until(ticks() + 90, ready, 0.5)
    yield shop, "shop.example" if request.param == "gateway" else "shop:8000"
    found = objects.find(connection, ref)
    assert found is not None
    objects.delete(connection, ref, uid=found["metadata"]["uid"])


def state(connection: Connection, namespace: str) -> list[dict[str, Any]]:
    """All routes of a namespace, without what each write changes."""
    found = objects.list_all(connection, HTTP_ROUTES, namespace)
    return [
        {"spec": each["spec"], "metadata": {key: value for key, value in each["metadata"].items() if key not in MOVING}} for each in found
    ]


def test_the_gateway_mirrors_and_its_routes_are_as_they_were(
    routed: tuple[Deployed, str], kubeconfig: Path, connection: Connection, tmp_path: Path
) -> None:
    shop, host = routed
    before = state(connection, shop.namespace)
    project(tmp_path, shop.manifest(), TESTS.format(host=host))
    out, _ = pytest_in(tmp_path, kubeconfig, *OPTIONS).communicate(timeout=200)
    assert verdicts(tmp_path) == EXPECTED, out
    assert f"Host {host}), which mirrors this run's" in out
    assert state(connection, shop.namespace) == before
    assert nothing_of_ours(connection, shop.namespace)


@pytest.mark.slow
def test_a_tool_that_puts_its_own_back_is_named_and_nothing_is_left(
    routed: tuple[Deployed, str], kubeconfig: Path, connection: Connection, tmp_path: Path
) -> None:
    shop, _ = routed
    (before,) = objects.list_all(connection, HTTP_ROUTES, shop.namespace)
    ref = Ref(HTTP_ROUTES, shop.namespace, before["metadata"]["name"])
    project(tmp_path, shop.manifest(), WAITS)
    lines = []
    with pytest_in(tmp_path, kubeconfig, *OPTIONS, "-s") as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "UNDER WAY" in line:
                objects.merge(connection, ref, {"spec": {"rules": before["spec"]["rules"]}})
    out = "".join(lines)
    assert process.returncode != 0, out
    assert f"{ref}: 'shadowdiff' (field manager" in out, out
    assert "has taken 3 of this run's 3 edits out again (spec.rules)" in out, out
    assert objects.get(connection, ref)["spec"] == before["spec"]
    assert nothing_of_ours(connection, shop.namespace)


@pytest.mark.slow
def test_two_workers_share_the_route(routed: tuple[Deployed, str], kubeconfig: Path, connection: Connection, tmp_path: Path) -> None:
    shop, host = routed
    before = state(connection, shop.namespace)
    project(tmp_path, shop.manifest(), TESTS.format(host=host))
    out, _ = pytest_in(tmp_path, kubeconfig, *OPTIONS, "-n2").communicate(timeout=200)
    assert verdicts(tmp_path) == EXPECTED, out
    assert state(connection, shop.namespace) == before
    assert nothing_of_ours(connection, shop.namespace)
