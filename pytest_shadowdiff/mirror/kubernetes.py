"""The mirror `kubernetes`: an Envoy pod of ours beside a service, reached by port-forward; nobody's object is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.cluster import hold, objects, pods, versions
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, LEASES, PODS, SERVICES, Kind, Ref
from pytest_shadowdiff.cluster.preview import Preview, created, rights_table
from pytest_shadowdiff.cluster.rights import Right, require, rights
from pytest_shadowdiff.cluster.versions import Versions
from pytest_shadowdiff.envoy.configuration import Address, Configuration, versions_of
from pytest_shadowdiff.envoy.entrance import until_copied, way
from pytest_shadowdiff.envoy.patience import patient
from pytest_shadowdiff.envoy.statistics import dropped
from pytest_shadowdiff.errors import MirrorError, SetupError, ShadowError
from pytest_shadowdiff.model import Point, Role, Upstream
from pytest_shadowdiff.relay import Routing

if TYPE_CHECKING:
    from pytest_shadowdiff.backends import MirrorPlan
    from pytest_shadowdiff.cluster.connecting import Connection
    from pytest_shadowdiff.cluster.forwarding import Forwarder
    from pytest_shadowdiff.settings import Settings, Target

ROLE = "role-kubernetes.yaml"
RIGHTS: tuple[Right, ...] = (
    *hold.RIGHTS,
    *rights(SERVICES, "get", "create", "delete"),
    *rights(PODS, "get", "list", "create", "delete"),
    *rights(PODS, "get", "create", part="portforward"),
)
READING: tuple[Right, ...] = (*rights(SERVICES, "get"), *rights(PODS, "get", "list"), *rights(PODS, "get", "create", part="portforward"))
KINDS: tuple[Kind, ...] = (SERVICES, PODS, CONFIG_MAPS, LEASES)
ENTRY, ADMIN = 15080, 15000
CONFIG = "envoy.json"
COMMAND = ("envoy", "--config-path", f"{pods.FOLDER}/{CONFIG}", "--disable-hot-restart", "--log-level", "warning", "--concurrency", "2")
DNS_SECONDS = 0.5


class KubernetesMirror:
    """Both versions' pods, and an Envoy pod before them."""

    def __init__(self, plan: MirrorPlan) -> None:
        self._plan = plan
        self._versions = Versions(plan.settings)
        self._service = self._versions.service
        self._connection: Connection | None = None
        self._forwarder: Forwarder | None = None
        self._hold: hold.Hold | None = None
        self._entry: tuple[str, int] | None = None
        self._admin: tuple[str, int] | None = None
        self._dropped: Mapping[str, int] = {}
        self._notes: list[str] = []

    def start(self) -> Routing:
        """Find both versions, make the pod, and return when a copy was counted before the candidate.

        Without a candidate nothing is made: the primary's pods are reached by port-forward.

        Raises:
            SettingsError: no service is configured, or the context may not be used.
            SetupError: something lacks or does not come up; all that was made is gone again.
        """
        from pytest_shadowdiff.cluster.connecting import connect
        from pytest_shadowdiff.cluster.forwarding import Forwarder

        try:
            self._connection = connect(self._service.context, self._plan.settings.allow_context)
            self._check(self._connection)
            self._forwarder = Forwarder(self._connection)
            self._versions.check_ports(self._forwarder)
            if self._plan.settings.candidate is None:
                return self._primary_alone(self._connection, self._forwarder)
            return self._mirrored(self._connection, self._forwarder)
        except BaseException as error:
            self._abandon(error)
            raise

    def _abandon(self, error: BaseException) -> None:
        """Take everything back after an error; where that fails as well, both are told."""
        try:
            self.stop()
        except ShadowError as another:
            if isinstance(error, ShadowError):
                raise SetupError(f"{error}\n{another}") from None
            raise

    def _check(self, connection: Connection) -> None:
        """All that can be known to lack before anything is changed."""
        mirrored = self._plan.settings.candidate is not None
        for kind in KINDS if mirrored else (SERVICES, PODS):
            if not objects.served(connection, kind):
                message = (
                    f"The API server of context {connection.context!r} does not serve {kind.plural} in {kind.api_version}: it is too old."
                )
                raise SetupError(message)
        require(connection, self._service.namespace, RIGHTS if mirrored else READING, ROLE)
        if mirrored:
            self._versions.require_tap(connection)
        self._versions.find(connection)

    def find(self, connection: Connection) -> Versions:
        """Find both versions, for a preview.

        Raises:
            SetupError: one is not there, not ready, or both are the same.
        """
        self._versions.find(connection)
        return self._versions

    def _primary_alone(self, connection: Connection, forwarder: Forwarder) -> Routing:
        from pytest_shadowdiff.cluster.forwarding import Way, ready_pods

        primary = self._versions.found.get("primary")
        if primary is None:
            elsewhere = _elsewhere(self._plan, "primary")
            return Routing(primary=elsewhere, copy=None, ask_primary=elsewhere, ask_candidate=None)
        host, port = forwarder.open(Way(primary.namespace, ready_pods(connection.another(), primary), primary.port))
        target = self._versions.targets["primary"]
        upstream = Upstream(target.name, host, port, tls=target.tls, host_header=target.host, headers=target.headers)
        return Routing(primary=upstream, copy=None, ask_primary=upstream, ask_candidate=None)

    def _mirrored(self, connection: Connection, forwarder: Forwarder) -> Routing:
        from pytest_shadowdiff.cluster.forwarding import Way

        service, plan = self._service, self._plan
        self._hold = holding = hold.Hold(connection, service.namespace, versions.held(service.name), plan.run_id, service.lease_seconds)
        self._notes += [f"left by a killed run: {line}" for line in holding.take(service.wait_seconds)]
        pod = Ref(PODS, service.namespace, f"shadowdiff-{plan.run_id}")
        for ref, body, part in self.objects():
            holding.changes.create(ref, body, part)
        pods.until_running(connection, pod, service.start_seconds)
        self._entry = forwarder.open(Way(service.namespace, lambda: pod.name, ENTRY))
        self._admin = forwarder.open(Way(service.namespace, lambda: pod.name, ADMIN))
        self._versions.observe(connection, forwarder, plan.directory)
        sides = list(self._versions.targets)
        until_copied(self._admin, self._entry, sides, plan.run_id)
        return Routing(
            primary=way(self._entry),
            copy=None,
            ask_primary=way(self._entry, "primary"),
            ask_candidate=way(self._entry, "candidate"),
            control=way(self._entry, "control") if "control" in sides else None,
            marked=True,
            records=frozenset(),
        )

    def objects(self) -> Sequence[tuple[Ref, Mapping[str, Any], str]]:
        """What is made, in that order: address, body, and the part that it plays."""
        namespace, name = self._service.namespace, f"shadowdiff-{self._plan.run_id}"
        services = [
            (Ref(SERVICES, namespace, f"{name}-{role}"), pods.headless_service(found.selector, found.port), "versions")
            for role, found in self._versions.found.items()
        ]
        config = (Ref(CONFIG_MAPS, namespace, name), {"data": {CONFIG: self._configuration()}}, "configuration")
        pod = (Ref(PODS, namespace, name), pods.pod(self._service.image, COMMAND, name, self._service.pull_secret), "envoy")
        return [*services, config, pod]

    def _configuration(self) -> str:
        import json

        upstreams = {role: self._upstream(role, target) for role, target in self._versions.targets.items()}
        configuration = Configuration(
            run_id=self._plan.run_id,
            versions=versions_of(upstreams.get("primary"), upstreams.get("candidate"), upstreams.get("control")),
            entry=Address(port=ENTRY),
            admin=Address(port=ADMIN),
            clusters={f"version-{role}": {"dns_refresh_rate": f"{DNS_SECONDS}s"} for role in self._versions.found},
            connect_seconds=self._plan.settings.timeout,
            buffer_bytes=self._plan.settings.limits.body,
        )
        return json.dumps(patient(configuration.rendered()))

    def _upstream(self, role: Role, target: Target) -> Upstream:
        found = self._versions.found.get(role)
        if found is None:
            return _elsewhere(self._plan, role)
        host = f"shadowdiff-{self._plan.run_id}-{role}.{found.namespace}.svc"
        tls = target.tls
        if tls is not None and tls.server_name is None:
            tls = replace(tls, server_name=f"{self._service.name}.{found.namespace}.svc")
        return Upstream(target.name, host, found.port, tls=tls, host_header=target.host, headers=target.headers)

    def points(self, known: Mapping[Role, Point]) -> Mapping[Role, Point]:
        """All versions stand behind one admin interface."""
        if self._admin is None:
            return known
        return {
            role: Point(
                role,
                target.name,
                self._admin,
                self._entry,
                listener=role,
                log=self._versions.folders.get(role),
                packets=self._versions.captures.get(role),
            )
            for role, target in self._versions.targets.items()
        }

    def describe(self) -> Sequence[str]:
        """Lines for the summary."""
        what = "an Envoy pod copies what the relay marks" if self._hold else "by port-forward, nothing is changed"
        return [f"{self.summary(self._connection.context if self._connection else '?')}; {what}", *self._versions.stays(), *self._notes]

    def summary(self, context: str) -> str:
        """The service and its versions, in one line."""
        return self._versions.summary("kubernetes", context)

    def dropped(self) -> Mapping[str, int]:
        """What Envoy itself says it dropped, by reason."""
        if self._admin is not None:
            try:
                self._dropped = dropped(self._admin)
            except MirrorError:
                return self._dropped
        return self._dropped

    def failure(self) -> str | None:
        """Why the mirror no longer works: its lease is lost, or somebody deleted its pod."""
        if self._hold is not None and self._hold.lost:
            return self._hold.lost
        trouble = self._forwarder.trouble if self._forwarder else None
        return str(trouble) if isinstance(trouble, ClusterError) and trouble.missing else None

    def stop(self) -> None:
        """Take everything back; safe to call twice.

        Raises:
            MirrorError: something could not be taken back, with what to do about it.
        """
        try:
            if self._hold is not None:
                self._notes += [f"left: {line}" for line in self._hold.end()]
        finally:
            self._versions.stop()
            if self._forwarder is not None:
                self._forwarder.close()
                self._forwarder = self._admin = None
            if self._connection is not None:
                self._connection.close()


