"""Changes are journalled before they are made, and taken back so that foreign edits survive."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects, patching, recovery
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.changes import Changes
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.journal import Entry, begin, journals
from pytest_shadowdiff.cluster.leases import Lease, LeaseLost
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, SERVICES, Ref
from pytest_shadowdiff.cluster.patching import inserting, setting

pytestmark = pytest.mark.cluster


class Run:
    """A run that holds the lease of a service and has a journal."""

    def __init__(self, connection: Connection, namespace: str, name: str = "run-1", seconds: float = 30) -> None:
        self.lease = Lease(connection, namespace, "httpbin", name, seconds)
        self.lease.acquire(wait=20)
        self.changes = Changes(connection, self.lease, begin(connection, namespace, "httpbin", name, seconds))

    def end(self) -> list[str]:
        left = list(self.changes.undo())
        self.lease.release()
        return left


@pytest.fixture
def theirs(connection: Connection, namespace: str) -> Ref:
    """Somebody's Service: it has a list, and labels."""
    ref = Ref(SERVICES, namespace, "theirs")
    ports = [{"name": "http", "port": 80}, {"name": "admin", "port": 81}]
    objects.create(connection, ref, {"metadata": {"labels": {"app": "theirs"}}, "spec": {"selector": {"app": "theirs"}, "ports": ports}})
    return ref


def bare(found: dict[str, Any]) -> dict[str, Any]:
    """An object without what every write changes."""
    metadata = {key: value for key, value in found["metadata"].items() if key not in ("resourceVersion", "generation", "managedFields")}
    return {**found, "metadata": metadata}


def plan(found: dict[str, Any]) -> list[Any]:
    labelled = setting(found, ("metadata", "annotations", "ours"), "1")
    return [*labelled, inserting(found, ("spec", "ports"), {"name": "ours", "port": 99, "protocol": "TCP", "targetPort": 99}, key="name")]


def test_an_edit_is_journalled_and_taken_back(connection: Connection, namespace: str, theirs: Ref) -> None:
    before = objects.get(connection, theirs)
    run = Run(connection, namespace)
    changed = run.changes.edit(theirs, plan)
    assert [port["name"] for port in changed["spec"]["ports"]] == ["ours", "http", "admin"]
    assert {field["manager"] for field in changed["metadata"]["managedFields"]} >= {"shadowdiff"}
    (journal,) = journals(connection, namespace, "httpbin")
    assert [entry.ref for entry in journal.entries] == [theirs]
    assert run.end() == []
    assert bare(objects.get(connection, theirs)) == bare(before)
    assert not recovery.leftovers(connection, namespace)


def test_foreign_edits_in_the_middle_survive(connection: Connection, namespace: str, theirs: Ref) -> None:
    run = Run(connection, namespace)
    changed = run.changes.edit(theirs, plan)
    ports = [*changed["spec"]["ports"][1:], changed["spec"]["ports"][0], {"name": "foreign", "port": 70}]
    objects.merge(connection, theirs, {"metadata": {"annotations": {"foreign": "yes"}}, "spec": {"ports": ports}})
    assert run.end() == []
    after = objects.get(connection, theirs)
    assert after["metadata"]["annotations"] == {"foreign": "yes"}
    assert [port["name"] for port in after["spec"]["ports"]] == ["http", "admin", "foreign"]


def test_a_foreign_value_in_our_place_is_left_and_named(connection: Connection, namespace: str, theirs: Ref) -> None:
    run = Run(connection, namespace)
    run.changes.edit(theirs, plan)
    objects.merge(connection, theirs, {"metadata": {"annotations": {"ours": "theirs now"}}})
    (left,) = run.end()
    assert left.startswith(f"Service {namespace}/theirs, metadata.annotations.ours: changed by somebody else")
    assert objects.get(connection, theirs)["metadata"]["annotations"] == {"ours": "theirs now"}


