"""Envoy: an entry that mirrors, and a listener with a tap before each version."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from upstreams import free_port, process, until_listening

from peers import MissingError, Running, reading
from pytest_shadowdiff.envoy.binary import find
from pytest_shadowdiff.errors import ShadowError

_TYPE = "type.googleapis.com/envoy.extensions.filters"


def _typed(name: str, kind: str, **fields: object) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{_TYPE}.{kind}", **fields}}


def _listener(port: int, route: dict[str, Any], filters: list[dict[str, Any]]) -> dict[str, Any]:
    manager = _typed(
        "envoy.filters.network.http_connection_manager",
        "network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=f"p{port}",
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}]},
        http_filters=[*filters, _typed("envoy.filters.http.router", "http.router.v3.Router")],
    )
    return {"name": f"l{port}", "address": _address(port), "filter_chains": [{"filters": [manager]}]}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}}


def _tap(common: dict[str, Any]) -> dict[str, Any]:
    return _typed("envoy.filters.http.tap", "http.tap.v3.Tap", common_config=common)


def _configuration(primary: int, candidate: int, ports: list[int], tap: dict[str, Any]) -> dict[str, Any]:
    entry, first, second, admin = ports
    copied = {"cluster": "primary", "request_mirror_policies": [{"cluster": "candidate"}]}
    return {
        "admin": {"address": _address(admin)},
        "static_resources": {
            "listeners": [
                _listener(entry, copied, []),
                _listener(first, {"cluster": "v1"}, [tap]),
                _listener(second, {"cluster": "v2"}, [tap]),
            ],
            "clusters": [_cluster("primary", first), _cluster("candidate", second), _cluster("v1", primary), _cluster("v2", candidate)],
        },
    }


@contextmanager
def _envoy(primary: int, candidate: int, place: Path, tap: dict[str, Any]) -> Iterator[tuple[int, int, int]]:
    """Its entry, its admin port, its pid."""
    try:
        binary = find()
    except ShadowError as error:
        raise MissingError(str(error)) from None
    ports = [free_port() for _ in range(4)]
    configuration = place / "envoy.json"
    configuration.write_text(json.dumps(_configuration(primary, candidate, ports, tap)), "utf-8")
    command = [str(binary.path), "-c", str(configuration), "--concurrency", "2", "--log-level", "error", "--use-dynamic-base-id"]
    with process(command, place, ports[0]) as started:
        yield ports[0], ports[3], started.pid


@contextmanager
def files(primary: int, candidate: int, place: Path) -> Iterator[Running]:
    traces = place / "traces"
    traces.mkdir()
    sink = {"format": "JSON_BODY_AS_BYTES", "file_per_tap": {"path_prefix": f"{traces}/t"}}
    common = {"static_config": {"match": {"any_match": True}, "output_config": {"sinks": [sink]}}}
    with _envoy(primary, candidate, place, _tap(common)) as (port, _, pid), reading("files", str(traces), place) as (reader, counted):
        yield Running(port, [pid], counted, (reader,))


@contextmanager
def stream(primary: int, candidate: int, place: Path) -> Iterator[Running]:
    with _envoy(primary, candidate, place, _tap({"admin_config": {"config_id": "both"}})) as (port, admin, pid):
        until_listening(admin)
        with reading("stream", str(admin), place) as (reader, counted):
            time.sleep(1.0)  # Envoy says nothing when the tap is there
            yield Running(port, [pid], counted, (reader,))
