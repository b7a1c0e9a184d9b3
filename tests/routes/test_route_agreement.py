"""Routes mean here what they mean in a mesh: for each route in data/cases.yaml istiod's own configuration of a sidecar decides alike."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_shadowdiff.cluster import mesh, objects, pods
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import Connection, connect, ticks, until
from pytest_shadowdiff.cluster.forwarding import Forwarder, Way
from pytest_shadowdiff.cluster.http_routes import HTTP_ROUTES
from pytest_shadowdiff.cluster.mesh_routes import DESTINATION_RULES, VIRTUAL_SERVICES
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, NAMESPACES, PODS, SERVICES, Ref, collection
from pytest_shadowdiff.envoy import admin
from pytest_shadowdiff.envoy.routes import RouteTable, read_routes
from pytest_shadowdiff.envoy.routes.decide import Asked
from pytest_shadowdiff.envoy.routes.decide import taken as decided
from pytest_shadowdiff.envoy.routes.model import Forward
from pytest_shadowdiff.envoy.routes.table import versions_of
from pytest_shadowdiff.envoy.routes.translate import envoy_routes
from tests.routes.agreement import Json, outcome, taken

pytestmark = [pytest.mark.cluster, pytest.mark.istio, pytest.mark.timeout(240)]

CASES: list[dict[str, Any]] = [
    case for case in yaml.safe_load_all((Path(__file__).parent / "data" / "cases.yaml").read_text(encoding="utf-8")) if case
]
SUBSETS = {"spec": {"host": "httpbin", "subsets": [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]}}
PORTS = (80, 3000, 8000, 8080, 9080)
KINDS = {"VirtualService": VIRTUAL_SERVICES, "HTTPRoute": HTTP_ROUTES}


def documents(at: int, namespace: str) -> list[dict[str, Any]]:
    """The objects of a case, for a host of its own in the mesh."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for document in yaml.safe_load_all(CASES[at]["route"]):
        for each in (document or {}).get("items", [document] if document else []):
            if each["kind"] in KINDS:
                found[each["kind"], each["metadata"]["name"]] = each
    for number, each in enumerate(found.values()):
        each["metadata"] = {"name": f"case-{at}-{number}", "namespace": namespace}
        spec = each["spec"]
        if each["kind"] == "HTTPRoute":
            for backend in backends(spec):
                backend.setdefault("port", PORTS[0])  # a cluster takes none without
                backend.pop("namespace", None)
            spec.pop("hostnames", None)
            spec["parentRefs"] = [{"group": "", "kind": "Service", "name": f"case-{at}"}]
        else:
            known = spec.pop("gateways", None) or []
            spec["hosts"] = [f"case-{at}"]
            for match in (match for rule in spec["http"] for match in rule.get("match", ())):
                if set(match.get("gateways", ())) & set(known):
                    match["gateways"] = ["mesh"]
    return list(found.values())


