"""What a run puts into a VirtualService: nobody else's request goes another way, and taking it out is the identity."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.cluster import virtual_services
from pytest_shadowdiff.cluster.patching import apply, restore
from pytest_shadowdiff.cluster.virtual_services import WAY, RefusedError, Side, Wanted, insertions, routed, service_of
from pytest_shadowdiff.envoy.routes.model import Forward, NamedMatch, Route, TextMatch
from pytest_shadowdiff.envoy.routes.objects import load
from pytest_shadowdiff.envoy.routes.virtual_service import routes_of

HOST = "shop.here.svc.cluster.local"
PODS = {
    "shop-v1-a": {"app": "shop", "version": "v1"},
    "shop-v1-b": {"app": "shop", "version": "v1"},
    "shop-v2": {"app": "shop", "version": "v2"},
}
WANTED = Wanted(
    run="r1",
    namespace="here",
    host=HOST,
    port=8000,
    sides={
        "primary": Side(HOST, {"version": "v1"}, frozenset({"shop-v1-a", "shop-v1-b"})),
        "candidate": Side(HOST, {"version": "v2"}, frozenset({"shop-v2"})),
    },
    recorder="shadowdiff-r1.here.svc.cluster.local",
    ports={"primary": 17081, "candidate": 17082},
    pods={HOST: PODS},
)
RULE = {
    "kind": "DestinationRule",
    "metadata": {"name": "shop", "namespace": "here"},
    "spec": {"host": "shop", "subsets": [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]},
}


def service(*http: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "shop", "namespace": "here"},
        "spec": {"hosts": ["shop"], "http": list(http), **spec},
    }


def to(subset: str | None, weight: int | None = None) -> dict[str, Any]:
    destination = {"host": "shop"} | ({"subset": subset} if subset else {})
    return {"destination": destination} | ({"weight": weight} if weight is not None else {})


def patched(found: Mapping[str, Any], rules: Sequence[Mapping[str, Any]] = (RULE,)) -> dict[str, Any]:
    return apply(found, insertions(found, routed(found, rules, WANTED)))


TEXTS = st.sampled_from(["/a", "/a/b", "/b", "/"])
URIS = st.builds(lambda kind, text: {kind: text}, st.sampled_from(["exact", "prefix"]), TEXTS)
METHODS = st.sampled_from([{"exact": "GET"}, {"exact": "POST"}, {"regex": "GET|PUT"}, {"prefix": "P"}])
HEADERS = st.dictionaries(st.sampled_from(["x-user", "x-beta"]), st.sampled_from([{"exact": "1"}, {"prefix": "2"}]), min_size=1, max_size=2)
MATCHES = st.fixed_dictionaries({}, optional={"uri": URIS, "method": METHODS, "headers": HEADERS, "name": st.just("some")})
FORWARDS = st.sampled_from(
    [
        {"route": [to("v1")]},
        {"route": [to("v2")]},
        {"route": [to(None)]},
        {"route": [to("v1", 90), to("v2", 10)], "timeout": "3s"},
        {"route": [to("v2", 100), to("v1", 0)]},
        {"route": [to("v1")], "rewrite": {"uri": "/a"}, "headers": {"request": {"add": {"x-more": "1"}}}, "retries": {"attempts": 3}},
        {"route": [{"destination": {"host": "other"}}]},
        {"redirect": {"uri": "/elsewhere"}},
        {"directResponse": {"status": 204}},
        {"route": [to("v1")], "corsPolicy": {"allowOrigins": [{"exact": "https://a"}]}},
    ]
)
ROUTES = st.builds(
    lambda matches, action: ({"match": matches} if matches else {}) | copy.deepcopy(action), st.lists(MATCHES, max_size=2), FORWARDS
)
REQUESTS = st.fixed_dictionaries(
    {"path": st.sampled_from(["/", "/a", "/a/b/c", "/b"]), "method": st.sampled_from(["GET", "POST", "PUT", "HEAD"])},
    optional={"x-user": st.sampled_from(["1", "2", "3"]), "x-beta": st.sampled_from(["1", "22"])},
)


def understood(found: Mapping[str, Any], folder: Path) -> Sequence[Route]:
    """As our own translator reads it."""
    file = folder / "route.yaml"
    file.write_text(yaml.safe_dump(dict(found)), encoding="utf-8")
    (only,) = load([file])
    return routes_of(only)


def taken(routes: Sequence[Route], request: Mapping[str, str]) -> Route | None:
    """The route that a request takes."""
    return next((route for route in routes if _path(route, request["path"]) and all(_holds(m, request) for m in route.match.headers)), None)


def _path(route: Route, path: str) -> bool:
    return path == route.match.path.value if route.match.path.kind == "exact" else path.startswith(route.match.path.value)


def _holds(match: NamedMatch, request: Mapping[str, str]) -> bool:
    value = request.get(match.name.removeprefix(":"))
    return (value is not None and _reads(match.text, value)) != match.absent


def _reads(text: TextMatch, value: str) -> bool:
    if text.kind == "regex":
        return re.fullmatch(text.value, value) is not None
    return {"exact": value == text.value, "prefix": value.startswith(text.value), "present": True}[text.kind]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("routes")


@given(st.lists(ROUTES, min_size=1, max_size=5), st.lists(REQUESTS, min_size=1, max_size=6))
def test_nobody_elses_request_goes_another_way(folder: Path, http: list[dict[str, Any]], requests: list[dict[str, str]]) -> None:
    found = service(*http)
    try:
        changed = patched(found)
    except RefusedError:
        return
    before, after = understood(found, folder), understood(changed, folder)
    for request in requests:
        for mine in ({}, {WAY: "other.mirror"}):
            one, other = taken(before, request), taken(after, {**request, **mine})
            assert (one and (one.match.path, one.action, one.edits)) == (other and (other.match.path, _same(other, one), other.edits))


def _same(route: Route, like: Route | None) -> object:
    """The action; the places in the text differ, the versions may not."""
    if isinstance(route.action, Forward) and like and isinstance(like.action, Forward):
        names = [[(each.version.name, each.version.host, each.weight) for each in one.action.destinations] for one in (route, like)]  # type: ignore[union-attr]
        return like.action if names[0] == names[1] and route.action.mirrors == like.action.mirrors == () else route.action
    return route.action


@given(st.lists(ROUTES, min_size=1, max_size=5), st.lists(REQUESTS, min_size=1, max_size=6))
def test_a_request_of_the_run_goes_where_it_would_have_gone_to_the_primary(
    folder: Path, http: list[dict[str, Any]], requests: list[dict[str, str]]
) -> None:
    found = service(*http)
    try:
        changed = patched(found)
    except RefusedError:
        return
    before, after = understood(found, folder), understood(changed, folder)
    for request in requests:
        usual = taken(before, request)
        first = taken(after, {**request, WAY: "r1.mirror"})
        if first is None or not first.name.startswith("shadowdiff-"):
            assert (usual and usual.name.partition(".")[0][:4]) == (first and first.name.partition(".")[0][:4])
            continue
        assert request["method"] in ("GET", "HEAD")
        assert isinstance(first.action, Forward)
        assert [mirror.version.host for mirror in first.action.mirrors] == [WANTED.recorder]
        for side, version in (("primary", "v1"), ("candidate", "v2")):
            second = taken(after, {**request, WAY: f"r1.{side}"})
            assert second is not None
            assert usual is not None
            assert isinstance(second.action, Forward)
            assert isinstance(usual.action, Forward)
            assert [each.version.name for each in second.action.destinations] == [version]
            assert (second.action.rewrite, second.action.timeout, second.action.retry) == (
                usual.action.rewrite,
                usual.action.timeout,
                usual.action.retry,
            )


@given(st.lists(ROUTES, min_size=1, max_size=5), st.data())
def test_taking_it_out_is_the_identity_and_foreign_edits_survive(http: list[dict[str, Any]], data: st.DataObject) -> None:
    found = {**service(*http, unknown={"field": [1]}), "status": {"validationMessages": [{"level": "INFO"}]}}
    try:
        edits = insertions(found, routed(found, (RULE,), WANTED))
    except RefusedError:
        return
    changed = apply(found, edits)
    assert restore(changed, edits) == (found, ())
    foreign = {"name": "foreign", "route": [to("v2")]}
    changed["spec"]["http"].insert(data.draw(st.integers(0, len(changed["spec"]["http"]))), foreign)
    back, left = restore(changed, edits)
    assert left == ()
    assert foreign in back["spec"]["http"]
    back["spec"]["http"].remove(foreign)
    assert back == found


def test_writes_are_mirrored_only_where_the_run_may() -> None:
    found = service({"match": [{"uri": {"prefix": "/"}}], "route": [to("v1")]})
    first = next(route for route in patched(found)["spec"]["http"] if route["name"] == "shadowdiff-r1-0-mirror")
    assert first["match"] == [{"uri": {"prefix": "/"}, "headers": {WAY: {"exact": "r1.mirror"}}, "method": {"regex": "GET|HEAD|OPTIONS"}}]


def test_a_subset_that_lacks_is_added() -> None:
    rule = {**RULE, "spec": {"host": HOST, "subsets": [{"name": "stable", "labels": {"version": "v1"}}]}}
    made = routed(service({"route": [to("stable")]}), (rule,), WANTED)
    assert made.subsets == {"candidate": {"name": "shadowdiff-r1-candidate", "labels": {"version": "v2"}}}
    assert [route["route"][0]["destination"].get("subset") for _, route in made.routes[2:]] == ["stable", "shadowdiff-r1-candidate"]


def test_without_a_virtual_service_one_is_made_that_leaves_others_alone() -> None:
    made = routed(None, (), WANTED)
    assert set(made.subsets) == {"primary", "candidate"}
    whole = virtual_services.virtual_service(made, WANTED)
    assert whole["spec"]["hosts"] == [HOST]
    assert whole["spec"]["http"][-1]["route"] == [{"destination": {"host": HOST}}]


REFUSED = [
    pytest.param(service({"route": [to("v1")]}, gateways=["shop-gateway"]), "spec.gateways", id="gateways"),
    pytest.param(service({"route": [to("v1")]}, exportTo=["istio-system"]), "spec.exportTo", id="exportTo"),
    pytest.param(service(tcp=[{"route": [to("v1")]}]), "it has tcp routes and none for HTTP", id="tcp"),
    pytest.param(service({"delegate": {"name": "orders", "namespace": "there"}}), "spec.http[0].delegate", id="delegate"),
    pytest.param(
        service({"route": [to("v1")], "mirror": {"host": "shop", "subset": "v2"}}), "spec.http[0].mirror: this route mirrors", id="mirror"
    ),
    pytest.param(service({"route": [to("v1")], "mirrors": [{"destination": {"host": "x"}}]}), "spec.http[0].mirrors", id="mirrors"),
    pytest.param(service({"route": [to("v3")]}), "the subset 'v3'", id="subset"),
    pytest.param(service({"route": [to("v2")]}), "none of its http routes leads to the primary", id="elsewhere"),
]


@pytest.mark.parametrize("found,words", REFUSED)
def test_what_cannot_be_mirrored_is_refused_by_name(found: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError) as caught:
        routed(service_of([found], WANTED), (RULE,), WANTED)
    assert words in str(caught.value)
    assert "VirtualService here/shop" in str(caught.value)


def test_two_for_one_host_are_refused() -> None:
    one, other = service({"route": [to("v1")]}), service({"route": [to("v2")]}, hosts=[HOST])
    other["metadata"]["name"] = "second"
    with pytest.raises(RefusedError, match="second, shop"):
        service_of([one, other], WANTED)


def test_the_closest_host_decides() -> None:
    wide, close = service({"route": [to("v1")]}, hosts=["*.here.svc.cluster.local"]), service({"route": [to("v1")]})
    assert service_of([wide, close], WANTED) is close
    assert service_of([wide], WANTED) is wide
    assert service_of([service({"route": [to("v1")]}, hosts=["other"])], WANTED) is None
