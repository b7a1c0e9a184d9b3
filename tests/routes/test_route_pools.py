"""What a DestinationRule says of connections, shown at real servers."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.envoy.routes import enact, read_routes
from pytest_shadowdiff.model import Role, Upstream
from pytest_shadowdiff.settings import Target

SIDES: dict[Role, Target] = {"primary": Target("v1", url="http://a"), "candidate": Target("v2", url="http://b")}
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: httpbin}
spec:
  hosts: [httpbin]
  http:
  - route: [{destination: {host: httpbin, subset: v1}}]
    retries: {attempts: RETRIES, RETRY_ON}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: httpbin}
spec:
  host: httpbin
  trafficPolicy: POLICY
  subsets: [{name: v1, labels: {version: v1}SUBSET}]
"""
POOLS = {
    "connectionPool.http.maxRequestsPerConnection": "{connectionPool: {http: {maxRequestsPerConnection: 1}}}",
    "connectionPool.http.idleTimeout": "{connectionPool: {http: {idleTimeout: 100ms}}}",
    "connectionPool.http.http2MaxRequests": "{connectionPool: {http: {http2MaxRequests: 1}}}",
    "connectionPool.http.http1MaxPendingRequests": "{connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}",
    "connectionPool.http.maxRetries": "{connectionPool: {http: {maxRetries: 1}}}",
    "connectionPool.tcp.connectTimeout": "{connectionPool: {tcp: {connectTimeout: 200ms}}}",
    "outlierDetection.consecutive5xxErrors": (
        "{outlierDetection: {consecutive5xxErrors: 2, interval: 1s, baseEjectionTime: 60s, maxEjectionPercent: 100}, "
        "loadBalancer: {simple: ROUND_ROBIN}, tls: {mode: DISABLE}}"
    ),
    "outlierDetection.consecutiveGatewayErrors": (
        "{outlierDetection: {consecutive5xxErrors: 0, consecutiveGatewayErrors: 2, maxEjectionPercent: 100}}"
    ),
}


def door(stage: Any, folder: Path, policy: str, *, subset: str = "", retries: str = "0", upstreams: Any = None) -> Any:
    file = folder / "route.yaml"
    text = ROUTE.replace("POLICY", policy).replace("SUBSET", f", trafficPolicy: {subset}" if subset else "")
    file.write_text(
        text.replace("RETRIES, RETRY_ON", f"{retries}, retryOn: '503', backoff: 1s" if retries != "0" else "0"), encoding="utf-8"
    )
    (made,) = stage.doors([enact(read_routes([file]), SIDES)], upstreams)
    return made


def in_parallel(work: Any, count: int) -> list[Any]:
    results: list[Any] = [None] * count

    def one(at: int) -> None:
        results[at] = work(at)

    threads = [threading.Thread(target=one, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def connections(stage: Any, name: str, asked: Any) -> int:
    for at in range(3):
        assert asked.ask(f"{name}-{at}", "GET", "/", {}).status == 200
    return len({stage.servers["primary"].seen(f"{name}-{at}")[0].connection for at in range(3)})


@pytest.mark.parametrize("where", ["host", "subset"])
def test_requests_on_a_connection_are_bounded(stage: Any, tmp_path: Path, where: str) -> None:
    policy = POOLS["connectionPool.http.maxRequestsPerConnection"]
    made = door(stage, tmp_path, policy if where == "host" else "{}", subset=policy if where == "subset" else "")
    assert connections(stage, f"bounded-{where}", made) == 3


def test_without_a_bound_a_connection_is_used_again(stage: Any, tmp_path: Path) -> None:
    assert connections(stage, "again", door(stage, tmp_path, "{}")) < 3


def test_an_idle_connection_is_closed(stage: Any, tmp_path: Path) -> None:
    made = door(stage, tmp_path, POOLS["connectionPool.http.idleTimeout"])
    assert made.ask("idle-0", "GET", "/", {}).status == 200
    threading.Event().wait(0.5)
    assert made.ask("idle-1", "GET", "/", {}).status == 200
    seen = [stage.servers["primary"].seen(f"idle-{at}")[0].connection for at in range(2)]
    assert seen[0] != seen[1]


@pytest.mark.parametrize(
    "field, least, most",
    [
        ("connectionPool.http.http2MaxRequests", 1, 1),
        ("connectionPool.http.http1MaxPendingRequests", 2, 5),  # each of Envoy's threads may have its one connection
    ],
)
def test_requests_at_once_are_bounded(stage: Any, tmp_path: Path, field: str, least: int, most: int) -> None:
    made = door(stage, tmp_path, POOLS[field])
    server = stage.servers["primary"]
    results: list[Any] = []
    first = threading.Thread(target=lambda: results.append(made.ask(f"{field}-first", "GET", "/", {"x-delay": "3"})))
    first.start()
    server.wait_for(f"{field}-first")
    others = in_parallel(lambda at: made.ask(f"{field}-{at}", "GET", "/", {}), 5)
    first.join()
    statuses = [answer.status for answer in [*others, *results]]
    assert set(statuses) == {200, 503}
    assert least <= statuses.count(200) <= most


def test_retries_at_once_are_bounded(stage: Any, tmp_path: Path) -> None:
    made = door(stage, tmp_path, POOLS["connectionPool.http.maxRetries"], retries="2")
    answers = in_parallel(lambda at: made.ask(f"retries-{at}", "GET", "/", {"x-fail": "1", "x-fail-with": "503", "x-delay": "1"}), 4)
    assert sorted(answer.status for answer in answers) == [200, 503, 503, 503]


def test_connecting_takes_so_long_at_most(stage: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = []
        for _ in range(8):
            probe = socket.socket()
            probe.settimeout(0)
            probe.connect_ex(address)
            waiting.append(probe)
        made = door(
            stage, tmp_path, POOLS["connectionPool.tcp.connectTimeout"], upstreams={"primary": Upstream("v1", "127.0.0.1", address[1])}
        )
        answer = made.ask("connect", "GET", "/", {})
        for probe in waiting:
            probe.close()
    assert answer.status == 503
    assert 0.2 <= answer.seconds < 5


@pytest.mark.parametrize(
    "field, status", [("outlierDetection.consecutive5xxErrors", "500"), ("outlierDetection.consecutiveGatewayErrors", "503")]
)
def test_a_version_that_fails_is_ejected(stage: Any, tmp_path: Path, field: str, status: str) -> None:
    made = door(stage, tmp_path, POOLS[field])
    for at in range(2):
        assert made.ask(f"{tmp_path.name}-{at}", "GET", "/", {"x-fail": "9", "x-fail-with": status}).status == int(status)
    for at in range(100):  # Envoy's main thread ejects, and tells those that serve: not in the same moment
        last = f"{tmp_path.name}-later-{at}"
        answer = made.ask(last, "GET", "/", {})
        if answer.status != 200:
            break
        time.sleep(0.05)
    assert answer.status == 503
    assert stage.servers["primary"].seen(last) == []
