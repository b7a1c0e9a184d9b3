"""A run's copies of an HTTPRoute's rules: nobody else's request changes its way, and taking them back is the identity."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_shadowdiff.cluster.http_routes import RUN, RouteRefusedError, Wanted, leads, planned
from pytest_shadowdiff.cluster.patching import apply, from_json, restore, to_json
from pytest_shadowdiff.envoy.routes import read_routes
from pytest_shadowdiff.envoy.routes.decide import Asked, taken
from pytest_shadowdiff.envoy.routes.model import Answer, Forward, Redirect, Route

WANTED = Wanted(
    run="r1",
    recorder="shadowdiff-r1",
    port=15080,
    copies=15081,
    pods={
        "shop": frozenset({"one", "two", "new"}),
        "shop-v1": frozenset({"one", "two"}),
        "shop-v2": frozenset({"new"}),
        "other": frozenset({"far"}),
    },
    primary=frozenset({"one", "two"}),
)
RECORDER = "shadowdiff-r1"


def route(*rules: dict[str, Any], name: str = "shop", **more: Any) -> dict[str, Any]:
    """An HTTPRoute with these rules."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"parentRefs": [{"name": "gateway"}], "rules": list(rules), **more},
    }


def to(*names: str, **more: Any) -> dict[str, Any]:
    """A rule that leads to these Services."""
    return {"backendRefs": [{"name": name, "port": 80} for name in names], **more}


def patched(found: dict[str, Any], wanted: Wanted = WANTED) -> list[dict[str, Any]]:
    """The rules of a route, once a run has patched it."""
    rules: list[dict[str, Any]] = apply(found, planned(found, (), wanted).edits)["spec"]["rules"]
    return rules


def refused(found: dict[str, Any]) -> str:
    """Why a route is not touched."""
    with pytest.raises(RouteRefusedError) as raised:
        planned(found, (), WANTED)
    return str(raised.value)


def test_a_rule_gets_a_copy_through_the_recorder_that_mirrors() -> None:
    first, second = patched(route(to("shop-v1", matches=[{"path": {"type": "Exact", "value": "/a"}, "method": "GET"}])))
    assert first == {
        "name": "shadowdiff-r1-0",
        "matches": [
            {
                "path": {"type": "Exact", "value": "/a"},
                "method": "GET",
                "headers": [{"type": "Exact", "name": "x-shadowdiff-run", "value": "r1"}],
            }
        ],
        "backendRefs": [{"group": "", "kind": "Service", "name": RECORDER, "port": 15080, "weight": 1}],
        "filters": [
            {
                "type": "RequestMirror",
                "requestMirror": {"backendRef": {"group": "", "kind": "Service", "name": RECORDER, "port": 15081}},
            }
        ],
    }
    assert second == to("shop-v1", matches=[{"path": {"type": "Exact", "value": "/a"}, "method": "GET"}])


def test_what_a_rule_does_to_requests_its_copy_does_as_well() -> None:
    filters = [
        {"type": "ExtensionRef", "extensionRef": {"group": "x", "kind": "Y", "name": "z"}},
        {"type": "URLRewrite", "urlRewrite": {"hostname": "h"}},
    ]
    inner = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a"]}}]
    rule = {
        "filters": filters,
        "timeouts": {"request": "1s"},
        "retry": {"attempts": 3},
        "backendRefs": [{"name": "shop-v1", "port": 80, "filters": inner}],
    }
    made = patched(route(rule))[0]
    assert made["filters"][:2] == filters
    assert made["timeouts"] == {"request": "1s"}
    assert made["backendRefs"][0]["filters"] == inner
    assert "retry" not in made


