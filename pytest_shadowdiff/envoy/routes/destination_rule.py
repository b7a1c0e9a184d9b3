"""DestinationRule -> subsets, and what it says of connections (istio.io/docs/reference/config/networking/destination-rule)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_shadowdiff.envoy.routes import fields, values
from pytest_shadowdiff.envoy.routes.documents import Value
from pytest_shadowdiff.envoy.routes.fields import fields_of
from pytest_shadowdiff.envoy.routes.hosts import full_name
from pytest_shadowdiff.envoy.routes.model import Pool
from pytest_shadowdiff.envoy.routes.objects import Object
from pytest_shadowdiff.envoy.routes.virtual_service import check_export

_LARGEST = 2**31 - 1
_BALANCERS = ("UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST")


@dataclass(frozen=True, slots=True)
class Subsets:
    """What the rule for one host says: its subsets by name, and the pool of those that say nothing of their own."""

    host: str
    at: Value
    pool: Pool
    subsets: Mapping[str, Pool] = field(default_factory=dict)

    def pool_of(self, subset: str | None) -> Pool:
        """The pool of a subset, or of the whole host."""
        return self.subsets.get(subset, self.pool) if subset else self.pool


def subsets_of(rule: Object) -> Subsets:
    """What a DestinationRule says.

    Raises:
        SettingsError: something in it is wrong or not enacted; names the field and its place.
    """
    spec = fields_of(rule.spec, fields.DESTINATION_RULE)
    if "host" not in spec:
        raise rule.spec.refuse("host is missing")
    check_export(spec.get("exportTo"))
    pool = _policy(spec["trafficPolicy"], Pool()) if "trafficPolicy" in spec else Pool()
    subsets: dict[str, Pool] = {}
    for item in spec["subsets"].items() if "subsets" in spec else ():
        found = fields_of(item, fields.SUBSET)
        if "name" not in found:
            raise item.refuse("name is missing")
        name = found["name"].text()
        if name in subsets:
            raise found["name"].refuse(f"the subset {name!r} stands there twice")
        for label in found["labels"].mapping().values() if "labels" in found else ():
            label.text()
        subsets[name] = _policy(found["trafficPolicy"], pool) if "trafficPolicy" in found else pool
    return Subsets(full_name(spec["host"].text(), rule.namespace), spec["host"], pool, subsets)


def _policy(value: Value, base: Pool) -> Pool:
    """A subset's policy replaces the host's block by block, as Istio merges them."""
    found = fields_of(value, fields.TRAFFIC_POLICY)
    if "loadBalancer" in found:
        balancer = fields_of(found["loadBalancer"], fields.LOAD_BALANCER)
        if "simple" in balancer and balancer["simple"].choice(*_BALANCERS) == "PASSTHROUGH":
            raise balancer["simple"].refuse(
                "PASSTHROUGH is not enacted: it leads to the address that the caller asked for, past the mirror"
            )
    if "tls" in found:
        tls = fields_of(found["tls"], fields.TLS)
        if "mode" in tls and tls["mode"].choice("DISABLE", "ISTIO_MUTUAL", "SIMPLE", "MUTUAL") in {"SIMPLE", "MUTUAL"}:
            raise tls["mode"].refuse("is not enacted: versions are reached as the target's own `tls` says")
    connections = (
        _connections(found["connectionPool"]) if "connectionPool" in found else {name: getattr(base, name) for name in _CONNECTIONS}
    )
    outliers = _outliers(found["outlierDetection"]) if "outlierDetection" in found else {name: getattr(base, name) for name in _OUTLIERS}
    return Pool(**connections, **outliers)


_CONNECTIONS = (
    "max_connections",
    "connect_timeout",
    "max_pending",
    "max_requests",
    "max_requests_per_connection",
    "max_retries",
    "idle_timeout",
)
_OUTLIERS = ("consecutive_5xx", "consecutive_gateway", "ejection_interval", "ejection_time", "max_ejection_percent")


def _connections(value: Value) -> dict[str, int | float | None]:
    found = fields_of(value, fields.CONNECTION_POOL)
    tcp = fields_of(found["tcp"], fields.POOL_TCP) if "tcp" in found else {}
    http = fields_of(found["http"], fields.POOL_HTTP) if "http" in found else {}
    return {
        "max_connections": _count(tcp, "maxConnections"),
        "connect_timeout": _seconds(tcp, "connectTimeout"),
        "max_pending": _count(http, "http1MaxPendingRequests"),
        "max_requests": _count(http, "http2MaxRequests"),
        "max_requests_per_connection": _count(http, "maxRequestsPerConnection"),
        "max_retries": _count(http, "maxRetries"),
        "idle_timeout": _seconds(http, "idleTimeout"),
    }


def _outliers(value: Value) -> dict[str, int | float | None]:
    found = fields_of(value, fields.OUTLIERS)
    percent = found["maxEjectionPercent"].integer(0, 100) if "maxEjectionPercent" in found else None
    return {
        "consecutive_5xx": _count(found, "consecutive5xxErrors", default=5),
        "consecutive_gateway": _count(found, "consecutiveGatewayErrors"),
        "ejection_interval": _seconds(found, "interval"),
        "ejection_time": _seconds(found, "baseEjectionTime"),
        "max_ejection_percent": percent,
    }


def _count(found: Mapping[str, Value], name: str, default: int | None = None) -> int | None:
    return found[name].integer(0, _LARGEST) if name in found else default


def _seconds(found: Mapping[str, Value], name: str) -> float | None:
    return values.duration(found[name]) if name in found else None
