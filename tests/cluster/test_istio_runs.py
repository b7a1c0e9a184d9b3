"""Whole runs of pytest in a real mesh: the mesh mirrors this run's requests and nobody else's, and its objects are as they were."""

from __future__ import annotations

import copy
import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import MERGE_PATCH, Connection, ticks, until
from pytest_shadowdiff.cluster.forwarding import Forwarder, Way
from pytest_shadowdiff.cluster.objects import NAMESPACES, PODS, Kind, Ref, collection
from tests.cluster.conftest import DEPLOYMENTS, Deployed, a_namespace, deploy
from tests.cluster.test_run_in_cluster import change_deployment, nothing_of_ours, project, pytest_in, report

pytestmark = [pytest.mark.cluster, pytest.mark.istio, pytest.mark.timeout(240)]

VIRTUAL_SERVICES = Kind("networking.istio.io/v1", "virtualservices", "VirtualService")
DESTINATION_RULES = Kind("networking.istio.io/v1", "destinationrules", "DestinationRule")
AUTHENTICATIONS = Kind("security.istio.io/v1", "peerauthentications", "PeerAuthentication")
POLICIES = Kind("security.istio.io/v1", "authorizationpolicies", "AuthorizationPolicy")
MOVING = ("resourceVersion", "generation", "managedFields")
OPTIONS = ("--shadow-config=shadowdiff.toml", "--shadow-target=v2", "--shadow-mirror=istio")
TESTS = """
def test_same(shadow):
    assert shadow.get("/headers").json()["headers"]["host"] == "shop:8000"

def test_different(shadow):
    assert shadow.get("/price").json()["price"] == 10

def test_a_write_is_not_copied(shadow):
    assert shadow.post("/things", content=b"x" * 100_000).json() == {"got": 100_000}

def test_a_redirect_stays_inside(shadow):
    assert shadow.get("http://shop:8000/things/1").json()["path"] == "/things/1"
"""


def inject(connection: Connection, namespace: str) -> None:
    """Let the mesh put a sidecar into each pod that is made there."""
    labels = {"metadata": {"labels": {"istio-injection": "enabled"}}}
    connection.call("PATCH", f"{collection(NAMESPACES, None)}/{namespace}", body=labels, content_type=MERGE_PATCH)


@pytest.fixture(scope="module")
def meshed(connection: Connection) -> Iterator[Deployed]:
    """Two versions that answer differently, with sidecars, and no route yet."""
    with a_namespace(connection) as namespace:
        inject(connection, namespace)
        yield deploy(connection, namespace, {"v1": "shop", "v2": "other"})


@pytest.fixture
def routed(meshed: Deployed, connection: Connection) -> Iterator[Deployed]:
    """The same, with a route to v1 in the middle of a canary, a subset for v1 alone, and fields that nobody of us knows."""
    made: list[tuple[Ref, dict[str, Any]]] = [
        (
            Ref(DESTINATION_RULES, meshed.namespace, "shop"),
            {"spec": {"host": "shop", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]}},
        ),
        (Ref(VIRTUAL_SERVICES, meshed.namespace, "shop"), {"metadata": {"annotations": {"team": "orders"}}, "spec": SPEC}),
    ]
    for ref, body in made:
        objects.create(connection, ref, body)
    yield meshed
    for ref, _ in made:
        found = objects.find(connection, ref)
        if found is not None:
            objects.delete(connection, ref, uid=found["metadata"]["uid"])


