"""Twenty thousand requests of others through the very route that runs patch: none is mirrored, none fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.objects import Ref
from tests.cluster.conftest import Deployed, a_namespace, deploy
from tests.cluster.test_istio_runs import DESTINATION_RULES, SPEC, VIRTUAL_SERVICES, inject
from tests.cluster.test_strangers import CPU, show

pytestmark = [pytest.mark.cluster, pytest.mark.istio, pytest.mark.slow, pytest.mark.timeout(400)]


def test_strangers_in_the_mesh_notice_nothing(
    namespace: str, connection: Connection, kubeconfig: Path, tmp_path: Path, record_property: Any
) -> None:
    with a_namespace(connection) as other:
        shop, elsewhere = (routed(connection, each) for each in (namespace, other))
        figures = show(shop, elsewhere, connection, kubeconfig, tmp_path, ("shop", 8000), "--shadow-mirror=istio")
        for what, figure in figures.items():
            record_property(what, figure)


def routed(connection: Connection, namespace: str) -> Deployed:
    inject(connection, namespace)
    shop = deploy(connection, namespace, {"v1": "shop", "v2": "shop"}, cpu=CPU)
    subsets = [{"name": "v1", "labels": {"version": "v1"}}]
    objects.create(connection, Ref(DESTINATION_RULES, namespace, "shop"), {"spec": {"host": "shop", "subsets": subsets}})
    objects.create(connection, Ref(VIRTUAL_SERVICES, namespace, "shop"), {"spec": SPEC})
    return shop
