"""One holder at a time; who was stopped and wakes too late learns it before it changes anything."""

from __future__ import annotations

import threading

import pytest

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.leases import Lease, LeaseLost, holding
from pytest_shadowdiff.errors import SetupError

pytestmark = pytest.mark.cluster


def test_a_released_lease_leaves_nothing(connection: Connection, namespace: str) -> None:
    lease = Lease(connection, namespace, "httpbin", "run-1", 2)
    lease.acquire(wait=0)
    lease.check()
    assert holding(objects.get(connection, lease.ref)).holder == "run-1"
    lease.release()
    assert objects.find(connection, lease.ref) is None
    with pytest.raises(LeaseLost, match="given back"):
        lease.check()


def test_the_second_run_ends_and_names_the_holder(connection: Connection, namespace: str) -> None:
    first, second = (Lease(connection, namespace, "httpbin", run, 30) for run in ("run-1", "run-2"))
    first.acquire(wait=0)
    with pytest.raises(SetupError, match=r"held by run run-1 of .*process \d+.*shadowdiff cleanup"):
        second.acquire(wait=0.5)
    first.release()
    second.acquire(wait=0)
    second.release()


def test_a_lease_is_renewed_while_its_run_lives(connection: Connection, namespace: str) -> None:
    first, second = (Lease(connection, namespace, "httpbin", run, 3) for run in ("run-1", "run-2"))
    first.acquire(wait=0)
    with pytest.raises(SetupError, match="held by run run-1"):
        second.acquire(wait=7)
    first.check()
    first.release()


def test_an_expired_lease_goes_to_the_next_and_its_holder_learns_it(connection: Connection, namespace: str) -> None:
    first, second = (Lease(connection, namespace, "httpbin", run, 1) for run in ("run-1", "run-2"))
    first.acquire(wait=0)
    first.halt()  # as if it had been stopped
    second.acquire(wait=10)
    with pytest.raises(LeaseLost, match=r"went to run run-2 of .*Nothing is changed any more"):
        first.check()
    first.release()
    assert holding(objects.get(connection, second.ref)).holder == "run-2"
    second.release()


def test_somebody_elses_label_takes_no_lease_away(connection: Connection, namespace: str) -> None:
    lease = Lease(connection, namespace, "httpbin", "run-1", 1)
    lease.acquire(wait=0)
    objects.merge(connection, lease.ref, {"metadata": {"labels": {"seen-by": "somebody"}}})
    lease.halt()
    lease._valid_until = 0.0  # noqa: SLF001 (as after a long stop)
    lease.check()
    lease.release()


def test_a_deleted_lease_is_lost(connection: Connection, namespace: str) -> None:
    lease = Lease(connection, namespace, "httpbin", "run-1", 1)
    lease.acquire(wait=0)
    objects.delete(connection, lease.ref, uid=objects.get(connection, lease.ref)["metadata"]["uid"])
    lease.halt()
    lease._valid_until = 0.0  # noqa: SLF001 (as after a long stop)
    with pytest.raises(LeaseLost, match="deleted by somebody"):
        lease.check()
    lease.release()


def test_of_many_that_race_one_holds_at_a_time(connection: Connection, namespace: str) -> None:
    holders: list[str] = []
    most: list[int] = []
    lock = threading.Lock()

    def run(name: str) -> None:
        lease = Lease(connection, namespace, "httpbin", name, 10)
        lease.acquire(wait=60)
        with lock:
            holders.append(name)
            most.append(len(holders))
        lease.check()
        with lock:
            holders.remove(name)
        lease.release()

    threads = [threading.Thread(target=run, args=(f"run-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8