def _elsewhere(plan: MirrorPlan, role: Role) -> Upstream:
    upstream: Upstream | None = {"primary": plan.primary, "candidate": plan.candidate, "control": plan.control}[role]
    if upstream is None or upstream.host in ("localhost", "127.0.0.1", "::1") or upstream.socket is not None:
        message = (
            f"The {role} is on this machine, which no pod of the cluster reaches. Give it a `workload`, or a URL that the cluster reaches; "
            "or take the mirror local, envoy or docker with versions that this machine reaches."
        )
        raise SetupError(message)
    return upstream


def check(settings: Settings) -> None:
    """Look whether a service is configured, and whether its context is there and may be used; no cluster is asked.

    Raises:
        SettingsError: it is not; the message says what to write.
    """
    versions.check(settings)


def preview(plan: MirrorPlan) -> Preview:
    """What a run would make, and the rights that it takes.

    Raises:
        ShadowError: it would not even begin.
    """
    from pytest_shadowdiff.cluster.connecting import connect

    mirror = KubernetesMirror(plan)
    service = versions.service_of(plan.settings)
    connection = connect(service.context, plan.settings.allow_context)
    found = mirror.find(connection)
    table, lacking = rights_table(connection, service.namespace, [*RIGHTS, *found.tap_rights()])
    lines = [
        f"{mirror.summary(connection.context)}. While a run lasts, and gone at its end:",
        *(line for ref, body, _ in hold.objects(service.namespace, service.name, plan.run_id) for line in created(ref, body)),
        *(line for ref, body, _ in mirror.objects() for line in created(ref, body)),
        *found.will_stay(),
        f"Rights in namespace {service.namespace}:",
        *table,
    ]
    return Preview(tuple(lines), lacking)


def create(plan: MirrorPlan) -> KubernetesMirror:
    """The mirror, not yet started."""
    return KubernetesMirror(plan)
