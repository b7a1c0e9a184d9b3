"""What a route file may not say, and how that is said: file, line, column, field, and what would be right."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from pytest_shadowdiff.envoy.routes import cast, read_routes
from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.settings import Target

V1 = Target("v1", url="http://127.0.0.1:1")
V2 = Target("v2", url="http://127.0.0.1:2")

RULE = """\
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: httpbin}
spec:
  host: httpbin
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
"""


def service(http: str, name: str = "httpbin", host: str = "httpbin") -> str:
    head = f"""\
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {{name: {name}}}
        spec:
          hosts: [{host}]
          http:
        """
    return dedent(head) + "\n".join("  " + line for line in dedent(http).strip().splitlines()) + "\n"


def refusal(tmp_path: Path, *texts: str) -> str:
    files = []
    for at, text in enumerate(texts):
        files.append(tmp_path / f"route-{at}.yaml")
        files[-1].write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        cast(read_routes(files), {"primary": V1, "candidate": V2})
    return str(caught.value).replace(f"{tmp_path}/", "")


def place(text: str, needle: str) -> str:
    """Line and column at which the last occurrence of a piece of text begins."""
    before = text[: text.rindex(needle)]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


TO_V1 = "- route: [{destination: {host: httpbin, subset: v1}}]"


@pytest.mark.parametrize(
    "http, needle, field, words",
    [
        ("- route: [{destination: {host: httpbin, subset: v3}}]", "v3", "spec.http[0].route[0].destination.subset", "names no subset 'v3'"),
        (
            "- route: [{destination: {host: httpbin, subset: v1}, weight: 50}, {destination: {host: httpbin, subset: v2}, weight: 40}]",
            "route",
            "spec.http[0].route",
            "the weights add up to 90, not to 100",
        ),
        (
            f"{TO_V1}\n  mirror: {{host: httpbin, subset: v2}}\n  mirrorPercentage: {{value: 101}}",
            "101",
            "spec.http[0].mirrorPercentage.value",
            "101 is outside 0 to 100",
        ),
        (
            f"{TO_V1}\n  mirror: {{host: httpbin, subset: v2}}\n  mirror_percent: -1",
            "-1",
            "spec.http[0].mirror_percent",
            "-1 is outside 0 to 100",
        ),
        (
            f"{TO_V1}\n  mirror: {{host: httpbin, subset: v2}}\n  mirrors: [{{destination: {{host: httpbin, subset: v2}}}}]",
            "mirrors",
            "spec.http[0].mirrors",
            "stands beside mirror",
        ),
        (
            f"{TO_V1}\n  mirror: {{host: elsewhere}}",
            "elsewhere",
            "spec.http[0].mirror.host",
            "no target of this run stands for it: v1 (primary), v2 (candidate)",
        ),
        (f"{TO_V1}\n  delegate: {{name: other}}", "delegate", "spec.http[0].delegate", "is not enacted"),
        (f"{TO_V1}\n  mirorr: {{host: httpbin}}", "mirorr", "spec.http[0].mirorr", "no such field; did you mean mirror?"),
        (f"{TO_V1}\n  timeout: 10", "10", "spec.http[0].timeout", "text is needed, not 10; put it in quotes"),
        (f"{TO_V1}\n  timeout: soon", "soon", "spec.http[0].timeout", "'soon' is no duration"),
        (
            f"{TO_V1}\n  match: [{{uri: {{regex: '(?=x)'}}}}]",
            "'(?=",
            "spec.http[0].match[0].uri.regex",
            "RE2, which Envoy uses, has no lookaround",
        ),
        (f"{TO_V1}\n  match: [{{uri: {{regex: '('}}}}]", "'('", "spec.http[0].match[0].uri.regex", "is no regular expression"),
        (f"{TO_V1}\n  match: [{{sourceLabels: {{app: x}}}}]", "sourceLabels", "spec.http[0].match[0].sourceLabels", "is not enacted"),
        (f"{TO_V1}\n  mirrorPercent: 5\n  mirror_percent: 5", "5\n", "spec.http[0].mirror_percent", "stands there in both spellings"),
        (f"{TO_V1}\n  redirect: {{uri: /x}}", "redirect", "spec.http[0].redirect", "stands beside route"),
        (
            "- redirect: {uri: /x}\n  mirror: {host: httpbin, subset: v2}",
            "mirror",
            "spec.http[0].mirror",
            "cannot be enacted beside redirect",
        ),
        ("- mirror: {host: httpbin, subset: v2}", "mirror", "spec.http[0]", "one of route, redirect and directResponse is needed"),
        (
            f"{TO_V1}\n  headers: {{request: {{set: {{x-a: '50%'}}}}}}",
            "'50%",
            "spec.http[0].headers.request.set.x-a",
            "write %% for a percent sign",
        ),
    ],
)
def test_a_wrong_virtual_service_is_refused_at_its_place(tmp_path: Path, http: str, needle: str, field: str, words: str) -> None:
    text = service(http)
    message = refusal(tmp_path, text, RULE)
    assert message.startswith(f"route-0.yaml:{place(text, needle)}: {field}: "), message
    assert words in message


def test_two_virtual_services_for_one_host_are_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, service(TO_V1), service(TO_V1, name="other", host="httpbin.default.svc.cluster.local"), RULE)
    assert message.startswith("route-1.yaml:5:11: spec.hosts[0]: httpbin.default.svc.cluster.local has a VirtualService already: httpbin")


def test_a_subset_without_any_rule_is_refused(tmp_path: Path) -> None:
    assert "no DestinationRule names the subset 'v1': there is none for httpbin.default.svc.cluster.local" in refusal(
        tmp_path, service(TO_V1)
    )


def test_a_rule_for_a_host_that_nothing_leads_to_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, service(TO_V1), RULE, RULE.replace("httpbin", "other"))
    assert "no route leads to other.default.svc.cluster.local" in message


@pytest.mark.parametrize(
    "text, words",
    [
        ("a: [", "route-0.yaml:1:5: no valid YAML"),
        ("a: &a [1]\nb: *c", "route-0.yaml:2:4: no valid YAML: found undefined alias 'c'"),
        ("a: 1\na: 2", "route-0.yaml:2:1: a: stands twice in one mapping"),
        ("- 1", "route-0.yaml:1:1: a mapping is needed, not a list"),
        ("kind: Deployment\napiVersion: apps/v1", "route-0.yaml:1:7: kind: 'Deployment' is not enacted"),
        ("kind: VirtualService\napiVersion: networking.istio.io/v2", "'networking.istio.io/v2' is none of"),
        ("", "neither a VirtualService nor an HTTPRoute"),
        ("[" * 200 + "]" * 200, "more than 60 levels"),
        ("a: !!python/object:os.system x", "route-0.yaml:1:4: a: the tag"),
        ("a: {<<: {b: 1}}", "a key has to be plain text"),
        ("\x00", "no valid YAML"),
    ],
)
def test_what_is_no_route_file_is_refused_at_its_place(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text)


def test_an_alias_bomb_runs_into_its_bound(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]" for at in range(1, 12)]
    assert "more than 50000 values (aliases counted each time)" in refusal(tmp_path, "\n".join(lines))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml: the route file cannot be read: No such file"):
        read_routes([tmp_path / "nowhere.yaml"])


ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  rules:
"""


