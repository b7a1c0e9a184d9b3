"""An Envoy of ours before and behind a Gateway: all requests of a run enter it, and both versions get theirs from here.

    entry ──► the Gateway, whose rule for this run leads back ──► requests ──► primary   (tap) ──► the primary
                                                        └copy─► copies   ──► candidate (tap) ──► the candidate

What is asked of one version alone, and what is not to be mirrored, takes the same way, so that the rule's filters apply to it:
a header says whom it is for, and its copy ends here.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_shadowdiff.envoy import marks
from pytest_shadowdiff.envoy.clusters import version_cluster
from pytest_shadowdiff.envoy.configuration import Address, Configuration
from pytest_shadowdiff.envoy.filters import STRIP_END
from pytest_shadowdiff.envoy.meshed import ADDED
from pytest_shadowdiff.model import SAFE_METHODS, Upstream

Json = dict[str, Any]

GATEWAY = "gateway"
WAY = "x-shadowdiff-way"
MIRROR = "mirror"
NOT_FOUND, NO_CONTENT = 404, 204


@dataclass(frozen=True, slots=True)
class Returns:
    """How a Gateway is entered, and how it leads back.

    Attributes:
        gateway: where it listens; its `host_header` is the Host that its routes know.
        probe: the path of probes.
        requests, copies: the ports that the rules lead to, and that they mirror to.
        unsafe: methods other than GET, HEAD and OPTIONS may be mirrored.
        meshed: sidecars stand beside the versions, and answer where a version breaks off.
    """

    gateway: Upstream
    probe: str
    requests: int
    copies: int
    unsafe: bool = False
    meshed: bool = False


def returned(configuration: Configuration, returns: Returns) -> Json:
    """Envoy's bootstrap."""
    made = configuration.rendered()
    resources = made["static_resources"]
    entry, *inner = resources["listeners"]
    if returns.meshed:
        for listener in inner:
            _manager(listener)["route_config"]["virtual_hosts"][0]["response_headers_to_add"] = [
                _header(marks.ANSWERED, "%RESPONSE_CODE_DETAILS%")
            ]
    sides = [version.name for version in configuration.versions]
    resources["listeners"] += [
        _listener(entry, "requests", returns.requests, _to_sides(sides, configuration.run_id)),
        _listener(entry, "copies", returns.copies, _to_candidate(configuration.run_id, unsafe=returns.unsafe)),
    ]
    reached = version_cluster(GATEWAY, returns.gateway, configuration.connect_seconds, configuration.buffer_bytes)
    resources["clusters"].append(reached)
    manager = _manager(entry)
    manager["generate_request_id"] = True  # or the Gateway gives each side, when it is asked again, one that nobody saw
    manager["route_config"]["virtual_hosts"][0]["routes"] = _enter(sides, configuration.run_id, returns)
    return made


def _enter(sides: Sequence[str], run: str, returns: Returns) -> Sequence[Json]:
    action: Json = {"cluster": f"version-{GATEWAY}", "timeout": "0s", "idle_timeout": "0s"}
    if returns.gateway.host_header is not None:
        action["host_rewrite_literal"] = returns.gateway.host_header
    probes = {**action, "prefix_rewrite": returns.probe}
    others = [side for side in sides if side == "control"]
    if others:
        probes["request_mirror_policies"] = [{"cluster": name, "disable_shadow_host_suffix_append": True} for name in others]
    return [
        {"match": _with({marks.PROBE: None}), "route": probes, **_way(MIRROR)},
        *({"match": _with({marks.SIDE: side}), "route": action, **_way(side)} for side in sides),
        {"match": _with({marks.RUN: run}), "route": action, **_way(MIRROR)},
        {"match": _with({}), "route": action, "request_headers_to_add": [_header(WAY, sides[0]), _header(marks.RUN, run)]},
    ]


def _to_sides(sides: Sequence[str], run: str) -> Sequence[Json]:
    """Requests come here whose rule leads to the primary; some are for another side."""
    primary, *others = sides
    return [
        *({"match": _with({marks.RUN: run, WAY: side}), "route": _inner(side)} for side in others),
        {"match": _with({marks.RUN: run}), "route": _inner(primary)},
        _own_answer(NOT_FOUND),
    ]


def _to_candidate(run: str, *, unsafe: bool) -> Sequence[Json]:
    """A copy of what is for one side alone ends here, and one of a method that is not mirrored, whoever sends such."""
    match = _with({marks.RUN: run, WAY: MIRROR})
    if not unsafe:
        match["headers"].append({"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(sorted(SAFE_METHODS))}}})
    return [{"match": match, "route": _inner("candidate")}, _own_answer(NO_CONTENT)]


def _inner(side: str) -> Json:
    return {"cluster": side, "timeout": "0s", "idle_timeout": "0s"}


def _own_answer(status: int) -> Json:
    return {"match": {"prefix": "/"}, "direct_response": {"status": status}}


def _with(headers: Mapping[str, str | None]) -> Json:
    wanted: list[Json] = [
        {"name": name, **({"present_match": True} if value is None else {"string_match": {"exact": value}})}
        for name, value in headers.items()
    ]
    return {"prefix": "/", "headers": wanted}


def _way(to: str) -> Json:
    return {"request_headers_to_add": [_header(WAY, to)]}


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _listener(entry: Json, name: str, port: int, routes: Sequence[Json]) -> Json:
    """A listener by which the Gateway hands requests to those before the versions."""
    made = copy.deepcopy(entry)
    made["name"] = name
    made["address"] = Address("0.0.0.0", port).rendered()  # noqa: S104 (the Gateway's pods reach a pod's ports)
    manager = _manager(made)
    manager["stat_prefix"] = name
    manager.pop("access_log", None)
    manager["http_filters"] = [STRIP_END, manager["http_filters"][-1]]
    host = {
        "name": "all",
        "domains": ["*"],
        "routes": list(routes),
        "request_headers_to_remove": [WAY, marks.SIDE, *ADDED],
        "response_headers_to_remove": [marks.ANSWERED],
    }
    manager["route_config"] = {"name": name, "virtual_hosts": [host]}
    return made


def _manager(listener: Json) -> Json:
    found: Json = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found
