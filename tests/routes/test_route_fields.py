"""Each field that the kinds' own definitions have: enacted and shown, or refused by name. The table in docs/routes.md is made here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_shadowdiff.envoy.routes import fields, read_routes
from pytest_shadowdiff.envoy.routes.fields import Shape
from pytest_shadowdiff.errors import SettingsError

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "routes.md"
BEGIN, END = "<!-- fields: made by tests/routes/test_route_fields.py -->", "<!-- end of fields -->"

HEADERS: dict[str, Any] = {"": fields.HEADERS, "request": fields.HEADER_OPERATIONS, "response": fields.HEADER_OPERATIONS}
DESTINATION = {"": fields.DESTINATION, "port": fields.PORT}
POLICY = {
    "": fields.TRAFFIC_POLICY,
    "connectionPool": {"": fields.CONNECTION_POOL, "tcp": fields.POOL_TCP, "http": fields.POOL_HTTP},
    "outlierDetection": fields.OUTLIERS,
    "loadBalancer": fields.LOAD_BALANCER,
    "tls": fields.TLS,
}
MODIFIER = {"": fields.HEADER_MODIFIER, "set[]": fields.HEADER_VALUE, "add[]": fields.HEADER_VALUE}
TREES: dict[str, dict[str, Any]] = {
    "VirtualService": {
        "": fields.VIRTUAL_SERVICE,
        "http[]": {
            "": fields.HTTP,
            "match[]": {
                "": fields.HTTP_MATCH,
                **dict.fromkeys(
                    ("uri", "method", "authority", "scheme", "headers{}", "withoutHeaders{}", "queryParams{}"), fields.STRING_MATCH
                ),
            },
            "route[]": {"": fields.ROUTE_DESTINATION, "destination": DESTINATION, "headers": HEADERS},
            "redirect": fields.REDIRECT,
            "directResponse": {"": fields.DIRECT_RESPONSE, "body": fields.BODY},
            "rewrite": {"": fields.REWRITE, "uriRegexRewrite": fields.REGEX_REWRITE},
            "retries": fields.RETRIES,
            "fault": {
                "": fields.FAULT,
                "delay": {"": fields.DELAY, "percentage": fields.PERCENTAGE},
                "abort": {"": fields.ABORT, "percentage": fields.PERCENTAGE},
            },
            "mirror": DESTINATION,
            "mirrors[]": {"": fields.MIRROR_POLICY, "destination": DESTINATION, "percentage": fields.PERCENTAGE},
            "mirrorPercentage": fields.PERCENTAGE,
            "corsPolicy": {"": fields.CORS_POLICY, "allowOrigins[]": fields.STRING_MATCH},
            "headers": HEADERS,
        },
    },
    "DestinationRule": {"": fields.DESTINATION_RULE, "subsets[]": {"": fields.SUBSET, "trafficPolicy": POLICY}, "trafficPolicy": POLICY},
    "HTTPRoute": {
        "": fields.HTTP_ROUTE,
        "parentRefs[]": fields.PARENT,
        "rules[]": {
            "": fields.RULE,
            "matches[]": {
                "": fields.RULE_MATCH,
                "path": fields.RULE_PATH,
                "headers[]": fields.RULE_NAMED,
                "queryParams[]": fields.RULE_NAMED,
            },
            "filters[]": {
                "": fields.FILTER,
                "requestHeaderModifier": MODIFIER,
                "responseHeaderModifier": MODIFIER,
                "requestMirror": {"": fields.REQUEST_MIRROR, "backendRef": fields.BACKEND_REF, "fraction": fields.FRACTION},
                "requestRedirect": {"": fields.REQUEST_REDIRECT, "path": fields.PATH_MODIFIER},
                "urlRewrite": {"": fields.URL_REWRITE, "path": fields.PATH_MODIFIER},
                "cors": fields.RULE_CORS,
            },
            "backendRefs[]": {
                "": fields.WEIGHTED_BACKEND_REF,
                "filters[]": {"": fields.BACKEND_FILTER, "requestHeaderModifier": MODIFIER, "responseHeaderModifier": MODIFIER},
            },
            "timeouts": fields.TIMEOUTS,
            "retry": fields.RETRY,
        },
    },
}
BASES = {
    "VirtualService": ("networking.istio.io/v1", {"hosts": ["h"], "http": [{"route": [{"destination": {"host": "h"}}]}]}),
    "DestinationRule": ("networking.istio.io/v1", {"host": "h"}),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", {"rules": [{"backendRefs": [{"name": "h"}]}]}),
}


def defined(kind: str) -> list[str]:
    """The fields that the kind's own definition has."""
    return (HERE / "data" / f"{kind.lower()}.txt").read_text(encoding="utf-8").split()