def backends(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Whatever the rules of an HTTPRoute name as a backend."""
    for rule in spec["rules"]:
        yield from rule.get("backendRefs", ())
        yield from (each["requestMirror"]["backendRef"] for each in rule.get("filters", ()) if "requestMirror" in each)


def read(folder: Path, at: int, namespace: str, stored: Sequence[dict[str, Any]]) -> RouteTable:
    """The case as our translator reads it, from what the API server made of it."""
    file = folder / f"case-{at}.yaml"
    kept = {each["metadata"]["name"]: each["spec"] for each in stored}
    whole = [{**each, "spec": kept[each["metadata"]["name"]]} for each in documents(at, namespace)]
    rule = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "h", "namespace": namespace}, **SUBSETS}
    file.write_text(
        yaml.safe_dump_all([*whole, rule] if "httpbin" in CASES[at]["route"] and whole[0]["kind"] == "VirtualService" else whole),
        encoding="utf-8",
    )
    return read_routes([file])


class Sidecar:
    """A pod in the mesh, whose sidecar has the routes of all cases."""

    def __init__(self, connection: Connection, namespace: str, forwarder: Forwarder) -> None:
        self.namespace = namespace
        self.refused: dict[int, str] = {}
        self.stored: dict[int, list[dict[str, Any]]] = {}
        self._connection = connection
        for name in sorted({*(f"case-{at}" for at in range(len(CASES))), *self._backends()}):
            ports = [{"name": f"http-{port}", "port": port} for port in PORTS]
            objects.create(connection, Ref(SERVICES, namespace, name), {"spec": {"selector": {"app": "none"}, "ports": ports}})
        objects.create(connection, Ref(DESTINATION_RULES, namespace, "httpbin"), SUBSETS)
        for at in range(len(CASES)):
            self._apply(at)
        objects.create(connection, Ref(CONFIG_MAPS, namespace, "none"), {"data": {}})
        body = mesh.join(pods.pod("python:3.11-slim", ["sleep", "3600"], "none"), (), None)
        objects.create(connection, Ref(PODS, namespace, "client"), body)
        pods.until_running(connection, Ref(PODS, namespace, "client"), 90)
        self.admin = forwarder.open(Way(namespace, lambda: "client", mesh.ADMIN))
        self.hosts: dict[str, Sequence[Json]] = {}

        def complete() -> bool:
            self.hosts = self._routes()
            return all(f"case-{at}" in self.hosts and self._is_ours(at) for at in range(len(CASES)) if at not in self.refused)

        until(ticks() + 60, complete, 1.0)

    def _is_ours(self, at: int) -> bool:
        return any(route.get("name") != "default" for route in self.hosts[f"case-{at}"])

    def _backends(self) -> Iterator[str]:
        """The Services that HTTPRoutes lead to; without them istiod answers 500 in their place."""
        for at in range(len(CASES)):
            for each in documents(at, self.namespace):
                yield from (backend["name"] for backend in (backends(each["spec"]) if each["kind"] == "HTTPRoute" else ()))
        yield from ("httpbin", "ratings", "other")

    def _apply(self, at: int) -> None:
        for each in documents(at, self.namespace):
            try:
                ref = Ref(KINDS[each["kind"]], self.namespace, each["metadata"]["name"])
                self.stored.setdefault(at, []).append(objects.create(self._connection, ref, {"spec": each["spec"]}))
            except ClusterError as error:
                self.refused[at] = str(error)

    def _routes(self) -> dict[str, Sequence[Json]]:
        """What the sidecar does with requests to port 80, by the first label of their Host."""
        dump = json.loads(admin.get(self.admin, "/config_dump?resource=dynamic_route_configs"))
        return {
            host["name"].partition(".")[0]: host.get("routes", ())
            for each in dump.get("configs", ())
            if each["route_config"]["name"] == "80"
            for host in each["route_config"].get("virtual_hosts", ())
        }


@pytest.fixture(scope="module")
def sidecar(kubeconfig: Path) -> Iterator[Sidecar]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("KUBECONFIG", str(kubeconfig))
        connection = connect(None, None)
        namespace = f"shadowdiff-routes-{secrets.token_hex(4)}"
        metadata = {"name": namespace, "labels": {"istio-injection": "enabled"}}
        connection.call("POST", collection(NAMESPACES, None), body={"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        stack.callback(connection.call, "DELETE", f"{collection(NAMESPACES, None)}/{namespace}")
        forwarder = Forwarder(connection)
        stack.callback(forwarder.close)
        yield Sidecar(connection, namespace, forwarder)


def ours(table: RouteTable, asked: Asked) -> Mapping[str, Any]:
    """What we make of a request, as Envoy's words have it."""
    route = decided(table.routes, asked)
    if route is None:
        return outcome(None)
    names = {version.name: version.name for version, _ in versions_of([route])}
    made = outcome(envoy_routes(replace(table, routes=[route]), names)[0])
    if isinstance(route.action, Forward):
        made["mirrors"] = sorted((each.version.name, each.millionths) for each in route.action.mirrors if each.millionths)
    return made


def requests(case: Mapping[str, Any]) -> Iterator[Asked]:
    """Those that the case shows, and each of them changed a little."""
    for ask in case["asks"]:
        method, target = ask["ask"].split(" ", 1)
        headers = {name.lower(): value for name, value in ask.get("headers", {}).items()}
        yield Asked(method, target, headers)
        for other in ("GET", "POST", "HEAD"):
            yield Asked(other, target, headers)
        path, sign, query = target.partition("?")
        for changed in (f"{path}x", f"{path}/x", path.rstrip("/") or "/", path.upper(), f"{path}/", "/", "/elsewhere"):
            yield Asked(method, changed + sign + query, headers)
        yield Asked(method, path, headers)
        yield Asked(method, target, {})
        for name, value in headers.items():
            yield Asked(method, target, {key: kept for key, kept in headers.items() if key != name})
            yield Asked(method, target, {**headers, name: f"{value}x"})


@pytest.mark.parametrize("at", range(len(CASES)), ids=[case["about"] for case in CASES])
def test_istiod_decides_as_we_do(at: int, sidecar: Sidecar, tmp_path: Path) -> None:
    assert at not in sidecar.refused, sidecar.refused[at]
    table = read(tmp_path, at, sidecar.namespace, sidecar.stored[at])
    theirs = sidecar.hosts[f"case-{at}"]
    for asked in requests(CASES[at]):
        we, they = ours(table, asked), outcome(taken(theirs, asked))
        assert we == they, asked
