"""A service, held by one run: lease, what dead runs left, journal, changes; and all of it back again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pytest_shadowdiff.cluster import marks
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.changes import Changes
from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.journal import begin
from pytest_shadowdiff.cluster.leases import Lease, LeaseLost, lease_ref
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, LEASES, Ref
from pytest_shadowdiff.cluster.recovery import recover
from pytest_shadowdiff.cluster.rights import Right, rights
from pytest_shadowdiff.errors import MirrorError, SetupError, ShadowError

RIGHTS: tuple[Right, ...] = (
    *rights(LEASES, "get", "create", "patch", "delete"),
    *rights(CONFIG_MAPS, "get", "list", "create", "patch", "delete"),
)
"""What holding a service needs, whatever is then changed."""


def objects(namespace: str, service: str, run: str) -> Sequence[tuple[Ref, Mapping[str, Any], str]]:
    """What holding a service puts beside it, for a preview: address, body, part."""
    journal = Ref(CONFIG_MAPS, namespace, marks.object_name("shadowdiff", "journal", run))
    return [
        (
            lease_ref(namespace, service),
            {"metadata": {"labels": marks.labels(run, service, "lease")}, "spec": {"holderIdentity": run}},
            "lease",
        ),
        (journal, {"metadata": {"labels": marks.labels(run, service, "journal")}, "data": {"run": run, "service": service}}, "journal"),
    ]


class Hold:
    """One run's hold on one service; nothing is changed but through `changes`."""

    def __init__(self, connection: Connection, namespace: str, service: str, run: str, seconds: float) -> None:
        self._connection = connection
        self._namespace = namespace
        self._service = service
        self._run = run
        self._seconds = seconds
        self._lease = Lease(connection, namespace, service, run, seconds)
        self._taken = False
        self._ended = False
        self._changes: Changes | None = None

    def take(self, wait: float) -> Sequence[str]:
        """Take the lease, put back what killed runs left, and open the journal.

        Args:
            wait: seconds to wait for another run that holds the service.

        Returns:
            What killed runs had changed and others have changed since, so that it was left.

        Raises:
            SetupError: another run holds it; or the API server refused. Nothing is left behind.
        """
        with all_or_nothing(self.end):
            self._lease.acquire(wait)
            self._taken = True
            left = recover(self._connection, self._lease, self._namespace, self._service)
            self._lease.check()
            journal = begin(self._connection, self._namespace, self._service, self._run, self._seconds)
        self._changes = Changes(self._connection, self._lease, journal)
        return left

    @property
    def changes(self) -> Changes:
        """The hand that changes; only once it is taken.

        Raises:
            LeaseLost: it is not taken, or has ended.
        """
        if self._changes is None:
            raise LeaseLost(f"Run {self._run} does not hold the service {self._namespace}/{self._service}.")
        return self._changes

    @property
    def lost(self) -> str:
        """Why nothing may be changed any more; empty while it may."""
        return "" if self._ended else self._lease.lost

    def check(self) -> None:
        """Return only while this run may change anything.

        Raises:
            LeaseLost: it may not.
        """
        self._lease.check()

    def end(self) -> Sequence[str]:
        """Take everything back and let go; safe to call twice. What others had changed, and was left, is returned.

        A lost API server is asked again for as long as the lease holds.

        Raises:
            MirrorError: something is still there, with what to do about it.
        """
        if self._ended:
            return ()
        self._ended = True
        try:
            return self._give_back()
        except LeaseLost:
            raise
        except ShadowError as error:
            message = (
                f"The changes of run {self._run} in namespace {self._namespace} are not all taken back: {error} "
                "`shadowdiff cleanup` does it when the API server answers again and the lease has expired"
                f"{' (add --all-namespaces, or name the namespace in [tool.shadowdiff.service])' if self._namespace != 'default' else ''}."
            )
            raise MirrorError(message) from None
        finally:
            self._lease.halt()

    def _undo(self) -> Sequence[str]:
        if self._changes is not None:
            left = self._changes.undo()
            self._changes, self._taken = None, False
            return left
        # without an answer to `begin` nobody knows whether there is a journal
        return recover(self._connection, self._lease, self._namespace, self._service) if self._taken else ()

    def _give_back(self) -> Sequence[str]:
        while True:
            try:
                left = self._undo()
                self._lease.release()
            except ClusterError as error:
                if not error.passing or self._lease.remaining <= 0:
                    raise
            else:
                return left
            time.sleep(0.3)


@contextmanager
def all_or_nothing(undo: Callable[[], object]) -> Iterator[None]:
    """Take everything back after an error; where that fails as well, both are told."""
    try:
        yield
    except BaseException as error:
        try:
            undo()
        except ShadowError as another:
            if isinstance(error, ShadowError):
                raise SetupError(f"{error}\n{another}") from None
            raise
        raise
