"""Where an Envoy of ours sends requests: the listeners before the versions, and the versions themselves."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from pytest_shadowdiff.envoy.filters import typed
from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.model import Tls, Upstream

LARGE: Final = 1_000_000
"""Envoy's own bounds on connections and requests would drop copies that nobody asked it to drop."""

IDLE_SECONDS: Final = 1.0
"""A connection that waited longer is not used again: servers close theirs after two seconds and more, and a request on a
connection that is just being closed would be answered by Envoy, with 503."""

_KEEP_CASE: Final = {
    "stateful_formatter": typed(
        "preserve_case", "http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig", forward_reason_phrase=True
    )
}


def inner_cluster(name: str, buffer_bytes: int) -> dict[str, Any]:
    """The cluster that leads to the listener before a version."""
    return _cluster(name, {"envoy_internal_address": {"server_listener_name": name}}, "STATIC", buffer_bytes)


def version_cluster(name: str, upstream: Upstream, connect_seconds: float, buffer_bytes: int) -> dict[str, Any]:
    """The cluster that is a version."""
    address: dict[str, Any] = {"pipe": {"path": upstream.socket}}
    kind = "STATIC"
    if upstream.socket is None:
        kind = "STATIC" if _is_address(upstream.host) else "STRICT_DNS"
        address = {"socket_address": {"address": upstream.host, "port_value": upstream.port}}
    cluster = _cluster(f"version-{name}", address, kind, buffer_bytes, idle_seconds=IDLE_SECONDS)
    cluster["connect_timeout"] = f"{connect_seconds:g}s"
    if kind == "STRICT_DNS":
        cluster["dns_lookup_family"] = "V4_PREFERRED"
    if upstream.tls is not None:
        cluster["transport_socket"] = _tls(upstream.tls, upstream)
    return cluster


def _cluster(name: str, address: dict[str, Any], kind: str, buffer_bytes: int, idle_seconds: float | None = None) -> dict[str, Any]:
    bounds = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), LARGE)
    protocol = {"explicit_http_config": {"http_protocol_options": {"enable_trailers": True, "header_key_format": _KEEP_CASE}}}
    common: dict[str, Any] = {"max_headers_count": 1000}
    if idle_seconds is not None:
        common["idle_timeout"] = f"{idle_seconds:g}s"
    options = typed("", "upstreams.http.v3.HttpProtocolOptions", common_http_protocol_options=common, **protocol)["typed_config"]
    return {
        "name": name,
        "type": kind,
        "connect_timeout": "10s",
        "per_connection_buffer_limit_bytes": buffer_bytes,
        "circuit_breakers": {"thresholds": [{"priority": priority, **bounds} for priority in ("DEFAULT", "HIGH")]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
    }


def _tls(tls: Tls, upstream: Upstream) -> dict[str, Any]:
    name = tls.server_name or upstream.host
    common: dict[str, Any] = {"alpn_protocols": ["http/1.1"], "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}}
    if tls.verify:
        kind = "IP_ADDRESS" if _is_address(name) else "DNS"
        common["validation_context"] = {
            "trusted_ca": {"inline_string": _trusted(tls, upstream)},
            "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": name}}],
        }
    if tls.cert is not None:
        key = _read(tls.key or tls.cert, upstream, "tls.key")
        common["tls_certificates"] = [
            {"certificate_chain": {"inline_string": _read(tls.cert, upstream, "tls.cert")}, "private_key": {"inline_string": key}}
        ]
    fields = {"common_tls_context": common} if _is_address(name) else {"common_tls_context": common, "sni": name}
    return typed("envoy.transport_sockets.tls", "transport_sockets.tls.v3.UpstreamTlsContext", **fields)


def _trusted(tls: Tls, upstream: Upstream) -> str:
    if tls.ca is not None:
        return _read(tls.ca, upstream, "tls.ca")
    system = ssl.get_default_verify_paths().cafile
    if system is None:
        raise SetupError(f"Target {upstream.name}: this machine has no file of trusted CAs. Give one as targets.{upstream.name}.tls.ca.")
    return _read(system, upstream, "tls.ca")


def _read(file: str, upstream: Upstream, key: str) -> str:
    try:
        return Path(file).read_text(encoding="ascii", errors="ignore")
    except OSError as error:
        raise SetupError(f"Target {upstream.name}: {file} ({key}) cannot be read: {error.strerror}.") from None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
