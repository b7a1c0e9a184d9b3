"""Envoy's own words for routes, read: which of them a request takes, and what becomes of it, in one form for ours and istiod's."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from pytest_shadowdiff.envoy.routes.decide import Asked
from pytest_shadowdiff.envoy.routes.model import MILLION

Json = Mapping[str, Any]
DENOMINATORS = {"HUNDRED": 10_000, "TEN_THOUSAND": 100, "MILLION": 1}
FAULT, CORS = "envoy.filters.http.fault", "envoy.filters.http.cors"


def taken(routes: Sequence[Json], asked: Asked) -> Json | None:
    """The first route that fits."""
    return next((route for route in routes if fits(route["match"], asked)), None)


def fits(match: Json, asked: Asked) -> bool:
    """Whether a request has what a match of Envoy's asks for."""
    queries: dict[str, str] = {}
    for name, value in parse_qsl(asked.target.partition("?")[2], keep_blank_values=True):
        queries.setdefault(name, value)
    pseudo = {":method": asked.method, ":path": asked.target, ":authority": asked.headers.get("host", ""), ":scheme": "http"}
    headers = {**asked.headers, **pseudo}
    return (
        path_fits(match, asked)
        and all(header_fits(each, headers.get(each["name"].lower())) for each in match.get("headers", ()))
        and all(query_fits(each, queries.get(each["name"])) for each in match.get("query_parameters", ()))
    )


def path_fits(match: Json, asked: Asked) -> bool:
    path, target = asked.path, asked.target
    cased = match.get("case_sensitive", True)
    wanted = {name: match[name] if cased else match[name].lower() for name in ("path", "prefix", "path_separated_prefix") if name in match}
    if not cased:
        path, target = path.lower(), target.lower()
    if "path" in wanted:
        return bool(path == wanted["path"])
    if "prefix" in wanted:
        return bool(target.startswith(wanted["prefix"]))
    if "path_separated_prefix" in wanted:
        return bool(path == wanted["path_separated_prefix"] or path.startswith(f"{wanted['path_separated_prefix']}/"))
    return regex_fits(match["safe_regex"]["regex"], asked.path)


def header_fits(match: Json, found: str | None) -> bool:
    if found is None and match.get("treat_missing_header_as_empty"):
        found = ""
    if "string_match" in match:
        if found is None:
            return False
        answer = text_fits(match["string_match"], found)
    else:
        answer = (found is not None) == match.get("present_match", True)
    return answer is not bool(match.get("invert_match"))


def query_fits(match: Json, found: str | None) -> bool:
    if "string_match" in match:
        return found is not None and text_fits(match["string_match"], found)
    return (found is not None) is bool(match.get("present_match", True))


def text_fits(match: Json, found: str) -> bool:
    if match.get("ignore_case"):
        found = found.lower()
    if "exact" in match:
        return bool(found == match["exact"])
    if "prefix" in match:
        return bool(found.startswith(match["prefix"]))
    return regex_fits(match["safe_regex"]["regex"], found)


def regex_fits(pattern: str, found: str) -> bool:
    return re.fullmatch(pattern, found) is not None


def outcome(route: Json | None) -> dict[str, Any]:
    """What becomes of a request that takes a route: all that both say, in one form."""
    if route is None:
        return {"answer": 404}
    found: dict[str, Any] = dict(headers(route))
    per_filter = route.get("typed_per_filter_config", {})
    if FAULT in per_filter:
        found["fault"] = fault(per_filter[FAULT])
    if CORS in per_filter:
        found["cors"] = cors(per_filter[CORS])
    if "redirect" in route:
        found["redirect"] = redirect(route["redirect"])
    elif "direct_response" in route:
        found["answer"] = route["direct_response"]["status"]
        found["body"] = body(route["direct_response"])
    else:
        found |= forward(route["route"])
    return found


