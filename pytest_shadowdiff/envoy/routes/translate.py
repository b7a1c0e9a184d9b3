"""Routes -> Envoy's configuration (envoyproxy.io, API v3), as plain values. The only place where Istio's words become Envoy's."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_shadowdiff.envoy.routes.model import (
    MILLION,
    Answer,
    Cors,
    Destination,
    Edits,
    Fault,
    Forward,
    HeaderEdit,
    Match,
    Mirror,
    NamedMatch,
    PathMatch,
    Pool,
    Redirect,
    Retry,
    Rewrite,
    Route,
    RouteTable,
    TextMatch,
)

Json = dict[str, Any]

FAULT = "envoy.filters.http.fault"
CORS = "envoy.filters.http.cors"
COPIED_TO = " => "
_TYPE = "type.googleapis.com/envoy."
_UNLIMITED = 2**32 - 1
_REDIRECT_CODES = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}

HTTP_FILTERS: Sequence[Json] = (
    {"name": FAULT, "typed_config": {"@type": f"{_TYPE}extensions.filters.http.fault.v3.HTTPFault"}},
    {"name": CORS, "typed_config": {"@type": f"{_TYPE}extensions.filters.http.cors.v3.Cors"}},
)
"""The filters that routes rest on, in Istio's order; they stand before the router of the listener that has the routes."""


def variants(route: Route) -> Iterator[tuple[str, Route, int]]:
    """A route once for each set of mirrors that a request may draw, the largest set first.

    Envoy draws one number for a request and holds it against every share, so a request that misses a share of 10 % may
    still be within one of 50 %. Each variant has a name of its own, by which one sees afterwards what a request drew.

    Yields:
        the name, the route with those mirrors, and the millionths of all requests that it and those before it take.
    """
    mirrors = route.action.mirrors if isinstance(route.action, Forward) else ()
    bound = 0
    for share in sorted({mirror.millionths for mirror in mirrors if mirror.millionths} | {MILLION}):
        if share > bound:
            taken = tuple(mirror for mirror in mirrors if mirror.millionths >= share)
            yield variant_name(route.name, taken), _with_mirrors(route, taken), share
            bound = share


def variant_name(route: str, mirrors: Sequence[Mirror]) -> str:
    """The name that a request's log shows: the route's own, and who got a copy."""
    return f"{route}{COPIED_TO}{' '.join(mirror.version.name for mirror in mirrors)}" if mirrors else route


def envoy_routes(table: RouteTable, clusters: Mapping[str, str]) -> Sequence[Json]:
    """Envoy's `Route`s for a table, in the order in which they are tried.

    Args:
        table: the routes.
        clusters: the cluster of each version, by the version's name; a mirror to a version that is not here is left out.
    """
    return [
        _route(name, variant, share, clusters, suffix=table.shadow_suffix)
        for route in table.routes
        for name, variant, share in variants(route)
    ]


def version_settings(pool: Pool) -> Json:
    """What a DestinationRule says of the cluster that is a version, to be laid over its other settings."""
    limits = {"max_connections": pool.max_connections, "max_pending_requests": pool.max_pending, "max_requests": pool.max_requests}
    settings: Json = {}
    if any(limits.values()):
        settings["circuit_breakers"] = {"thresholds": [{name: limit or _UNLIMITED for name, limit in limits.items()}]}
    if pool.connect_timeout is not None:
        settings["connect_timeout"] = _seconds(pool.connect_timeout)
    common: Json = {}
    if pool.idle_timeout is not None:
        common["idle_timeout"] = _seconds(pool.idle_timeout)
    if pool.max_requests_per_connection:
        common["max_requests_per_connection"] = pool.max_requests_per_connection
    if common:
        options = {"common_http_protocol_options": common}
        settings["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}
    if pool.consecutive_5xx is not None or pool.consecutive_gateway is not None:
        settings["outlier_detection"] = _outliers(pool)
        settings["common_lb_config"] = {"healthy_panic_threshold": {"value": 0}}
    return settings


def entry_settings(pool: Pool) -> Json:
    """What a DestinationRule says of the cluster that routes lead to, to be laid over its other settings."""
    if not pool.max_retries:
        return {}
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), _UNLIMITED)
    return {"circuit_breakers": {"thresholds": [{**limits, "max_retries": pool.max_retries}]}}


