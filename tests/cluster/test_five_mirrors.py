"""The same two versions through the mirrors of processes and of clusters: whichever copies the requests, the verdicts are the same."""

from __future__ import annotations

import json
import sys
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
from tests.cluster.test_istio_runs import inject, state
from tests.cluster.test_run_in_cluster import nothing_of_ours, project, pytest_in, report

pytestmark = [pytest.mark.cluster, pytest.mark.istio, pytest.mark.timeout(240)]

Judged = tuple[list[Any], dict[str, int], str]
"""Of each pair: test, method, URL, verdict, kinds of difference; the summary; what was printed."""
TESTS = """
import pytest

@pytest.mark.parametrize("number", range(5))
def test_same(shadow, number):
    assert shadow.get(f"/agreed/{number}").status_code == 200

def test_noise(shadow):
    assert len(shadow.get("/ticket").json()["ticket"]) == 36

def test_different(shadow):
    assert shadow.get("/price?of=tea").json()["price"] == 10

def test_all_of_them(shadow):
    for path in ("/things/1", "/things/2", "/agreed/1"):
        assert shadow.get(path).status_code == 200

def test_a_write_is_not_copied(shadow):
    assert shadow.post("/things", content=b"x" * 100_000).json() == {"got": 100_000}
"""


@pytest.fixture(scope="module")
def everywhere(connection: Connection) -> Iterator[Deployed]:
    """Two versions in the mesh that answer differently, and a Gateway with a route to them."""
    with a_namespace(connection) as namespace:
        inject(connection, namespace)
        gateway, route = Ref(GATEWAYS, namespace, "gateway"), Ref(HTTP_ROUTES, namespace, "shop")
        metadata = {"annotations": {"networking.istio.io/service-type": "ClusterIP"}}
        listeners = [{"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.example"}]
        objects.create(connection, gateway, {"metadata": metadata, "spec": {"gatewayClassName": "istio", "listeners": listeners}})
        shop = deploy(connection, namespace, {"v1": "shop", "v2": "other"})
        rules = [{"backendRefs": [{"name": "shop", "port": 8000}]}]
        spec = {"parentRefs": [{"name": "gateway"}], "hostnames": ["shop.example"], "rules": rules}
        objects.create(connection, route, {"spec": spec})

        def ready() -> bool:
            made = (objects.get(connection, route), objects.get(connection, gateway))
            return all((each.get("status") or {}).get(key) for each, key in zip(made, ("parents", "addresses"), strict=True))

        assert until(ticks() + 90, ready, 0.5)
        yield shop


def on_this_machine() -> str:
    app = Path(__file__).with_name("shop_app.py")
    command = json.dumps([sys.executable, str(app)])
    answers = {"v1": "shop", "v2": "other"}
    return "\n".join(
        f'[targets.{version}]\ncommand = {command}\nenv = {{ANSWER = "{answer}", HOSTNAME = "here", PORT = "{{port}}"}}'
        for version, answer in answers.items()
    )


def judged(folder: Path, kubeconfig: Path, configuration: str, mirror: str) -> Judged:
    """What was said of each pair, in the order of the tests, and of all."""
    project(folder, configuration, TESTS)
    options = ("--shadow-config=shadowdiff.toml", "--shadow-target=v2", f"--shadow-mirror={mirror}")
    out, _ = pytest_in(folder, kubeconfig, *options).communicate(timeout=200)
    found = report(folder)
    pairs = [
        (each["test"], each["request"]["method"], each["request"]["url"], each["verdict"], [d["kind"] for d in each["differences"]])
        for each in found["pairs"]
    ]
    return sorted(pairs), found["summary"], out


@pytest.fixture(scope="module")
def embedded(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """What is said with the embedded mirror."""
    return judged(tmp_path_factory.mktemp("local"), kubeconfig, on_this_machine(), "local")


@pytest.mark.parametrize("mirror", ["envoy", "kubernetes", "istio", "gateway-api"])
def test_the_verdicts_are_those_of_the_embedded_mirror(
    mirror: str, embedded: Judged, everywhere: Deployed, kubeconfig: Path, connection: Connection, tmp_path: Path
) -> None:
    expected, counted, there = embedded
    assert {verdict for *_, verdict, _ in expected} == {"same", "different", "noise", "skipped"}, there
    before = routes(connection, everywhere)
    given = on_this_machine() if mirror == "envoy" else everywhere.manifest()
    pairs, summary, out = judged(tmp_path, kubeconfig, given, mirror)
    assert pairs == expected, out
    assert summary == counted, out
    assert routes(connection, everywhere) == before
    assert nothing_of_ours(connection, everywhere.namespace)


def routes(connection: Connection, shop: Deployed) -> list[Any]:
    """The routes of the mesh and of the Gateway."""
    return [*state(connection, shop.namespace), *(each["spec"] for each in objects.list_all(connection, HTTP_ROUTES, shop.namespace))]
