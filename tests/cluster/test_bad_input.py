"""One error each, before anything is changed or with everything undone: the object, and what to do next. No traceback."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_shadowdiff.backends import MirrorPlan
from pytest_shadowdiff.cluster import objects, pods
from pytest_shadowdiff.cluster.connecting import Connection, connect, ticks, until
from pytest_shadowdiff.cluster.contexts import looks_like_production
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, LEASES, PODS, SERVICES, Kind, Ref
from pytest_shadowdiff.cluster.workloads import is_ready
from pytest_shadowdiff.errors import SettingsError, ShadowError
from pytest_shadowdiff.mirror import kubernetes
from pytest_shadowdiff.settings import Service, Settings, Target

QUOTAS = Kind("v1", "resourcequotas", "ResourceQuota")
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"

V1, V2 = ({"labels": {"version": version}} for version in ("v1", "v2"))
Refused = Callable[..., str]


def config(folder: Path, **changes: Any) -> Path:
    """A kubeconfig for a server that nobody is."""
    cluster = {"server": "https://127.0.0.1:1", **changes.get("cluster", {})}
    made = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": changes.get("current", "here"),
        "clusters": [{"name": "here", "cluster": cluster}],
        "users": [{"name": "me", "user": changes.get("user", {})}],
        "contexts": [{"name": name, "context": {"cluster": "here", "user": "me"}} for name in changes.get("contexts", ["here"])],
    }
    file = folder / "config"
    file.write_text(yaml.safe_dump(made), encoding="utf-8")
    return file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path


def test_no_cluster(home: Path) -> None:
    with pytest.raises(ShadowError, match=r"No cluster: there is no kubeconfig at .*config.*kind create cluster"):
        connect(None, None)


def test_a_server_that_does_not_answer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(config(home)))
    with pytest.raises(
        ShadowError, match=r"no answer from the API server https://127.0.0.1:1 of context 'here' .*refused.*kubectl --context here"
    ):
        connect(None, None)


def test_a_context_that_is_not_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(config(home, contexts=["here", "there"])))
    with pytest.raises(ShadowError, match=r"no context 'ther' in .*Did you mean 'there'\? Known contexts: here, there"):
        connect("ther", None)


def test_a_file_that_is_no_kubeconfig(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home / "config"
    file.write_text("{:", encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(ShadowError, match=r"The kubeconfig .* cannot be used: "):
        connect(None, None)


def test_an_exec_plugin_that_fails(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", "echo token expired >&2; exit 1"]}
    monkeypatch.setenv("KUBECONFIG", str(config(home, user={"exec": plugin})))
    with pytest.raises(ShadowError, match=r"credentials of context 'here' cannot be had: exec: process returned 1. token expired"):
        connect(None, None)


@pytest.mark.parametrize("name", ["prod", "prod-eu", "gke_acme_live", "production.example", "acme-prd-1", "myprod", "EKS-PROD"])
def test_names_that_say_production(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert looks_like_production(name)
    monkeypatch.setenv("KUBECONFIG", str(config(home, contexts=[name], current=name)))
    with pytest.raises(ShadowError, match=rf"{name}.*looks like production.*--shadow-allow-context={name}"):
        connect(None, None)
    with pytest.raises(ShadowError, match="no answer"):
        connect(None, name)


@pytest.mark.parametrize("name", ["kind-kind", "product-team", "non-prod", "preprod", "staging", "liverpool", "delivery", "minikube"])
def test_names_that_do_not(name: str) -> None:
    assert not looks_like_production(name)


@pytest.fixture
def refused(connection: Connection, namespace: str, request: pytest.FixtureRequest) -> Refused:
    """What a run with such a configuration ends with; nothing of it is left."""

    def ends(candidate: dict[str, Any] = V2, primary: dict[str, Any] = V1, **service: Any) -> str:
        place = Service(
            **{"name": "shop", "namespace": namespace, "port": 8000, "lease_seconds": 5, "start_seconds": 5, "wait_seconds": 0, **service}
        )
        versions = Target("v1", workload=primary), Target("v2", workload=candidate)
        settings = Settings(primary=versions[0], candidate=versions[1], mirror="kubernetes", service=place)
        plan = MirrorPlan(settings, "0badcafe", Path(tempfile.gettempdir()), None, None)
        with pytest.raises(ShadowError) as error:
            kubernetes.create(plan).start()
        labels = {"app.kubernetes.io/managed-by": "pytest-shadowdiff"}
        assert [
            each for kind in (PODS, SERVICES, CONFIG_MAPS, LEASES) for each in objects.list_all(connection, kind, namespace, labels)
        ] == []
        return str(error.value)

    return ends


@pytest.mark.cluster
def test_what_can_be_known_before_anything_is_changed(refused: Refused, shop: Any, connection: Connection) -> None:
    namespace = shop.namespace
    assert "There is no Service" in refused(name="shoop")
    assert "Did you mean 'shop'?" in refused(name="shoop")
    assert f"Service {namespace}/shop has no TCP port 80. Its ports: 8000 (http)." in refused(port=80)
    assert "no pod in namespace" in refused({"labels": {"version": "v3"}})
    assert "app=shop,pod-template-hash=" in refused({"labels": {"version": "v3"}})
    assert "Targets v1 and v2 are the same pods" in refused(V1)
    assert "are the same pods" in refused({"service": "shop"})
    assert "There is no Service" in refused({"service": "shop-v2"})

    objects.create(connection, Ref(SERVICES, namespace, "bare"), {"spec": {"ports": [{"port": 8000}]}})
    assert f"Service {namespace}/bare has no selector" in refused(name="bare")
    named = {"spec": {"selector": {"app": "shop"}, "ports": [{"port": 8000, "targetPort": "web"}]}}
    objects.create(connection, Ref(SERVICES, namespace, "named"), named)
    assert "leads to the container port 'web', which its pods do not have (its containers' ports: http)" in refused(name="named")
    wrong = {"spec": {"selector": {"app": "shop"}, "ports": [{"port": 8000, "targetPort": 8081}]}}
    objects.create(connection, Ref(SERVICES, namespace, "wrong"), wrong)
    said = refused(name="wrong")
    assert "8081" in said
    assert "nothing listens" in said


@pytest.mark.cluster
def test_an_image_that_cannot_be_pulled(refused: Refused, shop: Any) -> None:
    said = refused(image="registry.invalid/envoy:none", start_seconds=60)
    assert f"Pod {shop.namespace}/shadowdiff-0badcafe cannot start with image 'registry.invalid/envoy:none'" in said
    assert "kind load docker-image" in said


@pytest.mark.cluster
def test_an_image_that_ends_at_once(refused: Refused, shop: Any) -> None:
    said = refused(image="python:3.11-slim")
    assert f"Pod {shop.namespace}/shadowdiff-0badcafe" in said
    assert "envoy" in said


@pytest.mark.cluster
def test_versions_that_are_not_ready(refused: Refused, shop: Any, connection: Connection) -> None:
    deployment = Ref(Kind("apps/v1", "deployments", "Deployment"), shop.namespace, "shop-v2")
    nowhere = {"spec": {"nodeSelector": {"no": "such-node"}}}
    spec = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}, "template": nowhere}}
    objects.merge(connection, deployment, spec)
    labels = {"version": "v2"}

    def pending() -> bool:
        found = objects.list_all(connection, PODS, shop.namespace, labels)
        return any("nodeSelector" in pod["spec"] and "conditions" in pod["status"] for pod in found) and not any(map(is_ready, found))

    assert until(ticks() + 30, pending)
    said = refused()
    assert "Target v2: none of its 1 pods" in said
    assert "Unschedulable" in said
    assert "kubectl" in said


@pytest.mark.cluster
def test_a_pod_that_stays_pending(connection: Connection, namespace: str) -> None:
    ref = Ref(PODS, namespace, "shadowdiff-0badcafe")
    body = pods.pod("python:3.11-slim", ["sleep", "1"], "none")
    body["spec"]["nodeSelector"] = {"no": "such-node"}
    objects.create(connection, ref, body)
    with pytest.raises(ShadowError, match=rf"Pod {namespace}/shadowdiff-0badcafe is not running after 2 s: Unschedulable: .*start_seconds"):
        pods.until_running(connection, ref, 2)


@pytest.mark.cluster
def test_a_quota(refused: Refused, shop: Any, connection: Connection) -> None:
    quota = Ref(QUOTAS, shop.namespace, "few")
    objects.create(connection, quota, {"spec": {"hard": {"pods": "2"}}})
    assert until(ticks() + 20, lambda: "used" in (objects.get(connection, quota).get("status") or {}))
    said = refused()
    assert "creating Pod" in said
    assert "the namespace's quota does not allow it" in said


@pytest.mark.cluster
def test_a_namespace_that_is_being_deleted(refused: Refused, shop: Any, connection: Connection) -> None:
    keeper = {"metadata": {"finalizers": ["example.org/keep"]}, "data": {}}
    kept = Ref(CONFIG_MAPS, shop.namespace, "keeps")
    objects.create(connection, kept, keeper)
    path = f"/api/v1/namespaces/{shop.namespace}"
    connection.call("DELETE", path, body={"gracePeriodSeconds": 30})
    try:
        said = refused()
    finally:
        objects.merge(connection, kept, {"metadata": {"finalizers": None}})
    assert "the namespace is being deleted" in said or "is being deleted" in said


@pytest.mark.cluster
def test_an_admission_policy_that_refuses(refused: Refused, shop: Any, connection: Connection) -> None:
    name = f"no-proxies.{shop.namespace}"
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    spec = {
        "matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": "!object.metadata.name.startsWith('shadowdiff-')", "message": "no proxies here"}],
    }
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": selector}}
    connection.call("POST", POLICIES, body={**head, "kind": "ValidatingAdmissionPolicy", "spec": spec})
    connection.call("POST", BINDINGS, body={**head, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding})
    try:
        probe = Ref(PODS, shop.namespace, "shadowdiff-probe")
        manifest = {"spec": {"containers": [{"name": "x", "image": "x"}]}}

        def denied() -> bool:
            try:
                made = objects.create(connection, probe, manifest)
            except ShadowError:
                return True
            objects.delete(connection, probe, uid=made["metadata"]["uid"])
            return False

        assert until(ticks() + 30, denied, pause=0.3)
        said = refused()
    finally:
        for place in (BINDINGS, POLICIES):
            connection.call("DELETE", f"{place}/{name}")
    assert "creating Pod" in said
    assert "no proxies here" in said
    assert "admission" in said


def test_production_is_a_usage_error_before_any_test(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(config(home, contexts=["prod"], current="prod")))
    versions = Target("v1", workload=V1), Target("v2", workload=V2)
    settings = Settings(primary=versions[0], candidate=versions[1], mirror="kubernetes", service=Service("shop"))
    with pytest.raises(SettingsError, match="--shadow-allow-context=prod"):
        kubernetes.check(settings)
    kubernetes.check(replace(settings, allow_context="prod"))
    with pytest.raises(SettingsError, match=r"needs \[tool.shadowdiff.service\]"):
        kubernetes.check(replace(settings, service=None))