def forward(action: Json) -> dict[str, Any]:
    clusters = action.get("weighted_clusters", {}).get("clusters") or [{"name": action["cluster"], "weight": 1}]
    shares = {}
    total = sum(each.get("weight", 0) for each in clusters)
    for each in clusters:
        if each.get("weight", 0):
            shares[short(each["name"])] = (round(each["weight"] / total, 6), dict(headers(each)) if len(clusters) > 1 else {})
    retry = action.get("retry_policy")
    return {
        "to": shares,
        "mirrors": sorted((short(each["cluster"]), millionths(each.get("runtime_fraction"))) for each in mirrors(action)),
        "timeout": seconds(action.get("timeout", "15s")),
        "prefix": action.get("prefix_rewrite"),
        "pattern": rewrite(action.get("regex_rewrite")),
        "host": action.get("host_rewrite_literal"),
        "retry": None
        if not retry or not retry.get("num_retries", 1)
        else (
            retry.get("num_retries"),
            frozenset(retry.get("retry_on", "").split(",")),
            tuple(retry.get("retriable_status_codes", ())),
            seconds(retry.get("per_try_timeout", "0s")),
        ),
    }


def mirrors(action: Json) -> list[Json]:
    """Those that get anything at all."""
    return [each for each in action.get("request_mirror_policies", ()) if millionths(each.get("runtime_fraction"))]


def millionths(fraction: Json | None) -> int:
    if fraction is None:
        return MILLION
    share = fraction["default_value"]
    return int(share.get("numerator", 0) * DENOMINATORS[share.get("denominator", "HUNDRED")])


def short(cluster: str) -> str:
    """`outbound|80|v1|httpbin.here.svc.cluster.local` -> `v1`; without a subset `httpbin`, as our files name versions."""
    parts = cluster.split("|")
    return cluster if len(parts) == 1 else parts[2] or parts[3].partition(".")[0]


def headers(route: Json) -> Iterator[tuple[str, Any]]:
    for side in ("request", "response"):
        added = [
            (each["header"]["key"].lower(), each["header"].get("value", ""), each.get("append_action", "APPEND_IF_EXISTS_OR_ADD"))
            for each in route.get(f"{side}_headers_to_add", ())
        ]
        removed = [name.lower() for name in route.get(f"{side}_headers_to_remove", ())]
        if added:
            yield f"{side} headers", sorted(added)
        if removed:
            yield f"{side} without", sorted(removed)


def redirect(action: Json) -> dict[str, Any]:
    named = ("host_redirect", "path_redirect", "scheme_redirect", "port_redirect", "prefix_rewrite")
    found = {name: action[name] for name in named if action.get(name)}
    return {**found, "code": action.get("response_code", "MOVED_PERMANENTLY"), "pattern": rewrite(action.get("regex_rewrite"))}


def rewrite(found: Json | None) -> tuple[str, str] | None:
    return None if found is None else (found["pattern"]["regex"], found.get("substitution", ""))


def body(response: Json) -> bytes:
    found: Json = response.get("body", {})
    return base64.b64decode(found["inline_bytes"]) if "inline_bytes" in found else found.get("inline_string", "").encode()


def fault(found: Json) -> dict[str, Any]:
    return {
        name: (
            seconds(found[name].get("fixed_delay", "0s")),
            found[name].get("http_status"),
            found[name].get("grpc_status"),
            share(found[name]),
        )
        for name in ("delay", "abort")
        if name in found
    }


def share(found: Json) -> int:
    part: Json = found.get("percentage", {})
    return int(part.get("numerator", 0) * DENOMINATORS[part.get("denominator", "HUNDRED")])


def cors(found: Json) -> dict[str, Any]:
    named = ("allow_methods", "allow_headers", "expose_headers", "max_age", "allow_credentials")
    lists = {name: found.get(name) or None for name in named}
    origins = sorted(str(sorted(each.items(), key=str)) for each in found.get("allow_origin_string_match", ()))
    return {**lists, "origins": origins, "forward": found.get("forward_not_matching_preflights", True)}


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))
