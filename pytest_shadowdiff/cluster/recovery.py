"""Putting back what killed runs left: their journals are undone once their leases have expired, never before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_shadowdiff.cluster import marks, objects
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.changes import undo
from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.journal import Journal, journals
from pytest_shadowdiff.cluster.leases import POLL, Holding, Lease, holding
from pytest_shadowdiff.cluster.objects import LEASES, Ref

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Leftover:
    """What stands in a cluster of one service's runs, dead or alive.

    Attributes:
        lease: None where somebody has deleted it.
        seconds: for which a run's lease holds without a sign of life.
    """

    namespace: str
    service: str
    lease: Ref | None
    holder: Holding | None
    seconds: float
    journals: tuple[Journal, ...]

    def lines(self) -> Sequence[str]:
        """What would be put back, a line for each change."""
        found = []
        for journal in self.journals:
            for entry in journal.entries:
                if entry.edits is None:
                    found.append(f"  delete {entry.ref}, made by run {journal.run} of {journal.owner}")
                else:
                    found.append(f"  take back {len(entry.edits)} edits of {entry.ref}, made by run {journal.run} of {journal.owner}")
            found.append(f"  delete {journal.ref}")
        return [*found, *([f"  delete {self.lease}"] if self.lease else [])]


def leftovers(connection: Connection, namespace: str | None) -> Sequence[Leftover]:
    """All that runs have in a namespace, or (None) in all of them.

    Raises:
        ClusterError: they cannot be listed.
    """
    leases = {
        (lease["metadata"]["namespace"], (lease["metadata"].get("labels") or {}).get(marks.SERVICE, "")): lease
        for lease in objects.list_all(connection, LEASES, namespace, marks.OURS)
    }
    written: dict[tuple[str, str], list[Journal]] = {}
    for journal in journals(connection, namespace):
        written.setdefault((journal.ref.namespace, marks.label(journal.service)), []).append(journal)
    found = []
    for place in sorted({*leases, *written}):
        lease = leases.get(place)
        mine = tuple(written.get(place, ()))
        found.append(
            Leftover(
                namespace=place[0],
                service=mine[0].service if mine else place[1],
                lease=Ref(LEASES, place[0], lease["metadata"]["name"]) if lease else None,
                holder=holding(lease) if lease else None,
                seconds=float((lease or {}).get("spec", {}).get("leaseDurationSeconds") or 1),
                journals=mine,
            )
        )
    return found


def recover(connection: Connection, lease: Lease, namespace: str, service: str) -> Sequence[str]:
    """Undo the journals of a service's dead runs: whoever holds its lease knows that they are dead.

    Returns:
        What was left since others have changed it.

    Raises:
        ClusterError, LeaseLost, SetupError: as `undo`.
    """
    left: list[str] = []
    for journal in journals(connection, namespace, service):
        left += undo(connection, lease, journal, fence=True)
    return left


def clean(connection: Connection, leftover: Leftover, run: str, say: Say) -> bool:
    """Put back what a killed run left, as soon as its lease has expired; False where the run is alive.

    Raises:
        ClusterError, LeaseLost, SetupError: it could not be put back.
    """
    if leftover.lease is not None and leftover.holder is not None and _alive(connection, leftover.lease, leftover.holder, say):
        return False
    lease = Lease(connection, leftover.namespace, leftover.service, run, leftover.seconds)
    lease.acquire(wait=0.0 if leftover.lease else leftover.seconds)
    try:
        for line in recover(connection, lease, leftover.namespace, leftover.service):
            say(f"  left: {line}")
    finally:
        lease.release()
    return True


def _alive(connection: Connection, ref: Ref, before: Holding, say: Say) -> bool:
    """Watch a lease until it was renewed, or has expired or gone."""
    told = False
    while not before.expired(connection.clock.now()):
        if not told:
            say(f"  run {before.holder} of {before.owner} may be alive: waiting until its lease is renewed or has expired")
            told = True
        time.sleep(POLL)
        try:
            now = holding(objects.get(connection, ref))
        except ClusterError as error:
            if error.missing:
                return False
            raise
        if now.renewed != before.renewed:
            return True
    return False
