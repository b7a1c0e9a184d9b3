"""A run behind a Gateway, killed or cut off after every single changing call: its routes and the namespace are as they were found."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import gateways, objects
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.gateways import GATEWAYS
from pytest_shadowdiff.cluster.http_routes import HTTP_ROUTES
from pytest_shadowdiff.cluster.objects import Ref
from tests.cluster.conftest import a_namespace, deploy
from tests.cluster.drill import Drill, snapshot
from tests.cluster.test_gateway_runs import RULES, state

pytestmark = [pytest.mark.cluster, pytest.mark.istio, pytest.mark.timeout(500)]

PLACES = 4


def everything(connection: Connection, namespace: str) -> dict[str, Any]:
    return {**snapshot(connection, namespace), "routes": state(connection, namespace)}


RUN = Drill("gateway-api", 22, everything)


@pytest.fixture(scope="module")
def places(connection: Connection) -> Iterator[list[tuple[Connection, str]]]:
    """Namespaces with the same two versions behind a Gateway each."""

    def prepare(namespace: str) -> tuple[Connection, str]:
        own = connection.another()
        gateway, route = Ref(GATEWAYS, namespace, "gateway"), Ref(HTTP_ROUTES, namespace, "shop")
        metadata = {"annotations": {"networking.istio.io/service-type": "ClusterIP"}}
        spec = {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
        objects.create(own, gateway, {"metadata": metadata, "spec": spec})
        deploy(own, namespace, {"v1": "shop", "v2": "shop"})
        objects.create(own, route, {"spec": {"parentRefs": [{"name": "gateway"}], "rules": RULES}})

        def programmed() -> bool:
            found = objects.get(own, route)
            said = {each["type"]: each["status"] for each in (objects.get(own, gateway).get("status") or {}).get("conditions") or ()}
            return said.get("Programmed") == "True" and not gateways.trouble(found, next(gateways.parents_of(found)))

        assert until(ticks() + 90, programmed, 0.5)
        return own, namespace

    with ExitStack() as stack, ThreadPoolExecutor(PLACES) as pool:
        names = [stack.enter_context(a_namespace(connection)) for _ in range(PLACES)]
        yield list(pool.map(prepare, names))


@pytest.mark.slow
def test_a_run_makes_that_many_changing_calls(kubeconfig: Path, places: list[tuple[Connection, str]]) -> None:
    RUN.count(*places[0], kubeconfig)


@pytest.mark.slow
def test_killed_after_each_call(kubeconfig: Path, places: list[tuple[Connection, str]]) -> None:
    RUN.kill(places, kubeconfig)


@pytest.mark.slow
def test_cut_off_after_each_call(kubeconfig: Path, places: list[tuple[Connection, str]], tmp_path: Path, api_proxy: Any) -> None:
    RUN.cut_off(places, kubeconfig, tmp_path, api_proxy)
