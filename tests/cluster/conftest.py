"""A namespace of its own for each test that needs one, in a cluster made for tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_shadowdiff.cluster.connecting import Connection, connect
from pytest_shadowdiff.cluster.objects import NAMESPACES, collection


@pytest.fixture
def connection(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    made = connect(None, None)
    yield made
    made.close()


@pytest.fixture
def namespace(connection: Connection) -> Iterator[str]:
    name = f"shadowdiff-test-{uuid.uuid4().hex[:8]}"
    connection.call("POST", collection(NAMESPACES, None), body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    connection.call("DELETE", f"{collection(NAMESPACES, None)}/{name}", body={"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
