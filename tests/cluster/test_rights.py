"""With exactly the Role in `deploy/` a run works; with any one right less, one error names it and nothing was changed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_shadowdiff.backends import MirrorPlan
from pytest_shadowdiff.cluster import objects, recovery, versions
from pytest_shadowdiff.cluster.connecting import Connection, connect, ticks, until
from pytest_shadowdiff.cluster.hold import Hold
from pytest_shadowdiff.cluster.objects import Kind, Ref, collection
from pytest_shadowdiff.cluster.rights import Right, missing, rights
from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.mirror import istio, kubernetes
from pytest_shadowdiff.settings import Service, Settings, Target

DEPLOY = Path(__file__).parents[2] / "deploy"
ROLES = Kind("rbac.authorization.k8s.io/v1", "roles", "Role")
KINDS = {
    "Role": ROLES,
    "RoleBinding": Kind("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"),
    "ServiceAccount": Kind("v1", "serviceaccounts", "ServiceAccount"),
}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def granted(role: dict[str, Any]) -> set[Right]:
    return {
        Right(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("file, needed", [(each.ROLE, each.RIGHTS) for each in (kubernetes, istio)])
def test_the_role_grants_what_the_mirror_asks_for_and_nothing_more(file: str, needed: tuple[Right, ...]) -> None:
    (role,) = (each for each in documents(file) if each["kind"] == "Role")
    assert granted(role) == set(needed)


@pytest.mark.parametrize(
    "file, needed",
    [
        ("role-logs.yaml", versions.TAP_RIGHTS["logs"][0]),
        ("role-tcpdump.yaml", (*versions.TAP_RIGHTS["tcpdump"][0], *versions.EPHEMERAL_RIGHTS)),
        ("role-cleanup.yaml", rights(objects.LEASES, "list")),
    ],
)
def test_the_other_roles_grant_what_is_asked_for_beside_it(file: str, needed: tuple[Right, ...]) -> None:
    (role,) = (each for each in documents(file) if each["kind"] == "Role")
    assert granted(role) == set(needed)


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("role-*.yaml")), ids=lambda file: str(file.name))
def test_no_role_has_a_wildcard(file: Path) -> None:
    for each in documents(file.name):
        if each["kind"] == "Role":
            assert not [right for right in granted(each) if "*" in (right.group, right.resource, right.verb)]
            assert not any("secrets" in rule["resources"] for rule in each["rules"])


@pytest.fixture
def restricted(
    shop: Any, connection: Connection, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connection]:
    """A connection with the rights of the Role only."""
    namespace = shop.namespace
    for each in documents("role-kubernetes.yaml"):
        objects.create(connection, Ref(KINDS[each["kind"]], namespace, each["metadata"]["name"]), each)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    account = Ref(KINDS["ServiceAccount"], namespace, "shadowdiff")
    token = connection.call("POST", f"{account.path}/token", body=asked)["status"]["token"]
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"] = {"token": token}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(file))
    made = connect(None, None)
    assert until(ticks() + 20, lambda: not missing(made, namespace, kubernetes.RIGHTS))
    yield made
    made.close()


def mirror(namespace: str) -> kubernetes.KubernetesMirror:
    targets = [Target(name, workload={"labels": {"version": name}}) for name in ("v1", "v2")]
    service = Service("shop", namespace, 8000, lease_seconds=10, wait_seconds=0)
    settings = Settings(primary=targets[0], candidate=targets[1], mirror="kubernetes", service=service)
    return kubernetes.create(MirrorPlan(settings, "0badcafe", Path(tempfile.gettempdir()), None, None))


def ours(connection: Connection, namespace: str) -> list[str]:
    kinds = (objects.PODS, objects.SERVICES, objects.CONFIG_MAPS, objects.LEASES)
    wanted = {"pytest-shadowdiff/run": "0badcafe"}
    return [str(each["metadata"]["name"]) for kind in kinds for each in objects.list_all(connection, kind, namespace, wanted)]


@pytest.mark.cluster
def test_with_exactly_the_role_it_works_and_with_any_right_less_it_says_which(
    shop: Any, connection: Connection, restricted: Connection
) -> None:
    namespace = shop.namespace
    made = mirror(namespace)
    made.start()
    assert ours(connection, namespace)
    made.stop()
    assert ours(connection, namespace) == []

    place = Ref(ROLES, namespace, "shadowdiff-kubernetes")
    rules = objects.get(connection, place)["rules"]
    for right in kubernetes.RIGHTS:
        objects.merge(connection, place, {"rules": without(rules, right)})
        until(ticks() + 20, partial(lacks, restricted, namespace, right), pause=0.05)
        with pytest.raises(SetupError) as refused:
            mirror(namespace).start()
        said = str(refused.value)
        assert f"namespace {namespace}: {right}." in said, said
        assert "Nothing was changed" in said
        assert "deploy/role-kubernetes.yaml" in said
        assert ours(connection, namespace) == []


def lacks(connection: Connection, namespace: str, right: Right) -> bool:
    return list(missing(connection, namespace, kubernetes.RIGHTS)) == [right]


def without(rules: list[dict[str, Any]], right: Right) -> list[dict[str, Any]]:
    changed = []
    for rule in rules:
        verbs = rule["verbs"]
        if right.group in rule["apiGroups"] and right.resource in rule["resources"]:
            verbs = [verb for verb in verbs if verb != right.verb]
        changed += [{**rule, "verbs": verbs}] if verbs else []
    return changed


@pytest.mark.cluster
def test_with_the_role_for_it_what_a_killed_run_left_is_put_back(shop: Any, connection: Connection, restricted: Connection) -> None:
    namespace = shop.namespace
    for each in documents("role-cleanup.yaml"):
        objects.create(connection, Ref(KINDS[each["kind"]], namespace, each["metadata"]["name"]), each)
    assert until(ticks() + 20, lambda: not missing(restricted, namespace, rights(objects.LEASES, "list")))
    hold = Hold(restricted, namespace, "shop", "0badcafe", 1)
    hold.take(wait=0)
    hold.changes.create(Ref(objects.CONFIG_MAPS, namespace, "made"), {"data": {}}, "configuration")
    hold._lease.halt()  # noqa: SLF001 (killed)
    (leftover,) = recovery.leftovers(restricted, namespace)
    assert recovery.clean(restricted, leftover, "cleanup", lambda _line: None)
    assert ours(connection, namespace) == []


@pytest.mark.cluster
def test_exec_credentials_are_had_anew_when_they_expire(
    shop: Any, restricted: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = yaml.safe_load((tmp_path / "kubeconfig").read_text(encoding="utf-8"))
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": config["users"][0]["user"]["token"], "expirationTimestamp": "2020-01-01T00:00:00Z"},
    }
    (tmp_path / "credential").write_text(json.dumps(credential), encoding="utf-8")
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", f"cd {tmp_path} && echo called >> calls && cat credential"],
        "interactiveMode": "Never",
    }
    config["users"][0]["user"] = {"exec": plugin}
    (tmp_path / "exec").write_text(yaml.safe_dump(config), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "exec"))
    made = connect(None, None)
    first = (tmp_path / "calls").read_text(encoding="utf-8").count("called")
    assert not missing(made, shop.namespace, kubernetes.RIGHTS[:1])
    assert (tmp_path / "calls").read_text(encoding="utf-8").count("called") > first
    made.close()


@pytest.mark.cluster
def test_the_collection_of_another_namespace_is_refused_by_name(shop: Any, restricted: Connection) -> None:
    with pytest.raises(SetupError, match=r"a right is missing: .*cannot list resource .pods.*deploy/"):
        restricted.read(collection(objects.PODS, "kube-system"), doing="listing pods in kube-system")
