"""One holder for each service: a `coordination.k8s.io` Lease by compare-and-swap, renewed while the run lives.

A holder that was stopped and wakes after its time asks before it changes anything, and learns that it lost.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pytest_shadowdiff.cluster import marks, objects
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import Connection, ticks
from pytest_shadowdiff.cluster.objects import LEASES, Object, Ref
from pytest_shadowdiff.errors import MirrorError, SetupError

GRACE = 1.0  # seconds that a holder's idea of the server's time may be early
POLL = 0.2


class LeaseLost(MirrorError):  # noqa: N818 (says what happened, as its message does)
    """The lease went to another, or could not be renewed in time: nothing may be changed any more."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a Lease object says.

    Attributes:
        holder: run that holds it, or "".
        owner: who started that run.
        until: when it expires, Unix seconds of the server.
    """

    holder: str
    owner: str
    until: float
    renewed: float

    def expired(self, now: float) -> bool:
        """Whether another may take it."""
        return not self.holder or now > self.until + GRACE


def holding(lease: Mapping[str, Any]) -> Holding:
    """What a Lease object says; a broken one counts as expired."""
    spec = lease.get("spec") or {}
    annotations = (lease.get("metadata") or {}).get("annotations") or {}
    try:
        renewed = datetime.fromisoformat(str(spec["renewTime"]).replace("Z", "+00:00")).timestamp()
        until = renewed + float(spec["leaseDurationSeconds"])
    except (KeyError, ValueError):
        renewed = until = 0.0
    return Holding(str(spec.get("holderIdentity") or ""), str(annotations.get(marks.OWNER) or "somebody"), until, renewed)


def lease_ref(namespace: str, service: str) -> Ref:
    """Where the lease of a service stands."""
    return Ref(LEASES, namespace, marks.object_name("shadowdiff", service))


class Lease:
    """The lease of one service, as one run holds it."""

    def __init__(self, connection: Connection, namespace: str, service: str, run: str, seconds: float) -> None:
        self.ref = lease_ref(namespace, service)
        self._connection = connection.another()
        self._service = service
        self._run = run
        self._seconds = float(math.ceil(seconds))
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._version = ""
        self._uid = ""
        self._valid_until = 0.0
        self._lost = ""

    def acquire(self, wait: float) -> None:
        """Take it, waiting up to `wait` seconds for another holder to end.

        Raises:
            SetupError: another run holds it, named; or the API server refused.
        """
        deadline = ticks() + wait
        while True:
            holder = self._attempt()
            if holder is None:
                break
            if ticks() >= deadline:
                left = max(0.0, holder.until - self._connection.clock.now())
                message = (
                    f"The service {self.ref.namespace}/{self._service} is held by run {holder.holder} of {holder.owner}, "
                    f"for another {left:.0f} s at least ({self.ref}); waited {wait:.0f} s for it. "
                    "Wait until that run has ended; if it was killed, `shadowdiff cleanup` puts its changes back."
                )
                raise SetupError(message)
            time.sleep(POLL)
        self._thread = threading.Thread(target=self._keep, name="shadowdiff lease", daemon=True)
        self._thread.start()

    def _attempt(self) -> Holding | None:
        """Read it and try to take it; None where it is ours now, else who has it."""
        while True:
            asked = ticks()
            found = objects.find(self._connection, self.ref)
            now = holding(found or {})
            if found is not None and now.holder != self._run and not now.expired(self._connection.clock.now()):
                return now
            try:
                if found is None:
                    made = objects.create(self._connection, self.ref, self._body())
                else:
                    made = objects.merge(self._connection, self.ref, self._takeover(found))
            except ClusterError as error:
                if error.exists or error.conflict or error.missing:
                    continue  # another was quicker: who it is stands there now
                raise
            self._held(made, asked)
            return None

    def check(self) -> None:
        """Return only while it is surely ours.

        Raises:
            LeaseLost: it went to another, or could not be renewed in time.
        """
        if not self._lost and ticks() >= self._valid_until:
            self._renew()
        if self._lost:
            raise LeaseLost(self._lost)
        if ticks() >= self._valid_until:
            message = (
                f"{self.ref} could not be renewed for {self._seconds:.0f} s: the API server {self._connection.host} does not answer. "
                "Nothing is changed any more; `shadowdiff cleanup` puts back what there is, when it answers again."
            )
            raise LeaseLost(message)

    @property
    def lost(self) -> str:
        """Why it is no longer ours; empty while it is."""
        return self._lost

    @property
    def remaining(self) -> float:
        """Seconds for which it is surely ours."""
        return 0.0 if self._lost else self._valid_until - ticks()

    def halt(self) -> None:
        """Stop renewing; it expires by itself."""
        self._over.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def release(self) -> None:
        """Stop renewing and remove it, if it is still ours.

        Raises:
            ClusterError: no answer; it then expires by itself.
        """
        self.halt()
        if self._lost or not self._uid:
            return
        try:
            objects.delete(self._connection, self.ref, uid=self._uid, resource_version=self._version)
        except ClusterError as error:
            if not error.conflict:
                raise
        self._lost = f"{self.ref} was given back"

    def _keep(self) -> None:
        while not self._over.wait(self._seconds / 3):
            self._renew()
            if self._lost:
                return

    def _renew(self) -> None:
        with self._lock:
            for _ in range(3):
                asked = ticks()
                try:
                    patch = {"metadata": {"resourceVersion": self._version}, "spec": {"renewTime": self._time()}}
                    self._held(objects.merge(self._connection, self.ref, patch), asked)
                except ClusterError as error:
                    if error.missing:
                        self._lost = (
                            f"{self.ref} was deleted by somebody. Nothing is changed any more; "
                            "`shadowdiff cleanup` puts back what this run changed."
                        )
                    if not error.conflict or not self._still_ours():
                        return
                else:
                    return

    def _still_ours(self) -> bool:
        """After a conflict: read it again; somebody may have labelled it only."""
        try:
            found = objects.find(self._connection, self.ref)
        except ClusterError:
            return False
        now = holding(found or {})
        if found is None or now.holder != self._run or found["metadata"]["uid"] != self._uid:
            self._lost = (
                f"The lease on {self.ref.namespace}/{self._service} went to run {now.holder or '(none)'} of {now.owner} "
                "while this run did not renew it (was it stopped, or the machine asleep?). "
                "Nothing is changed any more; whoever has it puts back what this run had changed."
            )
            return False
        self._version = found["metadata"]["resourceVersion"]
        return True

    def _held(self, lease: Object, asked: float) -> None:
        self._version = lease["metadata"]["resourceVersion"]
        self._uid = lease["metadata"]["uid"]
        self._valid_until = asked + self._seconds

    def _time(self) -> str:
        return datetime.fromtimestamp(self._connection.clock.now(), timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _body(self) -> Object:
        now = self._time()
        return {
            "metadata": {"labels": marks.labels(self._run, self._service, "lease"), "annotations": {marks.OWNER: marks.owner()}},
            "spec": {
                "holderIdentity": self._run,
                "leaseDurationSeconds": int(self._seconds),
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": 0,
            },
        }

    def _takeover(self, found: Object) -> Object:
        body = self._body()
        body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        body["spec"]["leaseTransitions"] = int((found.get("spec") or {}).get("leaseTransitions") or 0) + 1
        return body
