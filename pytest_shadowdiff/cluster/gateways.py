"""Where requests enter for an HTTPRoute: a listener of a Gateway, or the mesh. Read, never changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.http_routes import spell
from pytest_shadowdiff.cluster.objects import Kind, Ref
from pytest_shadowdiff.errors import SetupError

GROUP = "gateway.networking.k8s.io"
GATEWAYS = Kind(f"{GROUP}/v1", "gateways", "Gateway")
CLASSES = Kind(f"{GROUP}/v1", "gatewayclasses", "GatewayClass")
MIRRORING = "HTTPRouteRequestMirror"


@dataclass(frozen=True, slots=True)
class Door:
    """Where requests enter.

    Attributes:
        parent: the part of `parentRefs` that names it.
        address, port: where it listens, as pods of the cluster reach it.
        host: the Host that requests have to carry there.
        meshed: it is no Gateway but the mesh: whoever calls the Service from a pod with a sidecar.
    """

    parent: Mapping[str, Any]
    address: str
    port: int
    host: str
    meshed: bool = False

    def __str__(self) -> str:
        where = f"Service {self.parent['name']}, in the mesh" if self.meshed else f"Gateway {self.parent['name']}"
        return f"{where} ({self.address}:{self.port}, Host {self.host})"


def parents_of(route: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a route is attached to, with the defaults written out."""
    for parent in route["spec"].get("parentRefs") or ():
        defaults = {"group": GROUP, "kind": "Gateway", "namespace": route["metadata"]["namespace"]}
        yield {**defaults, **{key: value for key, value in parent.items() if value is not None}}


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two routes are attached to the same thing."""
    return all(one.get(key) == other.get(key) for key in ("group", "kind", "namespace", "name"))


def covers(pattern: str, host: str) -> bool:
    """Whether a hostname of the Gateway API, which may begin with `*.`, is for a host."""
    return pattern == host or (pattern.startswith("*.") and host.endswith(pattern[1:]) and host != pattern[2:])


def knows(route: Mapping[str, Any], host: str) -> bool:
    """Whether a route of a Gateway takes requests with that Host."""
    hostnames: Sequence[str] = route["spec"].get("hostnames") or ()
    return not hostnames or any(covers(each, host.partition(":")[0]) for each in hostnames)


def gateway_door(connection: Connection, route: Mapping[str, Any], parent: Mapping[str, Any], host: str | None) -> Door:
    """The listener of a Gateway by which requests reach a route.

    Raises:
        SetupError: there is none that plain HTTP enters, or the Gateway is not there or has no address yet.
    """
    ref = Ref(GATEWAYS, str(parent["namespace"]), str(parent["name"]))
    found = objects.find(connection, ref)
    if found is None:
        raise SetupError(f"{spell(route)}, spec.parentRefs: {ref} is not there. Make it, or name another parent.")
    _check_class(connection, found)
    refusals = []
    for listener in found["spec"].get("listeners") or ():
        name = f"{listener['name']} ({listener.get('protocol')} {listener.get('port')})"
        if parent.get("sectionName", listener["name"]) != listener["name"] or parent.get("port", listener["port"]) != listener["port"]:
            refusals.append(f"{name} is not the one that the route names")
            continue
        if listener.get("protocol") != "HTTP":
            refusals.append(f"{name} does not take plain HTTP")
            continue
        chosen = _host(route, listener, host)
        if chosen is None:
            refusals.append(f"{name} is for {listener.get('hostname')}")
            continue
        addresses = (found.get("status") or {}).get("addresses") or ()
        if not addresses:
            raise SetupError(f"{ref} has no address in its status: {_conditions(found)}. Give `entry` in [tool.shadowdiff.service].")
        return Door(parent, str(addresses[0]["value"]), int(listener["port"]), chosen or str(addresses[0]["value"]))
    raise SetupError(
        f"{spell(route)}: no listener of {ref} is one by which this run could enter: {'; '.join(refusals) or 'it has none'}. "
        'Give `entry` (and `host`) in [tool.shadowdiff.service], such as entry = "https://shop.example".'
    )


def _host(route: Mapping[str, Any], listener: Mapping[str, Any], host: str | None) -> str | None:
    """The Host to carry; "" where any will do, None where none would."""
    pattern = str(listener.get("hostname") or "")
    hostnames: Sequence[str] = route["spec"].get("hostnames") or ()
    candidates = (
        [host] if host else [each.replace("*.", "shadowdiff.", 1) for each in hostnames] or [pattern.replace("*.", "shadowdiff.", 1)]
    )
    for each in candidates:
        if not pattern or covers(pattern, each.partition(":")[0]):
            return each
    return None


def _check_class(connection: Connection, gateway: Mapping[str, Any]) -> None:
    """A class that says what it supports, and does not say mirroring, does not mirror; one that may not be read is tried."""
    name = str(gateway["spec"].get("gatewayClassName"))
    try:
        found = connection.read(f"{CLASSES.root}/{CLASSES.plural}/{name}", doing=f"reading GatewayClass {name}")
    except ClusterError:
        return
    declared = [each if isinstance(each, str) else each.get("name") for each in (found.get("status") or {}).get("supportedFeatures") or ()]
    if declared and MIRRORING not in declared:
        raise SetupError(
            f"GatewayClass {name}, status.supportedFeatures: {found['spec'].get('controllerName')} does not declare {MIRRORING}, so it "
            "would not mirror. Take the mirror `kubernetes`, which needs no Gateway."
        )


def decided(route: Mapping[str, Any], parent: Mapping[str, Any]) -> bool:
    """Whether a controller has spoken of what the route says now; right after a write it has not."""
    generation = int(route["metadata"].get("generation") or 0)
    said = [condition for each in _of(route, parent) for condition in each.get("conditions") or ()]
    return bool(said) and all(int(each.get("observedGeneration") or generation) >= generation for each in said)


def trouble(route: Mapping[str, Any], parent: Mapping[str, Any]) -> str:
    """Why a route does not work at its parent, in its controller's words; empty where it does, for what the route says now."""
    generation = int(route["metadata"].get("generation") or 0)
    said = []
    for each in _of(route, parent):
        found = {condition["type"]: condition for condition in each.get("conditions") or ()}
        wanting = [name for name in ("Accepted", "ResolvedRefs") if not _true(found.get(name), generation)]
        if not wanting:
            return ""
        said += [f"{each.get('controllerName')} says {name}={_spelt(found.get(name), generation)}" for name in wanting]
    return "; ".join(said) or "no controller has said anything of it in status.parents"


def _of(route: Mapping[str, Any], parent: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What controllers say of a route at one parent."""
    for each in (route.get("status") or {}).get("parents") or ():
        theirs = {"group": GROUP, "kind": "Gateway", "namespace": route["metadata"]["namespace"], **(each.get("parentRef") or {})}
        if same(theirs, parent) and theirs.get("sectionName") == parent.get("sectionName"):
            yield each


def _true(condition: Mapping[str, Any] | None, generation: int) -> bool:
    return bool(condition and condition.get("status") == "True" and int(condition.get("observedGeneration") or generation) >= generation)


def _spelt(condition: Mapping[str, Any] | None, generation: int) -> str:
    if condition is None:
        return "nothing"
    late = int(condition.get("observedGeneration") or generation) < generation
    return f"{condition.get('status')} ({condition.get('reason')}: {condition.get('message')}{'; of an earlier state' if late else ''})"


def _conditions(found: Mapping[str, Any]) -> str:
    conditions = (found.get("status") or {}).get("conditions") or ()
    return "; ".join(f"{each['type']}={each['status']} ({each.get('message')})" for each in conditions) or "no controller has seen it"
