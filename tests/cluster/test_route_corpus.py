"""Routes of many shapes on a real cluster: patched for a run and put back identical, or refused before they are touched."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_shadowdiff.cluster import gateways, objects
from pytest_shadowdiff.cluster.changes import Changes
from pytest_shadowdiff.cluster.connecting import MERGE_PATCH, Connection, ticks, until
from pytest_shadowdiff.cluster.gateway_routes import GatewayRoutes
from pytest_shadowdiff.cluster.gateways import GATEWAYS
from pytest_shadowdiff.cluster.hold import Hold
from pytest_shadowdiff.cluster.http_routes import HTTP_ROUTES
from pytest_shadowdiff.cluster.mesh_routes import DESTINATION_RULES, VIRTUAL_SERVICES, MeshRoutes
from pytest_shadowdiff.cluster.objects import SERVICES, Kind, Object, Ref
from pytest_shadowdiff.cluster.patching import Edit
from pytest_shadowdiff.cluster.versions import Versions
from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.settings import Service, Settings, Target
from tests.cluster.conftest import a_namespace, deploy

pytestmark = [pytest.mark.cluster, pytest.mark.istio, pytest.mark.timeout(180)]

DATA = Path(__file__).with_name("data")
WRITTEN_BY_THE_SERVER = ("resourceVersion", "generation", "managedFields", "uid", "creationTimestamp")
FOREIGN = {"theirs.example.com/note": '{"nested": ["a", 1]}'}


def cases(name: str) -> list[Any]:
    found = yaml.safe_load_all((DATA / name).read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["about"]) for case in found if case]


@dataclass
class Ground:
    """A namespace with both versions, a Service of each, and a Gateway."""

    connection: Connection
    namespace: str
    versions: Versions


@pytest.fixture(scope="module")
def ground(connection: Connection) -> Iterator[Ground]:
    with a_namespace(connection) as namespace:
        deploy(connection, namespace, {"v1": "shop", "v2": "shop"})
        for name, labels in (("shop-v1", {"version": "v1"}), ("shop-v2", {"version": "v2"}), ("other", {"app": "other"})):
            ports = [{"name": "http", "port": 8000, "targetPort": "http"}]
            objects.create(connection, Ref(SERVICES, namespace, name), {"spec": {"selector": {"app": "shop", **labels}, "ports": ports}})
        gateway = Ref(GATEWAYS, namespace, "gateway")
        metadata = {"annotations": {"networking.istio.io/service-type": "ClusterIP"}}
        listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
        objects.create(connection, gateway, {"metadata": metadata, "spec": {"gatewayClassName": "istio", "listeners": listeners}})
        assert until(ticks() + 90, lambda: bool((objects.get(connection, gateway).get("status") or {}).get("addresses")), 0.5)
        targets = [Target(name, workload={"labels": {"version": name}}) for name in ("v1", "v2")]
        versions = Versions(Settings(primary=targets[0], candidate=targets[1], service=Service("shop", namespace, 8000)))
        versions.find(connection)
        yield Ground(connection, namespace, versions)


def shown(found: Mapping[str, Any]) -> Object:
    """An object without what the API server and controllers write."""
    metadata = {key: value for key, value in found["metadata"].items() if key not in WRITTEN_BY_THE_SERVER}
    return {key: value for key, value in found.items() if key not in ("metadata", "status")} | {"metadata": metadata}


def foreign_status(found: Mapping[str, Any]) -> Any:
    """What somebody else's controller wrote into the status."""
    return [
        each for each in (found.get("status") or {}).get("parents") or () if each.get("controllerName") == "theirs.example.com/controller"
    ]


Patch = Callable[[Changes], Mapping[Ref, tuple[Edit, ...]]]


def patched_and_put_back(ground: Ground, ref: Ref, rules: str, run: str, patch: Patch) -> int:
    """Patch, write into the middle as somebody else, take back; what a run put in is returned as a number."""
    connection = ground.connection
    before = objects.get(connection, ref)
    holding = Hold(connection, ground.namespace, ref.name, run, 30)
    holding.take(0)
    try:
        watched = patch(holding.changes)
        during = objects.get(connection, ref)
        added = len(during["spec"][rules]) - len(before["spec"][rules])
        mine = copy.deepcopy(during["spec"][rules])
        theirs = {**mine[-1], "name": "theirs"}
        write = {"metadata": {"annotations": {"theirs.example.com/middle": "1"}}, "spec": {rules: [mine[0], theirs, *mine[1:]]}}
        objects.merge(connection, ref, write)
        assert watched[ref]
    finally:
        left = holding.end()
    assert not left
    after = objects.get(connection, ref)
    expected = shown(before)
    expected["metadata"].setdefault("annotations", {})["theirs.example.com/middle"] = "1"
    kept = [each for each in after["spec"][rules] if each.get("name") != "theirs"]
    assert len(after["spec"][rules]) == len(kept) + 1
    assert shown({**after, "spec": {**after["spec"], rules: kept}}) == expected
    assert foreign_status(after) == foreign_status(before)
    return added