def _outliers(pool: Pool) -> Json:
    out: Json = {"enforcing_success_rate": 0}
    if pool.consecutive_5xx is not None:
        out |= {"consecutive_5xx": pool.consecutive_5xx, "enforcing_consecutive_5xx": 100 if pool.consecutive_5xx else 0}
    if pool.consecutive_gateway is not None:
        out["consecutive_gateway_failure"] = pool.consecutive_gateway
        out["enforcing_consecutive_gateway_failure"] = 100 if pool.consecutive_gateway else 0
    if pool.ejection_interval:
        out["interval"] = _seconds(pool.ejection_interval)
    if pool.ejection_time:
        out["base_ejection_time"] = _seconds(pool.ejection_time)
    if pool.max_ejection_percent:
        out["max_ejection_percent"] = pool.max_ejection_percent
    return out


def _with_mirrors(route: Route, mirrors: Sequence[Mirror]) -> Route:
    action = route.action
    if not isinstance(action, Forward) or len(mirrors) == len(action.mirrors):
        return route
    kept = Forward(action.destinations, mirrors, action.rewrite, action.timeout, action.retry)
    return Route(route.name, route.match, kept, route.edits, route.fault, route.cors)


def _route(name: str, route: Route, share: int, clusters: Mapping[str, str], *, suffix: bool) -> Json:
    match = _match(route.match)
    if share < MILLION:
        match["runtime_fraction"] = {"default_value": _fraction(share)}
    out: Json = {"name": name, "match": match}
    if route.match.stat_prefix:
        out["stat_prefix"] = route.match.stat_prefix
    edits = [route.edits]
    if isinstance(route.action, Forward):
        if len(route.action.destinations) == 1:
            edits.append(route.action.destinations[0].edits)
        out["route"] = _forward(route.action, route.edits, clusters, suffix=suffix)
    elif isinstance(route.action, Redirect):
        out["redirect"] = _redirect(route.action)
    else:
        out["direct_response"] = _answer(route.action)
    out |= _edits(edits)
    per_filter: Json = {}
    if route.fault is not None:
        per_filter[FAULT] = _fault(route.fault)
    if route.cors is not None:
        per_filter[CORS] = _cors(route.cors)
    if per_filter:
        out["typed_per_filter_config"] = per_filter
    return out


def _match(match: Match) -> Json:
    out = _path(match.path)
    if match.headers:
        out["headers"] = [_header(header) for header in match.headers]
    if match.query:
        out["query_parameters"] = [_query(parameter) for parameter in match.query]
    return out


def _path(path: PathMatch) -> Json:
    if path.kind == "regex":
        return {"safe_regex": {"regex": path.value}}
    kind = {"exact": "path", "prefix": "prefix", "segments": "path_separated_prefix"}[path.kind]
    if path.kind == "segments" and path.value == "/":
        kind = "prefix"
    return {kind: path.value, "case_sensitive": not path.ignore_case}


def _header(header: NamedMatch) -> Json:
    out: Json = {"name": header.name}
    if header.text.kind == "present":
        out["present_match"] = True
    else:
        out["string_match"] = _text(header.text)
        if header.absent:
            out["treat_missing_header_as_empty"] = True
    if header.absent:
        out["invert_match"] = True
    return out


def _query(parameter: NamedMatch) -> Json:
    if parameter.text.kind == "present":
        return {"name": parameter.name, "present_match": True}
    return {"name": parameter.name, "string_match": _text(parameter.text)}


def _text(text: TextMatch) -> Json:
    if text.kind == "regex":
        return {"safe_regex": {"regex": text.value}}
    return {text.kind: text.value}


def _forward(action: Forward, edits: Edits, clusters: Mapping[str, str], *, suffix: bool) -> Json:
    out: Json = {"timeout": _seconds(action.timeout or 0.0)}
    host = edits.host
    if len(action.destinations) == 1:
        only = action.destinations[0]
        out["cluster"] = clusters[only.version.name]
        host = host or only.edits.host
    else:
        out["weighted_clusters"] = {"clusters": [_weighted(item, clusters) for item in action.destinations if item.weight]}
    if host:
        out["host_rewrite_literal"] = host
    if action.rewrite is not None:
        out |= _rewrite(action.rewrite)
    copies = [item for item in action.mirrors if item.version.name in clusters]
    if copies:
        out["request_mirror_policies"] = [
            {
                "cluster": clusters[item.version.name],
                "runtime_fraction": {"default_value": _fraction(MILLION)},
                "trace_sampled": False,
                "disable_shadow_host_suffix_append": not suffix,
            }
            for item in copies
        ]
    if action.retry is not None:
        out["retry_policy"] = _retry(action.retry)
    return out


