"""What every mirror in a cluster stands on: a connection, both versions, a hold on their service, and the end of all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_shadowdiff.cluster import hold, objects
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.mesh_watch import EditWatch
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, LEASES, PODS, SERVICES, Kind
from pytest_shadowdiff.cluster.rights import Right, rights
from pytest_shadowdiff.cluster.versions import Versions, held
from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.model import Point, Role

if TYPE_CHECKING:
    from pytest_shadowdiff.cluster.changes import Changes
    from pytest_shadowdiff.cluster.connecting import Connection
    from pytest_shadowdiff.cluster.forwarding import Forwarder
    from pytest_shadowdiff.settings import Settings

RIGHTS: tuple[Right, ...] = (
    *hold.RIGHTS,
    *rights(SERVICES, "get", "create", "delete"),
    *rights(PODS, "get", "list", "create", "delete"),
    *rights(PODS, "get", "create", part="portforward"),
)
"""What a pod of ours beside a service takes."""
KINDS: tuple[Kind, ...] = (SERVICES, PODS, CONFIG_MAPS, LEASES)


class Session:
    """One run's stay in a cluster.

    Attributes:
        versions: both versions, and the service before them.
        connection: None before `begin`.
        notes: lines for the summary.
    """

    def __init__(self, settings: Settings, run: str) -> None:
        self.versions = Versions(settings)
        self.connection: Connection | None = None
        self.notes: list[str] = []
        self._run = run
        self._allowed = settings.allow_context
        self._forwarder: Forwarder | None = None
        self._hold: hold.Hold | None = None
        self._watch: EditWatch | None = None

    def begin(self, check: Callable[[Connection], None]) -> tuple[Connection, Forwarder]:
        """Connect, look whether all is there, and find both versions.

        Args:
            check: what else may lack, looked at before the versions are.

        Raises:
            SetupError: something lacks.
        """
        from pytest_shadowdiff.cluster.connecting import connect
        from pytest_shadowdiff.cluster.forwarding import Forwarder

        self.connection = connection = connect(self.versions.service.context, self._allowed)
        check(connection)
        self.versions.find(connection)
        self._forwarder = forwarder = Forwarder(connection)
        self.versions.check_ports(forwarder)
        return connection, forwarder

    def take(self, connection: Connection) -> Changes:
        """Hold the service; the hand that changes it.

        Raises:
            SetupError: another run holds it, or the API server refused.
        """
        service = self.versions.service
        self._hold = hold.Hold(connection, service.namespace, held(service.name), self._run, service.lease_seconds)
        self.notes += [f"left by a killed run: {line}" for line in self._hold.take(service.wait_seconds)]
        return self._hold.changes

    def watch(self, watch: EditWatch) -> None:
        """Have what was edited watched from now on."""
        self._watch = watch
        watch.start()

    @property
    def holding(self) -> bool:
        """Something may have been changed."""
        return self._hold is not None

    @property
    def context(self) -> str:
        """The context's name, for people."""
        return self.connection.context if self.connection else "?"

    @property
    def trouble(self) -> str:
        """Why what was changed no longer stands: the lease is lost, or somebody took an edit out; empty while it does."""
        lost = self._hold.lost if self._hold else ""
        return lost or (self._watch.trouble if self._watch else "")

    def failure(self) -> str | None:
        """Why nothing more will be seen: `trouble`, or somebody deleted our pod."""
        if self.trouble:
            return self.trouble
        trouble = self._forwarder.trouble if self._forwarder else None
        return str(trouble) if isinstance(trouble, ClusterError) and trouble.missing else None

    def points(self, admin: tuple[str, int], entry: tuple[str, int] | None) -> Mapping[Role, Point]:
        """The versions, behind the one Envoy of a pod of ours."""
        found = self.versions
        return {
            role: Point(role, target.name, admin, entry, listener=role, log=found.folders.get(role), packets=found.captures.get(role))
            for role, target in found.targets.items()
        }

    def end(self, see_off: Callable[[hold.Hold], None] | None = None) -> None:
        """Take everything back; safe to call twice.

        Args:
            see_off: what has to go before all the rest.

        Raises:
            MirrorError: something could not be taken back, with what to do about it.
        """
        try:
            if self._watch is not None:
                self._watch.stop()
            if self._hold is not None:
                if see_off is not None:
                    see_off(self._hold)
                self.notes += [f"left: {line}" for line in self._hold.end()]
        finally:
            self.versions.stop()
            if self._forwarder is not None:
                self._forwarder.close()
                self._forwarder = None
            if self.connection is not None:
                self.connection.close()


def check_served(connection: Connection, kinds: Sequence[Kind]) -> None:
    """Return only where the API server serves what a run makes.

    Raises:
        SetupError: it does not.
    """
    for kind in kinds:
        if not objects.served(connection, kind):
            message = f"The API server of context {connection.context!r} does not serve {kind.plural} in {kind.api_version}: it is too old."
            raise SetupError(message)