def refusal(kind: str, path: str) -> tuple[str, str] | None:
    """The field on a path that is refused, and why; None where none is."""
    at: Any = TREES[kind]
    gone: list[str] = []
    for part in path.split("."):
        shape: Shape = at.get("", at)
        name = part.rstrip("[]{}")
        assert name in shape, f"{kind} {path}: the tables do not know {name}"
        gone.append(part)
        if shape[name]:
            return ".".join(gone), shape[name]
        at = at.get(part) or at.get(f"{part}[]") or at.get(f"{part}{{}}") or dict.fromkeys((), "")
    return None


def used(kind: str, value: Any, tree: Any, path: str = "") -> Iterator[str]:
    """The fields that an object sets, in the definition's notation."""
    for name, inner in value.items():
        camel = "".join(part.title() if at else part for at, part in enumerate(name.split("_")))
        place = f"{path}.{camel}" if path else camel
        yield place
        if isinstance(inner, list):
            for item in inner:
                if isinstance(item, dict):
                    yield from used(kind, item, None, f"{place}[]")
        elif isinstance(inner, dict):
            if place.rpartition(".")[2] in {"headers", "withoutHeaders", "queryParams"} and "match[]" in path:
                for item in inner.values():
                    yield from used(kind, item or {}, None, f"{place}{{}}")
            elif place.rpartition(".")[2] not in {"set", "add", "labels"}:
                yield from used(kind, inner, None, place)


def shown() -> dict[str, set[str]]:
    """The fields that requests at real servers have shown, by kind."""
    found: dict[str, set[str]] = {kind: set() for kind in BASES}
    cases = [case["route"] for case in yaml.safe_load_all((HERE / "data" / "cases.yaml").read_text(encoding="utf-8")) if case]
    for text in cases:
        for document in yaml.safe_load_all(text):
            for item in document.get("items", [document]):
                found[item["kind"]] |= set(used(item["kind"], item["spec"], TREES[item["kind"]]))
    for name, policy in _pools().items():
        del name
        spec = {"trafficPolicy": yaml.safe_load(policy), "subsets": [{"name": "v1", "labels": {}, "trafficPolicy": {}}], "host": "h"}
        found["DestinationRule"] |= set(used("DestinationRule", spec, None))
    return found


def _pools() -> dict[str, str]:
    import importlib.util

    spec = importlib.util.spec_from_file_location("pools", HERE / "test_route_pools.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pools: dict[str, str] = module.POOLS
    return pools


def nested(path: str) -> Any:
    """An object with one field."""
    value: Any = "x"
    for part in reversed(path.split(".")):
        name = part.rstrip("[]{}")
        value = {name: [value] if part.endswith("[]") else {"k": value} if part.endswith("{}") else value}
    return value


def laid_over(base: Any, above: Any) -> Any:
    if isinstance(base, dict) and isinstance(above, dict):
        return {**base, **{name: laid_over(base[name], inner) if name in base else inner for name, inner in above.items()}}
    if isinstance(base, list) and isinstance(above, list):
        return [laid_over(base[0], above[0])]
    return above


@pytest.mark.parametrize("kind", BASES)
def test_each_defined_field_is_enacted_and_shown_or_refused_by_name(kind: str, tmp_path: Path) -> None:
    proven = shown()[kind]
    refused: dict[str, str] = {}
    for path in defined(kind):
        verdict = refusal(kind, path)
        if verdict is None:
            assert path in proven, f"{kind}: {path} is said to be enacted, and no request has shown it"
        else:
            refused[verdict[0]] = verdict[1]
    for path, reason in refused.items():
        version, base = BASES[kind]
        spec = laid_over(base, nested(path))
        document = {"apiVersion": version, "kind": kind, "metadata": {"name": "n"}, "spec": spec}
        others = [
            {
                "apiVersion": BASES["VirtualService"][0],
                "kind": "VirtualService",
                "metadata": {"name": "v"},
                "spec": BASES["VirtualService"][1],
            }
        ]
        file = tmp_path / "route.yaml"
        file.write_text(yaml.safe_dump_all([document, *(others if kind == "DestinationRule" else [])]), encoding="utf-8")
        with pytest.raises(SettingsError) as caught:
            read_routes([file])
        assert f"is not enacted: {reason}" in str(caught.value), path
        assert path.rpartition(".")[2].rstrip("[]{}") in str(caught.value)


def test_the_table_in_the_docs_is_this_one() -> None:
    lines = ["", "| kind | field | |", "| --- | --- | --- |"]
    for kind in BASES:
        told: set[str] = set()
        for path in defined(kind):
            verdict = refusal(kind, path)
            place, words = (path, "enacted") if verdict is None else (verdict[0], f"refused: {verdict[1]}")
            if place not in told:
                told.add(place)
                lines.append(f"| {kind} | `{place}` | {words} |")
    table = "\n".join([*lines, ""]) + "\n"
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n{table}{END}{after}"
    if os.environ.get("SHADOWDIFF_TEST_WRITE_DOCS"):
        PAGE.write_text(made, encoding="utf-8")
    assert page == made or os.environ.get("SHADOWDIFF_TEST_WRITE_DOCS"), "run once with SHADOWDIFF_TEST_WRITE_DOCS=1"
