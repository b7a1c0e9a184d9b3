"""Are a run's edits still in somebody's objects? Looked at all the time, so that who takes them out is named at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from pytest_shadowdiff.cluster import objects, patching
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.objects import Ref
from pytest_shadowdiff.cluster.patching import Edit

LOOK_SECONDS = 1.0


class EditWatch:
    """Looks at objects that a run has edited or made.

    Args:
        connection: its own, as it is used in another thread.
        watched: the objects, with the edits that have to be in them; none for an object that only has to be there.
    """

    def __init__(self, connection: Connection, watched: Mapping[Ref, tuple[Edit, ...]]) -> None:
        self._connection = connection
        self._watched = dict(watched)
        self._over = threading.Event()
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="shadowdiff route watch", daemon=True)

    @property
    def trouble(self) -> str:
        """Who took what out; empty while all is there."""
        return self._trouble

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; safe to call twice."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for ref, edits in self._watched.items():
                try:
                    found = objects.find(self._connection, ref)
                except ClusterError:
                    continue  # the lease's keeper says what to think of that
                self._trouble = self._trouble or lacking(ref, found, edits)


def lacking(ref: Ref, found: Mapping[str, Any] | None, edits: tuple[Edit, ...]) -> str:
    """What of the edits is no longer there, and who has written last; empty where all are there."""
    if found is None:
        return f"{ref} was deleted by somebody else while this run used it. The run ends; nothing is put back in its place."
    gone = [edit for edit in edits if not patching.visible(found, (edit,))]
    if not gone:
        return ""
    places = ", ".join(sorted({patching.spell(edit.path) for edit in gone}))
    return (
        f"{ref}: {last_writer(found)} has taken {len(gone)} of this run's {len(edits)} edits out again ({places}), so the mesh no longer "
        "mirrors as it should. Nothing fights back: this run ends, and takes back what is left of its own. Tell that tool to leave "
        "the object alone while a run lasts (pause its reconciliation), or take the mirror `kubernetes`, which patches nothing."
    )


def last_writer(found: Mapping[str, Any]) -> str:
    """Who wrote to an object last, by the name that it gave the API server."""
    fields = [each for each in found["metadata"].get("managedFields") or () if each.get("subresource") != "status"]
    if not fields:
        return "somebody"
    latest = max(fields, key=lambda each: str(each.get("time", "")))
    return f"{latest.get('manager', 'somebody')!r} (field manager, {latest.get('time', 'at an unknown time')})"
