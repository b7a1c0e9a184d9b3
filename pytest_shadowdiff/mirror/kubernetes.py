"""The mirror `kubernetes`: an Envoy pod of ours beside a service, reached by port-forward; nobody's object is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.cluster import hold, pods, session, versions
from pytest_shadowdiff.cluster.hold import all_or_nothing
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, PODS, SERVICES, Ref
from pytest_shadowdiff.cluster.preview import Preview, created, rights_table
from pytest_shadowdiff.cluster.rights import Right, require, rights
from pytest_shadowdiff.cluster.session import KINDS, Session, check_served
from pytest_shadowdiff.cluster.versions import Versions
from pytest_shadowdiff.envoy.configuration import Address, Configuration, versions_of
from pytest_shadowdiff.envoy.entrance import until_copied, way
from pytest_shadowdiff.envoy.patience import patient
from pytest_shadowdiff.envoy.statistics import Drops
from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.model import Point, Role, Upstream
from pytest_shadowdiff.relay import Routing

if TYPE_CHECKING:
    from pytest_shadowdiff.backends import MirrorPlan
    from pytest_shadowdiff.cluster.connecting import Connection
    from pytest_shadowdiff.cluster.forwarding import Forwarder
    from pytest_shadowdiff.settings import Settings, Target

ROLE = "role-kubernetes.yaml"
RIGHTS: tuple[Right, ...] = session.RIGHTS
READING: tuple[Right, ...] = (*rights(SERVICES, "get"), *rights(PODS, "get", "list"), *rights(PODS, "get", "create", part="portforward"))
ENTRY, ADMIN = 15080, 15000
DNS_SECONDS = 0.5


class KubernetesMirror:
    """Both versions' pods, and an Envoy pod before them."""

    def __init__(self, plan: MirrorPlan) -> None:
        self._plan = plan
        self._session = Session(plan.settings, plan.run_id)
        self._versions = self._session.versions
        self._notes = self._session.notes
        self._service = self._versions.service
        self._entry: tuple[str, int] | None = None
        self._admin: tuple[str, int] | None = None
        self._drops = Drops()

    def start(self) -> Routing:
        """Find both versions, make the pod, and return when a copy was counted before the candidate.

        Without a candidate nothing is made: the primary's pods are reached by port-forward.

        Raises:
            SettingsError: no service is configured, or the context may not be used.
            SetupError: something lacks or does not come up; all that was made is gone again.
        """
        with all_or_nothing(self.stop):
            connection, forwarder = self._session.begin(self._check)
            if self._plan.settings.candidate is None:
                return self._primary_alone(connection, forwarder)
            return self._mirrored(connection, forwarder)

    def _check(self, connection: Connection) -> None:
        """All that can be known to lack before anything is changed."""
        mirrored = self._plan.settings.candidate is not None
        check_served(connection, KINDS if mirrored else (SERVICES, PODS))
        require(connection, self._service.namespace, RIGHTS if mirrored else READING, ROLE)
        if mirrored:
            self._versions.require_tap(connection)

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
        changes = self._session.take(connection)
        pod = Ref(PODS, service.namespace, f"shadowdiff-{plan.run_id}")
        for ref, body, part in self.objects():
            changes.create(ref, body, part)
        pods.until_running(connection, pod, service.start_seconds)
        entry, admin = (forwarder.open(Way(service.namespace, lambda: pod.name, port)) for port in (ENTRY, ADMIN))
        self._entry, self._admin = entry, admin
        self._versions.observe(connection, forwarder, plan.directory)
        sides = list(self._versions.targets)
        until_copied(admin, entry, sides, plan.run_id)
        return Routing.behind(partial(way, entry), sides)

    def objects(self) -> Sequence[tuple[Ref, Mapping[str, Any], str]]:
        """What is made, in that order: address, body, and the part that it plays."""
        namespace, name = self._service.namespace, f"shadowdiff-{self._plan.run_id}"
        services = [
            (Ref(SERVICES, namespace, f"{name}-{role}"), pods.headless_service(found.selector, found.port), "versions")
            for role, found in self._versions.found.items()
        ]
        config = (Ref(CONFIG_MAPS, namespace, name), {"data": {pods.CONFIG: self._configuration()}}, "configuration")
        pod = (Ref(PODS, namespace, name), pods.pod(self._service.image, pods.ENVOY, name, self._service.pull_secret), "envoy")
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
        return known if self._admin is None else self._session.points(self._admin, self._entry)

    def describe(self) -> Sequence[str]:
        """Lines for the summary."""
        what = "an Envoy pod copies what the relay marks" if self._session.holding else "by port-forward, nothing is changed"
        return [f"{self.summary(self._session.context)}; {what}", *self._versions.stays(), *self._notes]

    def summary(self, context: str) -> str:
        """The service and its versions, in one line."""
        return self._versions.summary("kubernetes", context)

    def dropped(self) -> Mapping[str, int]:
        """What our Envoy says it dropped, by reason."""
        return self._drops.of(self._admin)

    def failure(self) -> str | None:
        """Why the mirror no longer works: its lease is lost, or somebody deleted its pod."""
        return self._session.failure()

    def stop(self) -> None:
        """Take everything back; safe to call twice.

        Raises:
            MirrorError: something could not be taken back, with what to do about it.
        """
        try:
            self._session.end()
        finally:
            self._admin = None


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