@pytest.mark.parametrize(
    "rule",
    [
        to("other"),
        to("shop-v2"),
        {"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "h"}}]},
        {},
        {"backendRefs": [{"name": "shop-v1", "port": 80, "weight": 0}]},
        {"backendRefs": [{"name": "shop-v1", "port": 80, "namespace": "elsewhere"}]},
        {"backendRefs": [{"name": "shop-v1", "port": 80, "kind": "ServiceImport", "group": "multicluster.x-k8s.io"}]},
    ],
)
def test_a_rule_that_does_not_lead_to_the_primary_stays_alone(rule: dict[str, Any]) -> None:
    found = route(rule)
    assert not leads(found, WANTED)
    assert planned(found, (), WANTED).edits == ()


def test_a_canary_in_the_middle_sends_this_run_to_the_primary_alone() -> None:
    rule = {
        "backendRefs": [
            {"name": "shop", "port": 80, "weight": 90},
            {"name": "shop-v1", "port": 80, "weight": 5, "filters": [{"type": "CORS"}]},
            {"name": "shop-v2", "port": 80, "weight": 5},
        ]
    }
    plan = planned(route(rule), (), WANTED)
    assert apply(route(rule), plan.edits)["spec"]["rules"][0]["backendRefs"][0]["filters"] == [{"type": "CORS"}]
    assert plan.notes == ("spec.rules[0] shares requests among 3 backends: those of this run all go to the primary",)


def test_a_rule_that_a_copy_would_come_before_gets_one_that_does_what_it_does() -> None:
    special = to("other", matches=[{"headers": [{"name": "x-vip", "value": "1"}]}])
    rules = patched(route(special, to("shop-v1")))
    assert [rule["backendRefs"][0]["name"] for rule in rules] == ["other", RECORDER, "other", "shop-v1"]
    assert [len(rule.get("matches", [{}])[0].get("headers", ())) for rule in rules] == [2, 1, 1, 0]


def test_a_rule_of_another_route_that_a_copy_would_come_before_gets_one_as_well() -> None:
    special = route(to("other", matches=[{"headers": [{"name": "x-vip", "value": "1"}]}]), name="vip")
    plan = planned(special, (route(to("shop-v1")),), WANTED)
    assert len(plan.edits) == 1
    assert plan.mirrored == ()
    assert not planned(special, (), WANTED).edits


def test_probes_get_a_rule_that_does_nothing_but_mirror() -> None:
    found = route(to("shop-v1", filters=[{"type": "CORS"}]))
    rule = apply(found, planned(found, (), WANTED, probe=True).edits)["spec"]["rules"][1]
    assert rule["name"] == "shadowdiff-r1-probe"
    assert rule["matches"][0]["path"] == {"type": "Exact", "value": "/shadowdiff-probe-r1"}
    assert [each["type"] for each in rule["filters"]] == ["RequestMirror"]
    other = route(to("other"))
    assert planned(other, (), WANTED, probe=True).edits == ()


def test_rules_of_other_runs_are_not_copied() -> None:
    found = route(to("shop-v1"))
    once = apply(found, planned(found, (), WANTED).edits)
    again = Wanted("r2", "shadowdiff-r2", 15080, 15081, WANTED.pods, WANTED.primary)
    assert len(patched(once, again)) == 3


def test_without_names_the_copies_are_known_by_what_they_are() -> None:
    wanted = Wanted("r1", RECORDER, 15080, 15081, WANTED.pods, WANTED.primary, named=False)
    found = route(to("shop-v1"), to("other"))
    edits = planned(found, (), wanted).edits
    changed = apply(found, edits)
    assert "name" not in changed["spec"]["rules"][0]
    changed["spec"]["rules"][0]["backendRefs"][0]["weight"] = 1  # as an API server fills in
    assert restore(changed, edits) == (found, ())


def test_a_mirror_that_stands_there_already_is_refused_by_name() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "audit", "port": 80}}}
    said = refused(route(to("other"), to("shop-v1", name="main", filters=[mirror])))
    assert "HTTPRoute default/shop, spec.rules[1] (main).filters[0]: this rule mirrors already, to audit" in said
    inner = {"backendRefs": [{"name": "shop-v1", "port": 80, "filters": [mirror]}]}
    assert "spec.rules[0].backendRefs[0].filters[0]" in refused(route(inner))


def test_what_would_outgrow_an_http_route_is_refused_by_name() -> None:
    paths = [to("shop-v1", matches=[{"path": {"value": f"/{number}"}}]) for number in range(9)]
    assert "HTTPRoute default/shop, spec.rules: 9 rules, and 9 more for this run" in refused(route(*paths))
    assert len(patched(route(*paths[:8]))) == 16
    matches = [{"path": {"value": f"/{number}"}} for number in range(64)]
    assert "130 matches" in refused(route(to("shop-v1", matches=matches), to("shop-v1", matches=[{"path": {"value": "/"}}])))
    headers = [{"name": f"x-{number}", "value": "1"} for number in range(16)]
    assert "16 headers" in refused(route(to("shop-v1", matches=[{"headers": headers}])))


# Any route at all.

