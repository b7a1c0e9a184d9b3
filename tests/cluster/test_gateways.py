"""What is read of Gateways and their routes before anything is changed, and the rights that it takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_shadowdiff.cluster import gateways
from pytest_shadowdiff.cluster.rights import Right
from pytest_shadowdiff.envoy import binary
from pytest_shadowdiff.envoy.configuration import Address, Configuration, versions_of
from pytest_shadowdiff.envoy.returned import Returns, returned
from pytest_shadowdiff.errors import SettingsError, SetupError
from pytest_shadowdiff.mirror import gateway_api
from pytest_shadowdiff.model import Upstream
from pytest_shadowdiff.settings import Service, Settings, Target

ROLE = Path(__file__).parents[2] / "deploy" / "role-gateway-api.yaml"
CONTROLLER = "istio.io/gateway-controller"


def route(*parents: dict[str, Any], **status: Any) -> dict[str, Any]:
    """An HTTPRoute attached to these."""
    metadata = {"name": "shop", "namespace": "here", "generation": 2}
    return {"metadata": metadata, "spec": {"parentRefs": list(parents)}, "status": status}


def said(name: str = "gateway", /, **conditions: tuple[str, int]) -> dict[str, Any]:
    """What a controller says of a route at a Gateway."""
    made = [
        {"type": kind, "status": status, "observedGeneration": generation, "reason": "Because", "message": "of this"}
        for kind, (status, generation) in conditions.items()
    ]
    return {"parentRef": {"name": name}, "controllerName": CONTROLLER, "conditions": made}


def test_the_role_grants_what_the_mirror_asks_for_and_nothing_more() -> None:
    (role,) = (each for each in yaml.safe_load_all(ROLE.read_text(encoding="utf-8")) if each["kind"] == "Role")
    granted = {
        Right(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == set(gateway_api.RIGHTS)


@pytest.mark.parametrize(
    "pattern, host, covered",
    [
        ("shop.example", "shop.example", True),
        ("shop.example", "a.shop.example", False),
        ("*.example", "shop.example", True),
        ("*.example", "a.shop.example", True),
        ("*.example", "example", False),
        ("*.example", "badexample", False),
    ],
)
def test_hostnames_are_read_as_the_gateway_api_reads_them(pattern: str, host: str, covered: bool) -> None:  # noqa: FBT001 - a case's outcome
    assert gateways.covers(pattern, host) is covered


def test_parents_have_their_defaults() -> None:
    (one, other) = gateways.parents_of(route({"name": "gateway"}, {"group": "", "kind": "Service", "name": "shop", "namespace": "there"}))
    assert one == {"group": gateways.GROUP, "kind": "Gateway", "namespace": "here", "name": "gateway"}
    assert (other["group"], other["kind"], other["namespace"]) == ("", "Service", "there")


@pytest.mark.parametrize(
    "parents, problem",
    [
        ([said(Accepted=("True", 2), ResolvedRefs=("True", 2))], ""),
        ([said(Accepted=("True", 2), ResolvedRefs=("False", 2))], f"{CONTROLLER} says ResolvedRefs=False (Because: of this)"),
        (
            [said(Accepted=("True", 1), ResolvedRefs=("True", 2))],
            f"{CONTROLLER} says Accepted=True (Because: of this; of an earlier state)",
        ),
        ([said(Accepted=("True", 2))], f"{CONTROLLER} says ResolvedRefs=nothing"),
        ([said("other", Accepted=("False", 2))], "no controller has said anything of it in status.parents"),
        ([said("other", Accepted=("False", 2)), said(Accepted=("True", 2), ResolvedRefs=("True", 2))], ""),
    ],
)
def test_a_controller_s_word_counts_for_what_the_route_says_now(parents: list[dict[str, Any]], problem: str) -> None:
    found = route({"name": "gateway"}, parents=parents)
    (parent,) = gateways.parents_of(found)
    assert gateways.trouble(found, parent) == problem


def test_right_after_a_write_nobody_has_spoken_of_it() -> None:
    def decided(*parents: dict[str, Any]) -> bool:
        found = route({"name": "gateway"}, parents=list(parents))
        return gateways.decided(found, next(gateways.parents_of(found)))

    assert not decided()
    assert not decided(said(Accepted=("True", 1), ResolvedRefs=("True", 2)))
    assert not decided(said("other", Accepted=("True", 2)))
    assert decided(said(Accepted=("True", 2), ResolvedRefs=("False", 2)))


@pytest.mark.parametrize("sides", [("primary", "candidate"), ("primary", "candidate", "control")])
def test_envoy_takes_its_configuration(tmp_path: Path, sides: tuple[str, ...]) -> None:
    try:
        found = binary.find()
    except SetupError as error:
        pytest.skip(f"no Envoy: {error}")
    upstreams = {side: Upstream(side, f"{side}.here.svc", 17090) for side in sides}
    versions = versions_of(upstreams.get("primary"), upstreams.get("candidate"), upstreams.get("control"))
    gateway = Upstream("gateway", "gateway.here.svc", 80, host_header="shop.example")
    made = returned(Configuration("r1", versions, entry=Address(port=17080)), Returns(gateway, "/probe", 17081, 17082, meshed=True))
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps(made), encoding="utf-8")
    done = subprocess.run(
        [found.path, "--mode", "validate", "-c", file, "--log-level", "error"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_does_not_go_with_routes_is_one_error_before_any_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    content = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}], "current-context": "c"}
    kubeconfig.write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    versions = [Target(name, workload={"service": name}) for name in ("v1", "v2")]
    every = Settings(primary=versions[0], candidate=versions[1], mirror="gateway-api", service=Service("shop", scope="all"))
    with pytest.raises(SettingsError, match=r"\[tool.shadowdiff.service\] scope"):
        gateway_api.check(every)
    elsewhere = Settings(
        primary=versions[0], candidate=Target("v2", url="http://127.0.0.1:1"), mirror="gateway-api", service=Service("shop")
    )
    with pytest.raises(SettingsError, match="Target v2: the mirror gateway-api mirrors between workloads"):
        gateway_api.check(elsewhere)