def _weighted(item: Destination, clusters: Mapping[str, str]) -> Json:
    out: Json = {"name": clusters[item.version.name], "weight": item.weight, **_edits([item.edits])}
    if item.edits.host:
        out["host_rewrite_literal"] = item.edits.host
    return out


def _rewrite(rewrite: Rewrite) -> Json:
    if rewrite.pattern:
        return {"regex_rewrite": {"pattern": {"regex": rewrite.pattern}, "substitution": rewrite.substitution}}
    return {"prefix_rewrite": rewrite.prefix}


def _retry(retry: Retry) -> Json:
    out: Json = {
        "retry_on": ",".join(retry.on),
        "num_retries": retry.attempts,
        "host_selection_retry_max_attempts": 5,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": f"{_TYPE}extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
            }
        ],
    }
    if retry.codes:
        out["retriable_status_codes"] = list(retry.codes)
    if retry.per_try_timeout:
        out["per_try_timeout"] = _seconds(retry.per_try_timeout)
    if retry.backoff:
        out["retry_back_off"] = {"base_interval": _seconds(retry.backoff)}
    return out


def _redirect(action: Redirect) -> Json:
    out: Json = {"response_code": _REDIRECT_CODES[action.code]}
    if action.scheme:
        out["scheme_redirect"] = action.scheme
    if action.host:
        out["host_redirect"] = action.host
    default = {"http": 80, "https": 443}[action.scheme or "http"]
    if action.port and action.port != default:
        out["port_redirect"] = action.port
    if action.path:
        out["path_redirect"] = action.path
    if action.rewrite is not None:
        out |= _rewrite(action.rewrite)
    return out


def _answer(action: Answer) -> Json:
    out: Json = {"status": action.status}
    if action.body:
        out["body"] = {"inline_bytes": base64.b64encode(action.body).decode()}
    return out


def _edits(edits: Sequence[Edits]) -> Json:
    out: Json = {}
    for side in ("request", "response"):
        operations: list[HeaderEdit] = [getattr(edit, side) for edit in edits]
        added: list[Json] = []
        for edit in operations:
            added += [_option(name, value, "OVERWRITE_IF_EXISTS_OR_ADD") for name, value in edit.set]
            added += [_option(name, value, "APPEND_IF_EXISTS_OR_ADD") for name, value in edit.add]
        removed = [name for edit in operations for name in edit.remove]
        if added:
            out[f"{side}_headers_to_add"] = added
        if removed:
            out[f"{side}_headers_to_remove"] = removed
    return out


def _option(name: str, value: str, how: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": how, "keep_empty_value": True}


def _fault(fault: Fault) -> Json:
    out: Json = {"@type": f"{_TYPE}extensions.filters.http.fault.v3.HTTPFault"}
    if fault.delay is not None:
        out["delay"] = {"fixed_delay": _seconds(fault.delay), "percentage": _fraction(fault.delay_millionths)}
    if fault.abort_status is not None:
        out["abort"] = {"http_status": fault.abort_status, "percentage": _fraction(fault.abort_millionths)}
    if fault.abort_grpc is not None:
        out["abort"] = {"grpc_status": fault.abort_grpc, "percentage": _fraction(fault.abort_millionths)}
    return out


def _cors(cors: Cors) -> Json:
    out: Json = {
        "@type": f"{_TYPE}extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [_text(origin) for origin in cors.origins],
        "filter_enabled": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
        "forward_not_matching_preflights": cors.forward_unmatched,
        "allow_methods": ",".join(cors.methods),
        "allow_headers": ",".join(cors.headers),
        "expose_headers": ",".join(cors.expose),
    }
    if cors.max_age is not None:
        out["max_age"] = str(cors.max_age)
    if cors.credentials is not None:
        out["allow_credentials"] = cors.credentials
    return out


def _fraction(millionths: int) -> Json:
    return {"numerator": millionths, "denominator": "MILLION"}


def _seconds(seconds: float) -> str:
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