PATHS = st.sampled_from(["/", "/a", "/a/b", "/a/", "/b"])
HEADERS = st.lists(
    st.builds(lambda name, value: {"name": name, "value": value}, st.sampled_from(["x-a", "x-b", "X-C"]), st.sampled_from(["1", "2"])),
    max_size=3,
    unique_by=lambda each: each["name"],
)
QUERIES = st.lists(
    st.builds(lambda name, value: {"name": name, "value": value}, st.sampled_from(["q", "r"]), st.sampled_from(["1", "2"])),
    max_size=2,
    unique_by=lambda each: each["name"],
)
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "path": st.builds(
            lambda kind, value: {"type": kind, "value": value}, st.sampled_from(["Exact", "PathPrefix", "RegularExpression"]), PATHS
        ),
        "method": st.sampled_from(["GET", "POST"]),
        "headers": HEADERS,
        "queryParams": QUERIES,
    },
)
BACKENDS = st.lists(
    st.builds(
        lambda name, weight: {"name": name, "port": 80, "weight": weight},
        st.sampled_from(["shop", "shop-v1", "shop-v2", "other"]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda each: str(each["name"]),
)
SHARED = {"matches": st.lists(MATCHES, min_size=1, max_size=3), "unknown": st.just({"kept": [1]})}
RULES = st.one_of(
    st.fixed_dictionaries(
        {"backendRefs": BACKENDS},
        optional={
            "filters": st.just([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}]),
            **SHARED,
        },
    ),
    st.fixed_dictionaries({"filters": st.just([{"type": "RequestRedirect", "requestRedirect": {"hostname": "h"}}])}, optional=SHARED),
)
ROUTES = st.builds(
    lambda rules, status, hostnames: {**route(*rules, **({"hostnames": hostnames} if hostnames else {})), "status": status},
    st.lists(RULES, min_size=1, max_size=5),
    st.sampled_from([{}, {"parents": [{"controllerName": "example.com/foreign", "conditions": []}]}]),
    st.sampled_from([[], ["shop.example"]]),
)
REQUESTS = st.builds(
    lambda method, path, query, headers: Asked(method, path + query, {name.lower(): value for name, value in headers.items()}),
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.sampled_from(["/", "/a", "/a/b", "/a/c", "/ab", "/b", "/c"]),
    st.sampled_from(["", "?q=1", "?q=2&r=1"]),
    st.dictionaries(st.sampled_from(["x-a", "x-b", "x-c"]), st.sampled_from(["1", "2"]), max_size=3),
)
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def plans(found: dict[str, Any], beside: dict[str, Any] | None = None) -> list[dict[str, Any]] | None:
    """The routes patched; None where they are refused."""
    every = [found, *([beside] if beside else [])]
    try:
        return [apply(one, planned(one, [other for other in every if other is not one], WANTED, probe=one is found).edits) for one in every]
    except RouteRefusedError:
        return None


def read(folder: Path, *found: dict[str, Any]) -> list[Route]:
    """The routes of some objects as our translator reads them."""
    stripped = copy.deepcopy(list(found))
    for each in stripped:
        for rule in each["spec"]["rules"]:
            rule.pop("unknown", None)
            rule.pop("name", None)
    file = folder / "routes.yaml"
    file.write_text(yaml.safe_dump_all(stripped), encoding="utf-8")
    return list(read_routes([file]).routes)


def way(taken_route: Route | None) -> object:
    """Where a request goes and what becomes of it on its way, whatever its route is called."""
    if taken_route is None:
        return None
    action = taken_route.action
    if isinstance(action, Forward):
        return [(each.version.name, each.weight) for each in action.destinations], len(action.mirrors), taken_route.edits
    return action


def mirrors(taken_route: Route | None) -> bool:
    """Whether a request is copied."""
    return taken_route is not None and isinstance(taken_route.action, Forward) and bool(taken_route.action.mirrors)


@RELAXED
@given(ROUTES, st.one_of(st.none(), ROUTES), st.lists(REQUESTS, min_size=1, max_size=8))
def test_strangers_go_where_they_went_and_the_run_goes_where_it_would_have_gone(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any] | None, requests: list[Asked]
) -> None:
    if other is not None:
        other["metadata"]["name"] = "zzz"
        other["spec"].pop("hostnames", None)
        one["spec"].pop("hostnames", None)
    every = [one, *([other] if other else [])]
    changed = plans(one, other)
    if changed is None:
        return
    before, after = read(tmp_path, *every), read(tmp_path, *changed)
    for asked in requests:
        was, stranger = taken(before, asked), taken(after, asked)
        assert way(stranger) == way(was)
        assert not mirrors(stranger)
        ours = taken(after, Asked(asked.method, asked.target, {**asked.headers, RUN: WANTED.run}))
        if to_primary(was):
            assert mirrors(ours)
            assert ours is not None
            assert was is not None
            assert ours.edits == was.edits
        else:
            assert way(ours) == way(was)
        another = taken(after, Asked(asked.method, asked.target, {**asked.headers, RUN: "another"}))
        assert way(another) == way(was)


def to_primary(was: Route | None) -> bool:
    """Whether a route led to the primary."""
    if was is None or isinstance(was.action, (Answer, Redirect)):
        return False
    return any(WANTED.pods[each.version.name] & WANTED.primary for each in was.action.destinations)


@RELAXED
@given(ROUTES, st.integers(0, 20))
def test_restore_is_the_identity_and_what_others_wrote_survives(found: dict[str, Any], place: int) -> None:
    before = copy.deepcopy(found)
    try:
        edits = [from_json(to_json(edit)) for edit in planned(found, (), WANTED).edits]
    except RouteRefusedError:
        return
    changed = apply(found, edits)
    assert found == before
    assert restore(changed, edits) == (before, ())
    theirs = {"backendRefs": [{"name": "theirs", "port": 1}]}
    changed["spec"]["rules"].insert(place, theirs)
    changed["metadata"]["annotations"] = {"theirs": "1"}
    for rule in changed["spec"]["rules"]:
        if str(rule.get("name")).startswith("shadowdiff-"):
            rule["backendRefs"] = [{"name": "rewritten"}]  # a tool that writes into every rule
    back, left = restore(changed, edits)
    assert left == ()
    assert [rule for rule in back["spec"]["rules"] if rule is not theirs and rule != theirs] == before["spec"]["rules"]
    assert theirs in back["spec"]["rules"]
    assert back["metadata"]["annotations"] == {"theirs": "1"}
