"""What a run changes, written into the cluster before it is changed: a ConfigMap that whoever finds it can undo."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_shadowdiff.cluster import marks, objects, patching
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import Connection, ticks
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, Kind, Object, Ref
from pytest_shadowdiff.cluster.patching import Edit
from pytest_shadowdiff.errors import SetupError

PART = "journal"


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: an object of ours that is made (`edits` is None), or edits of somebody's object."""

    ref: Ref
    edits: tuple[Edit, ...] | None = None


class Journal:
    """The journal of one run. Its uid owns the run's objects, so that they go with it, even those made too late."""

    def __init__(self, connection: Connection, found: Object) -> None:
        self._connection = connection
        self._object = found
        self.ref = Ref(CONFIG_MAPS, found["metadata"]["namespace"], found["metadata"]["name"])

    @property
    def run(self) -> str:
        """Id of the run that wrote it."""
        return str((self._object.get("data") or {}).get("run") or "")

    @property
    def service(self) -> str:
        """Name of the service that the run was about."""
        return str((self._object.get("data") or {}).get("service") or "")

    @property
    def owner(self) -> str:
        """Who started that run."""
        return str((self._object.get("data") or {}).get("owner") or "somebody")

    @property
    def owner_reference(self) -> Object:
        """For the objects of the run."""
        metadata = self._object["metadata"]
        return {"apiVersion": "v1", "kind": "ConfigMap", "name": metadata["name"], "uid": metadata["uid"]}

    @property
    def entries(self) -> Sequence[Entry]:
        """What is written, oldest first.

        Raises:
            SetupError: somebody has edited it, and it cannot be read any more.
        """
        return tuple(_read(self.ref, text) for _, text in _numbered(self._object))

    def record(self, entry: Entry, *, instead: int | None = None) -> int:
        """Write an entry, once, or write it in place of an earlier one; its number is returned.

        Raises:
            ClusterError: it is not written, so the change may not be made.
        """
        taken = [number for number, _ in _numbered(self._object)]
        number = instead if instead is not None else max(taken, default=0) + 1
        patch = {"data": {f"change-{number:04d}": _written(entry)}}
        self._object = objects.merge(self._connection, self.ref, patch)
        return number

    def remove(self) -> None:
        """Delete it: nothing is left to undo.

        Raises:
            ClusterError: refused, or no answer.
        """
        persist(lambda: objects.delete(self._connection, self.ref, uid=self._object["metadata"]["uid"]))


def persist(call: Any, seconds: float = 5.0) -> Any:  # noqa: ANN401 (whatever the call returns)
    """A call that may be repeated without harm, tried again for a while where that may help."""
    deadline = ticks() + seconds
    while True:
        try:
            return call()
        except ClusterError as error:
            if not error.passing or ticks() >= deadline:
                raise
        time.sleep(0.2)


def begin(connection: Connection, namespace: str, service: str, run: str, seconds: float) -> Journal:
    """Open the journal of a run.

    Raises:
        ClusterError: refused, or no answer.
    """
    ref = Ref(CONFIG_MAPS, namespace, marks.object_name("shadowdiff", "journal", run))
    body = {
        "metadata": {"labels": marks.labels(run, service, PART)},
        "data": {
            "run": run,
            "service": service,
            "owner": marks.owner(),
            "expires": f"{seconds:.0f} s after the lease {marks.object_name('shadowdiff', service)} was last renewed",
        },
    }

    def create() -> Object:
        try:
            return objects.create(connection, ref, body)
        except ClusterError as error:
            found = objects.find(connection, ref) if error.exists else None
            if found is None or (found.get("data") or {}).get("run") != run:
                raise
            return found

    return Journal(connection, persist(create))


def journals(connection: Connection, namespace: str | None, service: str | None = None) -> Sequence[Journal]:
    """All journals in a namespace (None: in all of them), of one service or of all."""
    wanted = {**marks.OURS, marks.PART: PART} | ({marks.SERVICE: marks.label(service)} if service else {})
    return tuple(Journal(connection, found) for found in objects.list_all(connection, CONFIG_MAPS, namespace, wanted))


def _numbered(found: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    data: Mapping[str, str] = found.get("data") or {}
    for key in sorted(data):
        if key.startswith("change-") and key[7:].isdigit():
            yield int(key[7:]), data[key]


def _written(entry: Entry) -> str:
    kind = entry.ref.kind
    written: Object = {
        "object": {
            "apiVersion": kind.api_version,
            "plural": kind.plural,
            "kind": kind.name,
            "namespace": entry.ref.namespace,
            "name": entry.ref.name,
        }
    }
    if entry.edits is not None:
        written["edits"] = [patching.to_json(edit) for edit in entry.edits]
    return json.dumps(written)


def _read(journal: Ref, text: str) -> Entry:
    try:
        written = json.loads(text)
        place = written["object"]
        ref = Ref(Kind(place["apiVersion"], place["plural"], place["kind"]), place["namespace"], place["name"])
        edits = written.get("edits")
        return Entry(ref, None if edits is None else tuple(patching.from_json(edit) for edit in edits))
    except (ValueError, KeyError, TypeError) as error:
        message = (
            f"{journal}: an entry cannot be read ({error}); somebody edited it. "
            "Put its objects back by hand, as its data say, then delete it."
        )
        raise SetupError(message) from None