@pytest.mark.parametrize("case", cases("http_routes.yaml"))
def test_an_http_route_is_put_back_or_never_touched(case: Mapping[str, Any], ground: Ground) -> None:
    connection, run = ground.connection, uuid.uuid4().hex[:8]
    ref = Ref(HTTP_ROUTES, ground.namespace, f"route-{run}")
    objects.create(connection, ref, {"metadata": {"annotations": FOREIGN}, "spec": case["route"]})
    recorder = f"shadowdiff-{run}"
    try:
        decided(connection, ref)
        theirs = {
            "parentRef": {"name": "theirs", "group": "gateway.networking.k8s.io", "kind": "Gateway"},
            "controllerName": "theirs.example.com/controller",
            "conditions": [
                {
                    "type": "Accepted",
                    "status": "False",
                    "reason": "Theirs",
                    "message": "no",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ],
        }
        parents = [*objects.get(connection, ref)["status"]["parents"], theirs]
        status = {"status": {"parents": parents}}
        connection.call("PATCH", f"{ref.path}/status", body=status, content_type=MERGE_PATCH)
        routes = GatewayRoutes(connection, ground.versions, run, recorder, (17081, 17082))
        if "refused" in case:
            before = objects.get(connection, ref)
            with pytest.raises(SetupError) as refused:
                routes.plan()
            assert case["refused"] in str(refused.value)
            assert objects.get(connection, ref)["metadata"]["generation"] == before["metadata"]["generation"]
            return

        def patch(changes: Changes) -> Mapping[Ref, tuple[Edit, ...]]:
            plan = routes.plan()
            ports = [{"name": f"http-{port}", "port": port} for port in (17081, 17082)]
            changes.create(Ref(SERVICES, ground.namespace, recorder), {"spec": {"selector": {"app": "none"}, "ports": ports}}, "recorder")
            return routes.put_in(changes, plan)

        assert patched_and_put_back(ground, ref, "rules", run, patch) == case["copies"]
    finally:
        remove(connection, ref)


def test_a_gateway_that_no_run_could_enter_is_named_with_the_reason(ground: Ground) -> None:
    secure = {"name": "secure", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "none"}]}}
    listeners = [secure, {"name": "other", "port": 80, "protocol": "HTTP", "hostname": "other.example"}]
    ref = Ref(GATEWAYS, ground.namespace, "nobodys")
    objects.create(ground.connection, ref, {"spec": {"gatewayClassName": "nobodys", "listeners": listeners}})

    def entering(parent: Mapping[str, Any], host: str | None = None) -> str:
        metadata = {"name": "shop", "namespace": ground.namespace}
        route = {"metadata": metadata, "spec": {"hostnames": ["shop.example"], "parentRefs": [parent]}}
        with pytest.raises(SetupError) as refused:
            gateways.gateway_door(ground.connection, route, next(gateways.parents_of(route)), host)
        return str(refused.value)

    said = entering({"name": "nobodys"})
    assert "secure (HTTPS 443) does not take plain HTTP; other (HTTP 80) is for other.example. Give `entry`" in said
    assert "other (HTTP 80) is not the one that the route names" in entering({"name": "nobodys", "sectionName": "secure"})
    assert f"{ref} has no address in its status: Accepted=Unknown" in entering({"name": "nobodys"}, "other.example")
    assert f"spec.parentRefs: Gateway {ground.namespace}/gone is not there" in entering({"name": "gone"})


def decided(connection: Connection, ref: Ref) -> None:
    """Return when the controller has said something of the route as it is now."""

    def said() -> bool:
        found = objects.get(connection, ref)
        return any("no controller has said anything" not in gateways.trouble(found, parent) for parent in gateways.parents_of(found))

    assert until(ticks() + 30, said, 0.2)


def remove(connection: Connection, ref: Ref) -> None:
    found = objects.find(connection, ref)
    if found is not None:
        objects.delete(connection, ref, uid=found["metadata"]["uid"])


@pytest.fixture(scope="module")
def subsets(ground: Ground) -> None:
    """A DestinationRule for the Service, as the founding page has it."""
    named = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
    objects.create(ground.connection, Ref(DESTINATION_RULES, ground.namespace, "shop"), {"spec": {"host": "shop", "subsets": named}})


@pytest.mark.usefixtures("subsets")
@pytest.mark.parametrize("case", cases("virtual_services.yaml"))
def test_a_virtual_service_is_put_back_or_never_touched(case: Mapping[str, Any], ground: Ground) -> None:
    connection, run = ground.connection, uuid.uuid4().hex[:8]
    ref = Ref(Kind(case["kind"], VIRTUAL_SERVICES.plural, VIRTUAL_SERVICES.name), ground.namespace, f"service-{run}")
    spec = json.loads(json.dumps(case["service"]).replace("NAMESPACE", ground.namespace))
    objects.create(connection, ref, {"metadata": {"annotations": FOREIGN, "labels": {"theirs": "1"}}, "spec": spec})
    ref = Ref(VIRTUAL_SERVICES, ref.namespace, ref.name)
    status = {"status": {"conditions": [{"type": "Theirs", "status": "True"}], "unknown": {"to": ["us"]}}}
    connection.call("PATCH", f"{ref.path}/status", body=status, content_type=MERGE_PATCH)
    routes = MeshRoutes(connection, ground.versions, run, f"shadowdiff-{run}", {"primary": 17081, "candidate": 17082}, unsafe=False)
    try:
        before = objects.get(connection, ref)
        if "refused" in case:
            with pytest.raises(SetupError) as refused:
                routes.plan()
            assert case["refused"] in str(refused.value)
            assert objects.get(connection, ref) == before
            return

        def patch(changes: Changes) -> Mapping[Ref, tuple[Edit, ...]]:
            return routes.put_in(changes, routes.plan())

        assert patched_and_put_back(ground, ref, "http", run, patch) >= len(("probe", "mirror", "primary", "candidate"))
        assert objects.get(connection, ref)["status"] == before["status"]
    finally:
        remove(connection, ref)
