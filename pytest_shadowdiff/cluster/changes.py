"""The hand that changes a cluster: journalled first, only under the lease, taken back field by field."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from pytest_shadowdiff.cluster import marks, objects, patching
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import Connection, ticks
from pytest_shadowdiff.cluster.journal import Entry, Journal
from pytest_shadowdiff.cluster.objects import Object, Ref
from pytest_shadowdiff.cluster.patching import Edit

Answer = TypeVar("Answer")

TRIES = 20  # of a change that others keep getting in the way of
PATIENCE = 5.0  # seconds that an API server may be away while something is set up


class Guard(Protocol):
    """Who may change something."""

    def check(self) -> None:
        """Return only while changes are allowed."""


class Changes:
    """All changes of one run; what is made here is taken back by `undo`, or by whoever finds the journal."""

    def __init__(self, connection: Connection, guard: Guard, journal: Journal) -> None:
        self._connection = connection
        self._guard = guard
        self._journal = journal

    def create(self, ref: Ref, body: Mapping[str, Any], part: str) -> Object:
        """Make an object of ours, labelled and owned by the journal.

        Raises:
            ClusterError: refused; somebody else's object of that name is never touched.
            LeaseLost: the lease is no longer ours.
        """
        whole = copy.deepcopy(dict(body))
        metadata = whole.setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), **marks.labels(self._journal.run, self._journal.service, part)}
        metadata["ownerReferences"] = [self._journal.owner_reference]
        self._again(lambda: self._journal.record(Entry(ref)))
        return self._again(lambda: self._create(ref, whole))

    def _create(self, ref: Ref, whole: Object) -> Object:
        try:
            return objects.create(self._connection, ref, whole)
        except ClusterError as error:
            found = objects.find(self._connection, ref) if error.exists else None
            if found is None or not belongs(found, self._journal.run):
                raise
            return found  # the answer to an earlier try was lost

    def edit(self, ref: Ref, plan: Callable[[Object], Sequence[Edit]]) -> Object:
        """Edit somebody's object: `plan` says what to edit in what is there now, anew after each foreign write.

        Raises:
            ClusterError: refused, or others write without end.
            LeaseLost: the lease is no longer ours.
        """
        number: int | None = None
        edits: tuple[Edit, ...] = ()
        for attempt in range(TRIES):
            self._guard.check()
            current = objects.get(self._connection, ref)
            base, _ = patching.restore(current, edits)  # an earlier try may have taken effect although its answer was lost
            edits = tuple(plan(base))
            wanted = patching.apply(base, edits)
            if wanted == current:
                return current
            number = self._again(partial(self._journal.record, Entry(ref, edits), instead=number))
            try:
                return self._again(partial(objects.merge, self._connection, ref, _conditional(current, wanted)))
            except ClusterError as error:
                if not error.conflict or attempt == TRIES - 1:
                    raise
        raise AssertionError

    def _again(self, call: Callable[[], Answer]) -> Answer:
        """A call that may be repeated without harm: each time only under the lease, and for a while only."""
        deadline = ticks() + PATIENCE
        while True:
            self._guard.check()
            try:
                return call()
            except ClusterError as error:
                if not error.passing or ticks() >= deadline:
                    raise
            time.sleep(0.2)

    def take_back(self, ref: Ref) -> None:
        """Take back what was done to one object, before all the rest; `undo` finds nothing left to do there.

        Raises:
            ClusterError, LeaseLost: as `undo`.
        """
        for entry in reversed(self._journal.entries):
            if entry.ref == ref:
                _take_back(self._connection, self._guard, entry, self._journal.run)

    def undo(self) -> Sequence[str]:
        """Take everything back and remove the journal; what others changed and was therefore left is returned.

        Raises:
            ClusterError: refused, or no answer; the journal stays, so that it can be done later.
            LeaseLost: the lease is no longer ours.
        """
        return undo(self._connection, self._guard, self._journal)


def undo(connection: Connection, guard: Guard, journal: Journal, *, fence: bool = False) -> Sequence[str]:
    """Take back all that a journal says, newest first, and remove it.

    Args:
        fence: the run that wrote it may wake up with a patch in its hand: make that patch meet a conflict.
    """
    left: list[str] = []
    for entry in reversed(journal.entries):
        left += _take_back(connection, guard, entry, journal.run, fence=fence)
    guard.check()
    journal.remove()
    return left


def _take_back(connection: Connection, guard: Guard, entry: Entry, run: str, *, fence: bool = False) -> Sequence[str]:
    if entry.edits is None:
        _remove(connection, guard, entry.ref, run)
        return ()
    return _restore(connection, guard, entry.ref, entry.edits, run if fence else "")


def belongs(found: Mapping[str, Any], run: str) -> bool:
    """Whether an object was made by that run."""
    labels = (found.get("metadata") or {}).get("labels") or {}
    return bool(labels.get(marks.MANAGED_BY) == marks.NAME and labels.get(marks.RUN) == marks.label(run))


def _remove(connection: Connection, guard: Guard, ref: Ref, run: str) -> None:
    found = objects.find(connection, ref)
    if found is None or not belongs(found, run):
        return
    guard.check()
    objects.delete(connection, ref, uid=found["metadata"]["uid"])


def _restore(connection: Connection, guard: Guard, ref: Ref, edits: Sequence[Edit], fence: str) -> Sequence[str]:
    for attempt in range(TRIES):
        current = objects.find(connection, ref)
        if current is None:
            return (f"{ref} is gone",)
        wanted, left = patching.restore(current, edits)
        guard.check()
        try:
            if wanted != current:
                objects.merge(connection, ref, _conditional(current, wanted))
            elif fence:
                _touch(connection, ref, current, fence)
        except ClusterError as error:
            if not error.conflict or attempt == TRIES - 1:
                raise
        else:
            return tuple(f"{ref}, {path}: changed by somebody else since, left as it is" for path in left)
    raise AssertionError


def _touch(connection: Connection, ref: Ref, current: Object, run: str) -> None:
    """A new resourceVersion and nothing else: a patch that was prepared for the old one is refused from now on."""
    edits = patching.setting(current, ("metadata", "annotations", marks.UNDONE), run)
    marked = objects.merge(connection, ref, _conditional(current, patching.apply(current, edits)))
    objects.merge(connection, ref, _conditional(marked, patching.restore(marked, edits)[0]))


def _conditional(current: Object, wanted: Object) -> Object:
    patch = patching.merge_patch(current, wanted)
    patch.setdefault("metadata", {})["resourceVersion"] = current["metadata"]["resourceVersion"]
    return patch