SPEC: Mapping[str, Any] = {
    "hosts": ["shop"],
    "http": [
        {"name": "old", "match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}},
        {
            "name": "prices",
            "match": [{"uri": {"prefix": "/price"}, "method": {"regex": "GET|PUT"}}, {"uri": {"exact": "/cost"}}],
            "route": [{"destination": {"host": "shop", "subset": "v1"}}],
            "timeout": "9s",
        },
        {"route": [{"destination": {"host": "shop", "subset": "v1"}, "weight": 100}], "retries": {"attempts": 3}},
    ],
}


def run(shop: Deployed, kubeconfig: Path, folder: Path, *options: str, tests: str = TESTS, **service: object) -> str:
    project(folder, shop.manifest(**service), tests)
    out, _ = pytest_in(folder, kubeconfig, *OPTIONS, *options).communicate(timeout=200)
    return out


def state(connection: Connection, namespace: str) -> list[dict[str, Any]]:
    """All routes of a namespace, without what each write changes."""
    found = [each for kind in (VIRTUAL_SERVICES, DESTINATION_RULES) for each in objects.list_all(connection, kind, namespace)]
    return [{**each, "metadata": {key: value for key, value in each["metadata"].items() if key not in MOVING}} for each in found]


def verdicts(folder: Path) -> Counter[tuple[str, str]]:
    return Counter((pair["request"]["url"], pair["verdict"]) for pair in report(folder)["pairs"])


EXPECTED = Counter({("/headers", "same"): 1, ("/price", "different"): 1, ("/things", "skipped"): 1, ("/things/1", "different"): 1})


def test_the_mesh_mirrors_and_its_routes_are_as_they_were(
    routed: Deployed, kubeconfig: Path, connection: Connection, tmp_path: Path
) -> None:
    before = state(connection, routed.namespace)
    out = run(routed, kubeconfig, tmp_path)
    assert verdicts(tmp_path) == EXPECTED, out
    assert "the mesh mirrors what this run sends" in out
    assert "spec.http[0] (old) answers by itself: not mirrored" in out
    assert state(connection, routed.namespace) == before
    assert nothing_of_ours(connection, routed.namespace)


def test_without_a_route_and_under_strict_mtls(meshed: Deployed, kubeconfig: Path, connection: Connection, tmp_path: Path) -> None:
    ref = Ref(AUTHENTICATIONS, meshed.namespace, "strict")
    made = objects.create(connection, ref, {"spec": {"mtls": {"mode": "STRICT"}}})
    out = run(meshed, kubeconfig, tmp_path)
    objects.delete(connection, ref, uid=made["metadata"]["uid"])
    assert verdicts(tmp_path) == EXPECTED, out
    assert state(connection, meshed.namespace) == []
    assert nothing_of_ours(connection, meshed.namespace)


LONG = """
import pathlib, time

def test_long(shadow):
    here = pathlib.Path(__file__).parent
    (here / "go").touch()
    for number in range(600):
        shadow.get("/headers")
        time.sleep(0.1)
"""


def test_whoever_puts_the_routes_back_is_named_and_nothing_is_left(
    routed: Deployed, kubeconfig: Path, connection: Connection, tmp_path: Path
) -> None:
    """A GitOps loop every two seconds, from before the run on."""
    ref = Ref(VIRTUAL_SERVICES, routed.namespace, "shop")
    before = state(connection, routed.namespace)
    desired = copy.deepcopy(SPEC["http"])
    over = threading.Event()
    own = connection.another()

    def loop() -> None:
        while not over.wait(2):
            if own.read(ref.path)["spec"]["http"] != desired:
                own.call("PATCH", ref.path, {"fieldManager": "argocd"}, body={"spec": {"http": desired}}, content_type=MERGE_PATCH)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        out = run(routed, kubeconfig, tmp_path, tests=LONG)
    finally:
        over.set()
        thread.join()
    assert f"VirtualService {routed.namespace}/shop: 'argocd' (field manager" in out, out
    assert "Nothing fights back" in out
    assert state(connection, routed.namespace) == before
    assert nothing_of_ours(connection, routed.namespace)


def test_a_policy_that_keeps_the_client_pod_out_is_named(
    routed: Deployed, kubeconfig: Path, connection: Connection, tmp_path: Path
) -> None:
    before = state(connection, routed.namespace)
    ref = Ref(POLICIES, routed.namespace, "shut")
    rules = [{"from": [{"source": {"principals": ["cluster.local/ns/elsewhere/sa/default"]}}]}]
    spec = {"selector": {"matchLabels": {"version": "v1"}}, "action": "ALLOW", "rules": rules}
    made = objects.create(connection, ref, {"spec": spec})
    out = run(routed, kubeconfig, tmp_path)
    objects.delete(connection, ref, uid=made["metadata"]["uid"])
    assert "Target v1: the mesh answers in its place what the client pod of this run asks: 'RBAC: access denied'" in out, out
    assert f"{routed.namespace}/default" in out
    assert state(connection, routed.namespace) == before
    assert nothing_of_ours(connection, routed.namespace)


@pytest.mark.parametrize(
    "patch, words",
    [
        ({"http": [{**SPEC["http"][2], "mirror": {"host": "shop", "subset": "v1"}}]}, "spec.http[0].mirror: this route mirrors already"),
        ({"gateways": ["shop-gateway"]}, "spec.gateways: it is for the gateways shop-gateway alone"),
        ({"http": [{"route": [{"destination": {"host": "shop", "subset": "v3"}}]}]}, "leads to the subset 'v3'"),
    ],
    ids=["mirror", "gateways", "subset"],
)
def test_what_is_in_the_way_is_named_before_anything_is_touched(
    patch: Mapping[str, Any], words: str, routed: Deployed, kubeconfig: Path, connection: Connection, tmp_path: Path
) -> None:
    objects.merge(connection, Ref(VIRTUAL_SERVICES, routed.namespace, "shop"), {"spec": patch})
    before = objects.list_all(connection, VIRTUAL_SERVICES, routed.namespace)
    out = run(routed, kubeconfig, tmp_path)
    assert f"VirtualService {routed.namespace}/shop" in out, out
    assert words in out
    assert objects.list_all(connection, VIRTUAL_SERVICES, routed.namespace) == before, "it was touched"


def test_two_workers_share_the_route(routed: Deployed, kubeconfig: Path, connection: Connection, tmp_path: Path) -> None:
    before = state(connection, routed.namespace)
    out = run(routed, kubeconfig, tmp_path, "-n2")
    assert verdicts(tmp_path) == EXPECTED, out
    assert state(connection, routed.namespace) == before
    assert nothing_of_ours(connection, routed.namespace)


SUFFIX_OFF = "DISABLE_SHADOW_HOST_SUFFIX"
SUFFIX = """
def test_same(shadow):
    assert shadow.get("/things/1").status_code == 200

def test_the_host(shadow):
    shadow.get("/headers")
"""


@pytest.fixture
def with_suffix(connection: Connection) -> Iterator[None]:
    """Istio as it was before 1.28: the Host of a copy ends with `-shadow`."""
    ref = Ref(DEPLOYMENTS, "istio-system", "istiod")
    containers = objects.get(connection, ref)["spec"]["template"]["spec"]["containers"]
    containers[0]["env"] = [each for each in containers[0].get("env", ()) if each["name"] != SUFFIX_OFF]  # a killed run's
    told = copy.deepcopy(containers)
    told[0]["env"].append({"name": SUFFIX_OFF, "value": "false"})
    try:
        replace_istiod(connection, ref, told)
        yield
    finally:
        replace_istiod(connection, ref, containers)


def replace_istiod(connection: Connection, ref: Ref, containers: list[dict[str, Any]]) -> None:
    """And wait until the old one is gone and the new one's webhook is reached: a Service's address learns of it a moment later."""
    change_deployment(connection, ref, {"spec": {"containers": containers}})
    assert until(ticks() + 90, lambda: len(objects.list_all(connection, PODS, ref.namespace, {"app": ref.name})) == 1, 0.5)
    kind = {"apiVersion": VIRTUAL_SERVICES.api_version, "kind": VIRTUAL_SERVICES.name}
    probe = {**kind, "metadata": {"name": "probe"}, "spec": SPEC}

    def answers() -> bool:
        try:
            connection.call("POST", collection(VIRTUAL_SERVICES, "default"), {"dryRun": "All"}, body=probe)
        except ClusterError:
            return False
        return True

    assert until(ticks() + 60, answers, 0.5)


@pytest.mark.usefixtures("with_suffix")
def test_a_copy_is_known_with_the_suffix_of_its_host_too(
    routed: Deployed, kubeconfig: Path, connection: Connection, tmp_path: Path
) -> None:
    before = state(connection, routed.namespace)
    assert '"disable_shadow_host_suffix_append": true' not in mirrored_routes(connection, routed)
    out = run(routed, kubeconfig, tmp_path, tests=SUFFIX)
    assert verdicts(tmp_path) == Counter({("/things/1", "different"): 1, ("/headers", "same"): 1}), out
    (headers,) = (pair for pair in report(tmp_path)["pairs"] if pair["request"]["url"] == "/headers")
    assert json.loads(headers["candidate"]["body"])["headers"]["host"] == "shop:8000", "the suffix was handed on"
    assert state(connection, routed.namespace) == before
    assert nothing_of_ours(connection, routed.namespace)


def mirrored_routes(connection: Connection, shop: Deployed) -> str:
    """What istiod makes of a mirror in the route: the configuration of a sidecar, while the route has one."""
    ref = Ref(VIRTUAL_SERVICES, shop.namespace, "shop")
    objects.merge(connection, ref, {"spec": {"http": [{**SPEC["http"][2], "mirror": {"host": "shop", "subset": "v1"}}]}})
    pod = objects.list_all(connection, PODS, shop.namespace, {"version": "v1"})[0]["metadata"]["name"]
    forwarder = Forwarder(connection)
    found = ""

    def mirrors() -> bool:
        nonlocal found
        with urllib.request.urlopen(f"http://{host}:{port}/config_dump?resource=dynamic_route_configs", timeout=5) as answer:
            found = answer.read().decode()
        return "request_mirror_policies" in found

    try:
        host, port = forwarder.open(Way(shop.namespace, lambda: pod, 15000))
        assert until(ticks() + 30, mirrors, 0.5)
    finally:
        forwarder.close()
        objects.merge(connection, ref, {"spec": {"http": SPEC["http"]}})
    return found


def test_istio_as_it_is_appends_no_suffix(routed: Deployed, connection: Connection) -> None:
    assert '"disable_shadow_host_suffix_append": true' in mirrored_routes(connection, routed)
