"""An Envoy of ours that is a client and a recorder in a mesh: the mesh copies, this one sees what comes back and sends it on.

    entry ──► the mesh, whose route of this run leads back ──► primary   (tap) ──► the mesh, to the primary
                                                   └copy─► candidate (tap) ──► the mesh, to the candidate

A header says which way a request is to go; the mesh's routes for this run match it. Both sides take the same way but for
their version, so what a mesh adds it adds to both.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_shadowdiff.envoy import marks
from pytest_shadowdiff.envoy.clusters import version_cluster
from pytest_shadowdiff.envoy.configuration import Address, Configuration
from pytest_shadowdiff.envoy.filters import STRIP_END
from pytest_shadowdiff.model import Upstream

Json = dict[str, Any]

MESH = "version-mesh"
ADDED = (
    "x-forwarded-client-cert",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
)
"""What a sidecar adds to whatever it lets in; the next one adds its own."""


@dataclass(frozen=True, slots=True)
class Returns:
    """How a mesh is entered, and how it leads back.

    Attributes:
        mesh: where requests enter it; its `host_header` is the Host that its routes know.
        way: header and value that the mesh's mirroring routes match.
        ports: where the mesh leads each side back to.
    """

    mesh: Upstream
    way: tuple[str, str]
    ports: Mapping[str, int]


def meshed(configuration: Configuration, returns: Returns) -> Json:
    """Envoy's bootstrap."""
    made = configuration.rendered()
    resources = made["static_resources"]
    entry = resources["listeners"][0]
    resources["listeners"] += [_return(entry, side, port, returns) for side, port in returns.ports.items()]
    resources["clusters"].append(version_cluster("mesh", returns.mesh, configuration.connect_seconds, configuration.buffer_bytes))
    manager = _manager(entry)
    manager["generate_request_id"] = True  # or the mesh gives each side, when it is asked again, one that nobody saw
    for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
        _enter(route, returns)
    return made


def _enter(route: Json, returns: Returns) -> None:
    """What our own Envoy would have copied goes to the mesh, which does."""
    action = route.get("route", {})
    copies = action.pop("request_mirror_policies", [])
    if not copies:
        return
    elsewhere = [each for each in copies if each["cluster"] not in returns.ports]
    action["cluster"] = MESH
    if returns.mesh.host_header is not None:
        action["host_rewrite_literal"] = returns.mesh.host_header
    if elsewhere:
        action["request_mirror_policies"] = elsewhere
    name, value = returns.way
    route["request_headers_to_add"] = [{"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]


def _return(entry: Json, side: str, port: int, returns: Returns) -> Json:
    """A listener by which the mesh hands a request to the listener before a version."""
    made = copy.deepcopy(entry)
    made["name"] = f"return-{side}"
    made["address"] = Address("0.0.0.0", port).rendered()  # noqa: S104 (the mesh decides who reaches a pod's ports)
    manager = _manager(made)
    manager["stat_prefix"] = made["name"]
    manager.pop("access_log", None)
    router = manager["http_filters"][-1]
    manager["http_filters"] = [STRIP_END, router]
    host = {
        "name": "all",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": side, "timeout": "0s", "idle_timeout": "0s"}}],
        "request_headers_to_remove": [returns.way[0], marks.SIDE, *ADDED],
        "response_headers_to_remove": [marks.ANSWERED],
    }
    manager["route_config"] = {"name": made["name"], "virtual_hosts": [host]}
    return made


def _manager(listener: Json) -> Json:
    found: Json = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found