def test_a_write_between_reading_and_patching_is_read_again(connection: Connection, namespace: str, theirs: Ref) -> None:
    run = Run(connection, namespace)
    seen = []

    def interrupted(found: dict[str, Any]) -> list[Any]:
        seen.append(found["metadata"]["resourceVersion"])
        if len(seen) == 1:
            objects.merge(connection, theirs, {"metadata": {"annotations": {"foreign": "yes"}}})
        return plan(found)

    changed = run.changes.edit(theirs, interrupted)
    assert len(seen) == 2
    assert changed["metadata"]["annotations"] == {"foreign": "yes", "ours": "1"}
    assert len(journals(connection, namespace)[0].entries) == 1
    run.end()
    assert objects.get(connection, theirs)["metadata"]["annotations"] == {"foreign": "yes"}


def test_somebody_elses_object_of_our_name_is_never_touched(connection: Connection, namespace: str) -> None:
    ref = Ref(CONFIG_MAPS, namespace, "taken")
    objects.create(connection, ref, {"data": {"theirs": "yes"}})
    run = Run(connection, namespace)
    with pytest.raises(ClusterError, match=r"creating ConfigMap .*/taken.*already exists"):
        run.changes.create(ref, {"data": {}}, "envoy")
    run.end()
    assert objects.get(connection, ref)["data"] == {"theirs": "yes"}


def test_what_a_killed_run_made_is_put_back_by_cleanup_after_its_lease(connection: Connection, namespace: str, theirs: Ref) -> None:
    before = bare(objects.get(connection, theirs))
    run = Run(connection, namespace, seconds=1)
    run.changes.create(Ref(CONFIG_MAPS, namespace, "made"), {"data": {}}, "envoy")
    run.changes.edit(theirs, plan)
    run.lease.halt()  # killed
    said: list[str] = []
    (leftover,) = recovery.leftovers(connection, namespace)
    assert recovery.clean(connection, leftover, "cleanup", said.append)
    assert "may be alive" in said[0]
    assert bare(objects.get(connection, theirs)) == before
    assert objects.find(connection, Ref(CONFIG_MAPS, namespace, "made")) is None
    assert not recovery.leftovers(connection, namespace)


def test_cleanup_leaves_a_living_run_alone(connection: Connection, namespace: str, theirs: Ref) -> None:
    run = Run(connection, namespace, seconds=1)
    run.changes.edit(theirs, plan)
    (leftover,) = recovery.leftovers(connection, namespace)
    assert not recovery.clean(connection, leftover, "cleanup", lambda _line: None)
    assert objects.get(connection, theirs)["metadata"]["annotations"] == {"ours": "1"}
    run.end()


def test_a_patch_in_the_hand_of_a_run_that_was_stopped_is_refused(connection: Connection, namespace: str, theirs: Ref) -> None:
    """It had checked its lease, was stopped, and wakes with the request all but sent."""
    run = Run(connection, namespace, seconds=1)
    current = objects.get(connection, theirs)
    edits = tuple(plan(current))
    patch = {**patching.merge_patch(current, patching.apply(current, edits))}
    patch["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"]
    journals(connection, namespace)[0].record(Entry(theirs, edits))
    run.lease.halt()
    (leftover,) = recovery.leftovers(connection, namespace)
    assert recovery.clean(connection, leftover, "cleanup", lambda _line: None)
    with pytest.raises(ClusterError, match="somebody else has changed it") as refused:
        objects.merge(connection, theirs, patch)
    assert refused.value.conflict
    assert bare(objects.get(connection, theirs)) == bare(current)
    with pytest.raises(LeaseLost, match="deleted by somebody"):
        run.changes.edit(theirs, plan)


def test_an_object_that_is_made_too_late_goes_with_its_journal(connection: Connection, namespace: str) -> None:
    run = Run(connection, namespace, seconds=1)
    late = Ref(CONFIG_MAPS, namespace, "late")
    owner = run.changes._journal.owner_reference  # noqa: SLF001
    run.end()
    objects.create(connection, late, {"metadata": {"ownerReferences": [owner]}})
    assert until(ticks() + 60, lambda: objects.find(connection, late) is None, pause=0.3)


def test_a_journal_that_somebody_edited_is_named(connection: Connection, namespace: str) -> None:
    run = Run(connection, namespace)
    (journal,) = journals(connection, namespace)
    objects.merge(connection, journal.ref, {"data": {"change-0001": json.dumps({"object": "?"})}})
    with pytest.raises(Exception, match=r"an entry cannot be read.*by hand"):
        list(journals(connection, namespace)[0].entries)
    run.lease.release()
