"""A namespace of its own for each test that needs one, in a cluster made for tests."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection, connect, ticks, until
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, NAMESPACES, PODS, SERVICES, Kind, Ref, collection
from pytest_shadowdiff.cluster.workloads import is_ready

IMAGE = "python:3.11-slim"
DEPLOYMENTS = Kind("apps/v1", "deployments", "Deployment")


@pytest.fixture(scope="module")
def connection(kubeconfig: Path) -> Iterator[Connection]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(kubeconfig))
        made = connect(None, None)
        yield made
        made.close()


@contextmanager
def a_namespace(connection: Connection) -> Iterator[str]:
    name = f"shadowdiff-test-{uuid.uuid4().hex[:8]}"
    connection.call("POST", collection(NAMESPACES, None), body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield name
    finally:
        query = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
        connection.call("DELETE", f"{collection(NAMESPACES, None)}/{name}", body=query)


@pytest.fixture
def namespace(connection: Connection) -> Iterator[str]:
    with a_namespace(connection) as name:
        yield name


@pytest.fixture(scope="module")
def deployments(connection: Connection) -> Iterator[Callable[[int], list[str]]]:
    """As many namespaces with the same two versions as are asked for; the same ones each time."""
    with ExitStack() as stack:

        @cache
        def make(number: int) -> list[str]:
            names = [stack.enter_context(a_namespace(connection)) for _ in range(number)]
            with ThreadPoolExecutor(number) as pool:
                list(pool.map(lambda name: deploy(connection.another(), name, {"v1": "shop", "v2": "shop"}), names))
            return names

        yield make


@dataclass(frozen=True)
class Deployed:
    """Two versions behind one Service of port 8000, whose pods listen on 8080."""

    namespace: str
    service: str = "shop"

    def manifest(self, **service: object) -> str:
        """A configuration of ours for them, in TOML."""
        given = {"name": self.service, "namespace": self.namespace, "port": 8000, "lease_seconds": 5, **service}
        lines = [f"{key} = {json.dumps(value)}" for key, value in given.items()]
        versions = [f"[targets.{version}]\nworkload = {{labels = {{version = '{version}'}}}}" for version in ("v1", "v2")]
        return "\n".join(["[service]", *lines, *versions])


def deployment(version: str, replicas: int, answer: str, cpu: str) -> dict[str, Any]:
    labels = {"app": "shop", "version": version}
    container = {
        "name": "shop",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-u", "/app/app.py"],
        "env": [{"name": "ANSWER", "value": answer}, {"name": "VERSION", "value": version}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
        "volumeMounts": [{"name": "app", "mountPath": "/app"}],
        "resources": {"requests": {"cpu": cpu}},
    }
    pod = {"terminationGracePeriodSeconds": 4, "containers": [container], "volumes": [{"name": "app", "configMap": {"name": "app"}}]}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"spec": spec}


def deploy(connection: Connection, namespace: str, versions: Mapping[str, str], replicas: int = 1, cpu: str = "0") -> Deployed:
    """Deploy versions, each with its answer and the share of a core that it asks for, and wait until they are ready."""
    app = Path(__file__).with_name("shop_app.py").read_text(encoding="utf-8")
    objects.create(connection, Ref(CONFIG_MAPS, namespace, "app"), {"data": {"app.py": app}})
    ports = [{"name": "http", "port": 8000, "targetPort": "http"}]
    objects.create(connection, Ref(SERVICES, namespace, "shop"), {"spec": {"selector": {"app": "shop"}, "ports": ports}})
    for version, answer in versions.items():
        objects.create(connection, Ref(DEPLOYMENTS, namespace, f"shop-{version}"), deployment(version, replicas, answer, cpu))

    def ready() -> bool:
        pods = objects.list_all(connection, PODS, namespace, {"app": "shop"})
        return len(pods) == replicas * len(versions) and all(map(is_ready, pods))

    assert until(ticks() + 90, ready)
    return Deployed(namespace)


@pytest.fixture
def shop(connection: Connection, namespace: str) -> Deployed:
    """Two versions that answer alike."""
    return deploy(connection, namespace, {"v1": "shop", "v2": "shop"})


@pytest.fixture
def deployed_differently(connection: Connection, namespace: str) -> Deployed:
    """Two versions, of which the second answers otherwise."""
    return deploy(connection, namespace, {"v1": "shop", "v2": "other"})


@pytest.fixture
def replicated(connection: Connection, namespace: str) -> Deployed:
    """Two versions that answer alike, with two pods each."""
    return deploy(connection, namespace, {"v1": "shop", "v2": "shop"}, replicas=2)


class ApiProxy:
    """A TCP proxy before the API server that can be cut."""

    def __init__(self, server: str) -> None:
        place = urlsplit(server)
        self._server = (place.hostname or "", place.port or 443)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._open: list[Any] = []
        self._over = False
        threading.Thread(target=self._accept, daemon=True).start()

    def kubeconfig(self, of: Path, folder: Path) -> Path:
        """That kubeconfig, through this proxy."""
        config = yaml.safe_load(of.read_text(encoding="utf-8"))
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        file = folder / f"kubeconfig-{self.port}"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        return file

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            self._open += [caller, server]
            if self._over:
                self.cut()
                return
            for one, other in ((caller, server), (server, caller)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: Any, other: Any) -> None:
        try:
            while block := one.recv(65536):
                other.sendall(block)
        except OSError:
            pass
        finally:
            for each in (one, other):
                each.close()

    def close(self) -> None:
        """It is no longer needed."""
        self.cut()

    def cut(self) -> None:
        """Close all connections, and take no more."""
        self._over = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Close all connections; new ones are taken."""
        dropped, self._open = self._open, []
        for each in dropped:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def api_proxy(connection: Connection) -> Callable[[], AbstractContextManager[ApiProxy]]:
    """Proxies before the API server, as many as are asked for."""
    return lambda: closing(ApiProxy(connection.host))
