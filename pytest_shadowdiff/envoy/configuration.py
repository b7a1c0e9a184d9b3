"""What an Envoy of ours is configured with: typed values here, Envoy's own JSON in the end. Nothing is started or read here.

What Envoy would change on a request or response by itself is turned off where Envoy lets us, and otherwise done alike on
both sides; docs/envoy.md lists what is left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_shadowdiff.envoy import marks
from pytest_shadowdiff.envoy.clusters import inner_cluster, version_cluster
from pytest_shadowdiff.envoy.filters import END_OF_RESPONSE, RESTORE_REQUEST, STRIP_END, TAP, typed
from pytest_shadowdiff.model import Upstream

Json = dict[str, Any]

SLOWEST_SECONDS = 300.0
"""A primary that answers later than this lets the copy's time run out before its own; nobody tests so."""
MAX_HEADERS = 1000
MAX_HEADER_KIB = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and a port to listen on; port 0 lets the kernel choose."""

    host: str = "127.0.0.1"
    port: int = 0

    def rendered(self) -> Json:
        """As Envoy has it."""
        return {"socket_address": {"address": self.host, "port_value": self.port}}


@dataclass(frozen=True, slots=True)
class Version:
    """A version, and by what name the listener before it is known ("primary", "candidate", "control")."""

    name: str
    upstream: Upstream


def versions_of(primary: Upstream | None, candidate: Upstream | None, control: Upstream | None) -> list[Version]:
    """The versions that there are, by their sides."""
    sides = (("primary", primary), ("candidate", candidate), ("control", control))
    return [Version(name, upstream) for name, upstream in sides if upstream is not None]


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that an Envoy of ours is made from.

    Attributes:
        run_id: requests that carry another run's id, or none, are neither copied nor recorded.
        versions: the primary first; a candidate gets the copies.
        routes: Envoy's own routes in place of the one that sends all to the primary and copies all; their clusters are
            the names of the versions.
        filters: HTTP filters that those routes rest on, before the router of the entry.
        clusters: laid over the settings of the clusters, by their names.
        access_log: where the entry writes a line for each request, and the fields of that line.
        connect_seconds: how long connecting to a version may take.
        copy_seconds: how long a copy may take altogether, so that a candidate that hangs gives its connections back one day;
            0 for any time. Nobody waits so long for the answer.
        copy_connections: how many connections to the candidate there may be: one that hangs must not eat up the
            process's file descriptors. Copies beyond it wait.
        buffer_bytes: how much of a body may wait on each connection; a copy whose version reads slower than that
            holds the request itself up, so it is as large as what is compared at most.
    """

    run_id: str
    versions: Sequence[Version]
    entry: Address = Address()
    admin: Address = Address()
    routes: Sequence[Mapping[str, Any]] | None = None
    filters: Sequence[Mapping[str, Any]] = ()
    clusters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    access_log: tuple[str, Mapping[str, str]] | None = None
    connect_seconds: float = 10.0
    copy_seconds: float = 0.0
    copy_connections: int = 2000
    buffer_bytes: int = 16 * 1024 * 1024

    def rendered(self) -> Json:
        """Envoy's bootstrap."""
        return {
            "node": {"id": f"shadowdiff-{self.run_id}", "cluster": "shadowdiff"},
            "admin": {"address": self.admin.rendered()},
            "bootstrap_extensions": [typed("envoy.bootstrap.internal_listener", "bootstrap.internal_listener.v3.InternalListener")],
            "static_resources": {
                "listeners": [self._entry(), *(self._inner(version) for version in self.versions)],
                "clusters": [
                    _laid_over(cluster, self.clusters.get(cluster["name"], {}))
                    for version in self.versions
                    for cluster in self._clusters(version)
                ],
            },
        }

    def _clusters(self, version: Version) -> tuple[Json, Json]:
        reached = version_cluster(version.name, version.upstream, self.connect_seconds, self.buffer_bytes)
        if version.name == "candidate":
            for bounds in reached["circuit_breakers"]["thresholds"]:
                bounds["max_connections"] = self.copy_connections
        return inner_cluster(version.name, self.buffer_bytes), reached

    def text(self) -> str:
        """The bootstrap as the text of a file."""
        return json.dumps(self.rendered(), indent=1)

    def _entry(self) -> Json:
        host = _virtual_host(
            self._entry_routes(),
            request_headers_to_remove=[marks.SIDE],
            request_headers_to_add=[_header(marks.FORWARDED, "%REQ(x-forwarded-for)%")],
            response_headers_to_remove=[marks.ANSWERED],
        )
        listener = self._listener("entry", host, [STRIP_END, *map(dict, self.filters)], access_log=self.access_log)
        return {**listener, "address": self.entry.rendered()}

    def _entry_routes(self) -> list[Json]:
        primary, *others = (version.name for version in self.versions)
        copies = [name for name in others if name == "candidate"]
        default = [{"match": {"prefix": "/"}, "route": _to(primary, copies)}]
        routes = default if self.routes is None else [dict(route) for route in self.routes]
        return [
            {"match": _match(marks.PROBE), "route": _to(primary, others)},
            *({"match": _match(marks.SIDE, name), "route": _to(name)} for name in (primary, *others)),
            *({**route, "match": _narrowed(route["match"], self.run_id)} for route in routes),
            *map(_without_copies, routes),
        ]

    def _inner(self, version: Version) -> Json:
        upstream = version.upstream
        action = _to(f"version-{version.name}")
        if version.name == "candidate":
            action["timeout"] = f"{self.copy_seconds:g}s"
        if upstream.host_header is not None:
            action["host_rewrite_literal"] = upstream.host_header
        if upstream.prefix:
            action["prefix_rewrite"] = f"{upstream.prefix}/"
        host = _virtual_host(
            [
                {"match": _match(marks.PROBE), "direct_response": {"status": 204}},
                {"match": {"prefix": "/"}, "route": action},
            ],
            request_headers_to_add=[_header(name, value.replace("%", "%%")) for name, value in upstream.headers],
        )
        listener = self._listener(version.name, host, [RESTORE_REQUEST, TAP, *END_OF_RESPONSE], local_replies=True)
        return {**listener, "internal_listener": {}}

    def _listener(
        self,
        name: str,
        virtual_host: Json,
        filters: Sequence[Json],
        *,
        local_replies: bool = False,
        access_log: tuple[str, Mapping[str, str]] | None = None,
    ) -> Json:
        manager = {
            "stat_prefix": name,
            "codec_type": "HTTP1",
            "route_config": {"name": name, "virtual_hosts": [virtual_host]},
            "http_filters": [*filters, typed("envoy.filters.http.router", "filters.http.router.v3.Router", suppress_envoy_headers=True)],
            **_UNTOUCHED,
        }
        if local_replies:
            manager["local_reply_config"] = {"mappers": [_NAMED_LOCAL_REPLY]}
        if access_log is not None:
            manager["access_log"] = [_json_lines(*access_log)]
        connection = "envoy.filters.network.http_connection_manager"
        chain = [typed(connection, "filters.network.http_connection_manager.v3.HttpConnectionManager", **manager)]
        return {"name": name, "per_connection_buffer_limit_bytes": self.buffer_bytes, "filter_chains": [{"filters": chain}]}