@pytest.mark.parametrize(
    "rules, needle, field, words",
    [
        ("- backendRefs: [{name: v3, port: 80}]", "v3", "spec.rules[0].backendRefs[0].name", "no target of this run stands for it"),
        ("- backendRefs: [{name: v1, kind: Widget}]", "Widget", "spec.rules[0].backendRefs[0].kind", "'Widget' is none of Service"),
        ("- backendRefs: [{name: v1, namespace: other}]", "other", "spec.rules[0].backendRefs[0].namespace", "needs a ReferenceGrant"),
        ("- matches: [{path: {value: x}}]", "x}", "spec.rules[0].matches[0].path.value", "is no path"),
        ("- matches: [{path: {type: Glob, value: /x}}]", "Glob", "spec.rules[0].matches[0].path.type", "'Glob' is none of Exact"),
        (
            "- filters: [{type: ExtensionRef, extensionRef: {group: g, kind: k, name: n}}]",
            "extensionRef",
            "spec.rules[0].filters[0].extensionRef",
            "is not enacted",
        ),
        (
            "- filters: [{type: RequestMirror, requestMirror: {backendRef: {name: v2}, percent: 5, fraction: {numerator: 1}}}]",
            "fraction",
            "spec.rules[0].filters[0].requestMirror.fraction",
            "stands beside",
        ),
        (
            "- filters: [{type: RequestMirror, requestMirror: {backendRef: {name: v2}, fraction: {numerator: 3, denominator: 2}}}]",
            "3,",
            "spec.rules[0].filters[0].requestMirror.fraction.numerator",
            "outside 0 to 2",
        ),
        ("- filters: [{type: URLRewrite, cors: {}}]", "cors", "spec.rules[0].filters[0].cors", "stands in a filter of type URLRewrite"),
        ("- sessionPersistence: {type: Cookie}", "sessionPersistence", "spec.rules[0].sessionPersistence", "is not enacted"),
        (
            "- timeouts: {request: 1s, backendRequest: 2s}\n    backendRefs: [{name: v1}]",
            "2s",
            "spec.rules[0].timeouts.backendRequest",
            "longer than the timeout",
        ),
        (
            "- filters: [{type: RequestMirror, requestMirror: {backendRef: {name: v2}}}]",
            "filters",
            "spec.rules[0]",
            "no backend that could answer",
        ),
    ],
)
def test_a_wrong_http_route_is_refused_at_its_place(tmp_path: Path, rules: str, needle: str, field: str, words: str) -> None:
    text = ROUTE + "  " + rules + "\n"
    message = refusal(tmp_path, text)
    assert message.startswith(f"route-0.yaml:{place(text, needle)}: {field}: "), message
    assert words in message


