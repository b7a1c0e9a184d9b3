"""A run in a mesh, killed or cut off after every single changing call: its routes and the namespace are as they were found."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.objects import Ref
from tests.cluster.conftest import a_namespace, deploy
from tests.cluster.drill import Drill, snapshot
from tests.cluster.test_istio_runs import DESTINATION_RULES, SPEC, VIRTUAL_SERVICES, inject, state

pytestmark = [pytest.mark.cluster, pytest.mark.istio, pytest.mark.timeout(400)]

ROUTES = range(9, 15)  # of them: those that touch the mesh's objects, and the journal before them
PLACES = 4


def everything(connection: Connection, namespace: str) -> dict[str, Any]:
    return {**snapshot(connection, namespace), "routes": state(connection, namespace)}


RUN = Drill("istio", 19, everything)


@pytest.fixture(scope="module")
def places(connection: Connection) -> Iterator[list[tuple[Connection, str]]]:
    """Namespaces in the mesh with the same two versions and the same routes."""

    def prepare(namespace: str) -> tuple[Connection, str]:
        own = connection.another()
        inject(own, namespace)
        deploy(own, namespace, {"v1": "shop", "v2": "shop"})
        subsets = [{"name": "v1", "labels": {"version": "v1"}}]
        objects.create(own, Ref(DESTINATION_RULES, namespace, "shop"), {"spec": {"host": "shop", "subsets": subsets}})
        objects.create(own, Ref(VIRTUAL_SERVICES, namespace, "shop"), {"spec": SPEC})
        return own, namespace

    with ExitStack() as stack, ThreadPoolExecutor(PLACES) as pool:
        names = [stack.enter_context(a_namespace(connection)) for _ in range(PLACES)]
        yield list(pool.map(prepare, names))


def test_a_run_makes_that_many_changing_calls(kubeconfig: Path, places: list[tuple[Connection, str]]) -> None:
    RUN.count(*places[0], kubeconfig)


@pytest.mark.slow
def test_killed_after_each_call(kubeconfig: Path, places: list[tuple[Connection, str]]) -> None:
    RUN.kill(places, kubeconfig)


@pytest.mark.slow
def test_cut_off_after_each_call_on_the_way_in_and_out_of_the_routes(
    kubeconfig: Path, places: list[tuple[Connection, str]], tmp_path: Path, api_proxy: Any
) -> None:
    RUN.cut_off(places, kubeconfig, tmp_path, api_proxy, ROUTES)