_UNTOUCHED: Json = {
    "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "localhost", "enable_trailers": True},
    "common_http_protocol_options": {"max_headers_count": MAX_HEADERS, "idle_timeout": "0s"},
    "max_request_headers_kb": MAX_HEADER_KIB,
    "upgrade_configs": [{"upgrade_type": "websocket"}],
    "server_header_transformation": "PASS_THROUGH",
    "generate_request_id": False,
    "preserve_external_request_id": True,
    "skip_xff_append": True,
    "normalize_path": False,
    "merge_slashes": False,
    "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
    "stream_idle_timeout": "0s",
    "request_timeout": "0s",
    "delayed_close_timeout": "0s",
    "internal_address_config": {"cidr_ranges": []},
}

_NAMED_LOCAL_REPLY: Json = {
    "filter": {"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 0, "runtime_key": "shadowdiff.any"}}}},
    "headers_to_add": [
        {"header": {"key": marks.ANSWERED, "value": "%RESPONSE_CODE_DETAILS%"}},
    ],
}


def _to(cluster: str, copies: Sequence[str] = ()) -> Json:
    action: Json = {"cluster": cluster, "timeout": "0s", "idle_timeout": "0s"}
    if copies:
        action["request_mirror_policies"] = [{"cluster": name, "disable_shadow_host_suffix_append": True} for name in copies]
    return action


def _virtual_host(routes: Sequence[Json], **rest: object) -> Json:
    return {"name": "all", "domains": ["*"], "routes": list(routes), **rest}


def _json_lines(path: str, fields: Mapping[str, str]) -> Json:
    log_format = {"json_format": dict(fields)}
    return typed("envoy.access_loggers.file", "access_loggers.file.v3.FileAccessLog", path=path, log_format=log_format)


def _laid_over(below: Json, above: Mapping[str, Any]) -> Json:
    """Mappings are joined at every depth; anything else stands as it is above."""
    joined = dict(below)
    for name, value in above.items():
        inner = joined.get(name)
        joined[name] = _laid_over(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return joined


def _match(header: str, value: str | None = None) -> Json:
    return _with_header({"prefix": "/"}, header, value)


def _with_header(match: Mapping[str, Any], header: str, value: str | None) -> Json:
    wanted = {"present_match": True} if value is None else {"string_match": {"exact": value}}
    return {**match, "headers": [*match.get("headers", ()), {"name": header, **wanted}]}


def _narrowed(match: Mapping[str, Any], run_id: str) -> Json:
    return _with_header(match, marks.RUN, run_id)


def _without_copies(route: Mapping[str, Any]) -> Json:
    action = route.get("route")
    if action is None:
        return dict(route)
    return {**route, "route": {name: value for name, value in action.items() if name != "request_mirror_policies"}}


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