def test_an_http_route_beside_a_virtual_service_is_refused(tmp_path: Path) -> None:
    assert "HTTPRoute r stands beside VirtualService httpbin" in refusal(
        tmp_path, service(TO_V1), RULE, ROUTE + "  - backendRefs: [{name: v1}]\n"
    )


def test_without_a_candidate_a_mirror_is_left_out_and_a_destination_refused(tmp_path: Path) -> None:
    file = tmp_path / "route.yaml"
    file.write_text(service(f"{TO_V1}\n  mirror: {{host: httpbin, subset: v2}}") + RULE, encoding="utf-8")
    assert cast(read_routes([file]), {"primary": V1}).absent == ("v2",)
    file.write_text(service("- route: [{destination: {host: httpbin, subset: v2}}]") + RULE, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"sends requests to 'v2', and no target .* with --shadow-target it may be the candidate"):
        cast(read_routes([file]), {"primary": V1})


def test_a_workload_stands_for_a_version_by_its_label_or_service(tmp_path: Path) -> None:
    file = tmp_path / "route.yaml"
    file.write_text(ROUTE + "  - backendRefs: [{name: httpbin-v1}]\n", encoding="utf-8")
    stable = Target("stable", workload={"service": "httpbin-v1"})
    labelled = Target("stable", workload={"labels": {"version": "httpbin-v1"}})
    assert cast(read_routes([file]), {"primary": stable}).roles == {"httpbin-v1": "primary"}
    assert cast(read_routes([file]), {"primary": labelled}).roles == {"httpbin-v1": "primary"}
