"""Local ports that lead to pods: hundreds at once, over restarts of the pod, and an error that says what lacks."""

from __future__ import annotations

import http.client
import json
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.forwarding import Forwarder, Way, ready_pods
from pytest_shadowdiff.cluster.objects import PODS, Ref
from pytest_shadowdiff.cluster.websockets import frame
from pytest_shadowdiff.cluster.workloads import Workload

PORT = 8080
SELECTOR = {"app": "shop", "version": "v1"}


def ask(address: tuple[str, int], path: str = "/pod") -> Any:
    connection = http.client.HTTPConnection(*address, timeout=30)
    connection.request("GET", path)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


@pytest.fixture
def forwarder(connection: Connection) -> Any:
    made = Forwarder(connection)
    yield made
    made.close()


def workload(namespace: str) -> Workload:
    return Workload("v1", namespace, SELECTOR, PORT, declared=True, pods=())


@pytest.mark.cluster
def test_hundreds_of_connections_at_once_go_to_all_pods(replicated: Any, connection: Connection, forwarder: Forwarder) -> None:
    address = forwarder.open(Way(replicated.namespace, ready_pods(connection.another(), workload(replicated.namespace)), PORT))
    with ThreadPoolExecutor(200) as pool:
        pods = Counter(answer["pod"] for answer in pool.map(lambda _: ask(address), range(400)))
    assert sum(pods.values()) == 400
    assert sorted(pods.values()) == [200, 200]
    assert forwarder.trouble is None


@pytest.mark.cluster
def test_the_port_stays_while_pods_are_replaced(shop: Any, connection: Connection, forwarder: Forwarder) -> None:
    address = forwarder.open(Way(shop.namespace, ready_pods(connection.another(), workload(shop.namespace)), PORT))
    first = ask(address)["pod"]
    ref = Ref(PODS, shop.namespace, first)
    objects.delete(connection, ref, uid=objects.get(connection, ref)["metadata"]["uid"])
    assert ask(address)["pod"] != first


@pytest.mark.cluster
def test_large_bodies_both_ways(shop: Any, connection: Connection, forwarder: Forwarder) -> None:
    address = forwarder.open(Way(shop.namespace, ready_pods(connection.another(), workload(shop.namespace)), PORT))
    with closing(http.client.HTTPConnection(*address, timeout=30)) as client:
        client.request("POST", "/things", bytes(5_000_000))
        assert json.loads(client.getresponse().read()) == {"got": 5_000_000}


@pytest.mark.cluster
def test_a_port_at_which_nobody_listens_and_a_pod_that_is_not_there(shop: Any, connection: Connection, forwarder: Forwarder) -> None:
    pod = ready_pods(connection.another(), workload(shop.namespace))()
    assert forwarder.refused(shop.namespace, pod, 9)
    assert not forwarder.refused(shop.namespace, pod, PORT)
    host, port = forwarder.open(Way(shop.namespace, lambda: "nobody", PORT))
    with socket.create_connection((host, port), timeout=30) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert until(ticks() + 10, lambda: forwarder.trouble is not None)
    assert 'pods "nobody" not found' in str(forwarder.trouble)


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 100_000])
def test_frames_are_masked_and_say_their_length(length: int) -> None:
    payload = bytes(number % 251 for number in range(length))
    made = frame(2, payload)
    assert made[0] == 0x82
    size = {126: 2, 127: 8}.get(made[1] & 0x7F, 0)
    assert made[1] & 0x80
    assert (int.from_bytes(made[2 : 2 + size], "big") if size else made[1] & 0x7F) == length
    mask, masked = made[2 + size : 6 + size], made[6 + size :]
    assert bytes(byte ^ mask[number % 4] for number, byte in enumerate(masked)) == payload
