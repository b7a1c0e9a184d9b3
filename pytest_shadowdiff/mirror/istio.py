"""The mirror `istio`: the service's own VirtualService mirrors this run's requests, to a pod of ours in the mesh that sees both answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.cluster import hold, mesh, mesh_routes, pods, session, versions, virtual_services
from pytest_shadowdiff.cluster.hold import all_or_nothing
from pytest_shadowdiff.cluster.mesh_routes import MeshRoutes
from pytest_shadowdiff.cluster.mesh_watch import EditWatch
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, PODS, SERVICES, Object, Ref
from pytest_shadowdiff.cluster.preview import Preview, created, difference, rights_table
from pytest_shadowdiff.cluster.rights import Right, require
from pytest_shadowdiff.cluster.session import KINDS, Session, check_served
from pytest_shadowdiff.envoy import meshed
from pytest_shadowdiff.envoy.configuration import Address, Configuration, versions_of
from pytest_shadowdiff.envoy.entrance import way
from pytest_shadowdiff.envoy.meshed import Returns
from pytest_shadowdiff.envoy.mirroring import Mirroring
from pytest_shadowdiff.envoy.statistics import Drops
from pytest_shadowdiff.errors import SettingsError, SetupError, ShadowError
from pytest_shadowdiff.model import Point, Role, Upstream
from pytest_shadowdiff.relay import Routing

if TYPE_CHECKING:
    from pytest_shadowdiff.backends import MirrorPlan
    from pytest_shadowdiff.cluster.connecting import Connection
    from pytest_shadowdiff.cluster.forwarding import Forwarder
    from pytest_shadowdiff.settings import Settings, Target

ROLE = "role-istio.yaml"
RIGHTS: tuple[Right, ...] = (
    *session.RIGHTS,
    *mesh_routes.RIGHTS,
)
ENTRY, ADMIN = 17080, 17000
PORTS: Mapping[str, int] = {"primary": 17081, "candidate": 17082}


class IstioMirror:
    """Both versions' pods in a mesh, a pod of ours there, and the service's routes patched for this run's requests."""

    def __init__(self, plan: MirrorPlan) -> None:
        self._plan = plan
        self._session = Session(plan.settings, plan.run_id)
        self._versions = self._session.versions
        self._notes = self._session.notes
        self._service = self._versions.service
        self._name = f"shadowdiff-{plan.run_id}"
        self._entry: tuple[str, int] | None = None
        self._admin: tuple[str, int] | None = None
        self._mirroring: Mirroring | None = None
        self._drops = Drops()
        self._patched: Ref | None = None

    def start(self) -> Routing:
        """Find both versions and the routes, patch them, and return when a probe was seen as the mesh's copy of it.

        Raises:
            SettingsError: something that is configured does not go with a mesh.
            SetupError: something lacks, is refused, or does not come to work; all that was changed is as it was.
        """
        with all_or_nothing(self.stop):
            connection, forwarder = self._session.begin(self._check)
            if self._plan.settings.candidate is None:
                return self._primary_alone(connection, forwarder)
            return self._mirrored(connection, forwarder)

    def _check(self, connection: Connection) -> None:
        """All that can be known to lack before anything is changed."""
        check_served(connection, KINDS)
        if self._plan.settings.candidate is not None:
            mesh.kind(connection, mesh_routes.VIRTUAL_SERVICES.plural, mesh_routes.VIRTUAL_SERVICES.name)
            require(connection, self._service.namespace, RIGHTS, ROLE)
            self._versions.require_tap(connection)

    def _primary_alone(self, connection: Connection, forwarder: Forwarder) -> Routing:
        from pytest_shadowdiff.cluster.forwarding import Way, ready_pods

        primary, target = self._versions.found["primary"], self._versions.targets["primary"]
        host, port = forwarder.open(Way(primary.namespace, ready_pods(connection.another(), primary), primary.port))
        upstream = Upstream(target.name, host, port, host_header=target.host or self._host, headers=target.headers)
        return Routing(primary=upstream, copy=None, ask_primary=upstream, ask_candidate=None, authority=self._host)

    def _mirrored(self, connection: Connection, forwarder: Forwarder) -> Routing:
        from pytest_shadowdiff.cluster.forwarding import Way

        like = [pod for found in self._versions.found.values() for pod in mesh.pods_of(connection, found)]
        service, run = self._service, self._plan.run_id
        routes = self._routes(connection)
        routes.plan()  # whatever is refused is refused before anything is touched
        changes = self._session.take(connection)
        pod = Ref(PODS, service.namespace, self._name)
        for ref, body, part in self.objects(like):
            made = changes.create(ref, body, part)
            if ref == pod:
                mesh.check_joined(made)
        pods.until_running(connection, pod, service.start_seconds)
        plan = routes.plan()
        watched = routes.put_in(changes, plan)
        self._patched = list(watched)[-1]
        self._notes += plan.made.notes
        self._session.watch(EditWatch(connection.another(), watched))
        entry, admin, sidecar = (forwarder.open(Way(service.namespace, lambda: pod.name, port)) for port in (ENTRY, ADMIN, mesh.ADMIN))
        self._entry, self._admin = entry, admin
        self._versions.observe(connection, forwarder, self._plan.directory)
        sides = list(self._versions.targets)
        self._mirroring = Mirroring(admin, entry, sidecar, f"{self._name}-probe", sides, run)
        self._until_active(routes, self._mirroring)
        return Routing.behind(partial(way, entry), sides, self._host)

    def _until_active(self, routes: MeshRoutes, mirroring: Mirroring) -> None:
        """Until the mesh mirrors, and lets our pod ask both versions."""
        try:
            mirroring.until_active(lambda: self._session.trouble)
        except SetupError as error:
            said = routes.said(self._patched) if self._patched else ""
            raise SetupError(f"{error} {said}".strip()) from None
        for role, target in self._versions.targets.items():
            if refusal := mirroring.refusal(role, target.ready or "/"):
                account = self._service.account or "default"
                message = (
                    f"Target {target.name}: the mesh answers in its place what the client pod of this run asks: {refusal!r}. "
                    f"The pod has the service account {self._service.namespace}/{account}: an AuthorizationPolicy has to let it in "
                    "(`account` in [tool.shadowdiff.service] names another one), and the version's PeerAuthentication and DestinationRule "
                    "have to agree on TLS."
                )
                raise SetupError(message)

    def _routes(self, connection: Connection) -> MeshRoutes:
        unsafe = self._plan.settings.allow_unsafe
        return MeshRoutes(connection, self._versions, self._plan.run_id, self._name, PORTS, unsafe=unsafe)

    @property
    def _host(self) -> str:
        return self._service.host or f"{self._service.name}:{self._service.port}"

    def objects(self, like: Sequence[Object]) -> Sequence[tuple[Ref, Mapping[str, Any], str]]:
        """What is made of our own, in that order: address, body, and the part that it plays."""
        namespace = self._service.namespace
        ports = [{"name": f"http-{side}", "port": port, "targetPort": port} for side, port in PORTS.items()]
        selector = {"pytest-shadowdiff/recorder": self._plan.run_id}
        pod = mesh.join(pods.pod(self._service.image, pods.ENVOY, self._name, self._service.pull_secret), like, self._service.account)
        pod["metadata"]["labels"].update(selector)
        return [
            (Ref(SERVICES, namespace, self._name), {"spec": {"selector": selector, "ports": ports}}, "recorder"),
            (Ref(CONFIG_MAPS, namespace, self._name), {"data": {pods.CONFIG: self._configuration()}}, "configuration"),
            (Ref(PODS, namespace, self._name), pod, "envoy"),
        ]

    def _configuration(self) -> str:
        upstreams = {role: self._upstream(target, role) for role, target in self._versions.targets.items()}
        configuration = Configuration(
            run_id=self._plan.run_id,
            versions=versions_of(upstreams.get("primary"), upstreams.get("candidate"), upstreams.get("control")),
            entry=Address(port=ENTRY),
            admin=Address(port=ADMIN),
            connect_seconds=self._plan.settings.timeout,
            buffer_bytes=self._plan.settings.limits.body,
        )
        entered = self._upstream(self._versions.targets["primary"], "mirror")
        return json.dumps(meshed.meshed(configuration, Returns(entered, entered.headers[-1], PORTS)))

    def _upstream(self, target: Target, to: str) -> Upstream:
        """The way to a version through the mesh, which takes the Host and a header of ours for its decision."""
        host = f"{self._service.name}.{self._service.namespace}.svc"
        headers = (*target.headers, (virtual_services.WAY, f"{self._plan.run_id}.{to}"))
        return Upstream(target.name, host, self._service.port, host_header=self._host, headers=headers)

    def points(self, known: Mapping[Role, Point]) -> Mapping[Role, Point]:
        """All versions stand behind one admin interface."""
        return known if self._admin is None else self._session.points(self._admin, self._entry)

    def describe(self) -> Sequence[str]:
        """Lines for the summary."""
        what = "the mesh mirrors what this run sends" if self._patched else "by port-forward, nothing is changed"
        return [f"{self._versions.summary('istio', self._session.context)}; {what}", *self._versions.stays(), *self._notes]

    def dropped(self) -> Mapping[str, int]:
        """What our Envoy says it dropped, by reason."""
        return self._drops.of(self._admin)

    def failure(self) -> str | None:
        """Why the mirror no longer works: its lease is lost, somebody took its routes out, or deleted its pod."""
        return self._session.failure()

    def stop(self) -> None:
        """Take everything back; safe to call twice.

        Raises:
            MirrorError: something could not be taken back, with what to do about it.
        """
        try:
            self._session.end(self._see_off)
        finally:
            self._admin = None

    def _see_off(self, holding: hold.Hold) -> None:
        """Take the routes back before our pod goes, and see them gone; what fails here is tried again by whoever takes back all."""
        patched, self._patched = self._patched, None
        if patched is None:
            return
        with contextlib.suppress(ShadowError):
            holding.changes.take_back(patched)
            if self._mirroring is not None and not self._mirroring.until_off():
                self._notes.append(f"{patched} was put back, and the sidecar beside our pod still had this run's routes when it went")

    def preview(self, connection: Connection) -> Preview:
        """What a run would change, and the rights that it takes."""
        service, run = self._service, self._plan.run_id
        self._versions.find(connection)
        like = [pod for found in self._versions.found.values() for pod in mesh.pods_of(connection, found)]
        routes = self._routes(connection)
        plan = routes.plan()
        table, lacking = rights_table(connection, service.namespace, [*RIGHTS, *self._versions.tap_rights()])
        lines = [
            f"{self._versions.summary('istio', connection.context)}. While a run lasts, and taken back at its end:",
            *(line for ref, body, _ in hold.objects(service.namespace, service.name, run) for line in created(ref, body)),
            *(line for ref, body, _ in self.objects(like) for line in created(ref, body)),
            *(
                line
                for ref, before, after in routes.as_patched(plan)
                for line in (difference(ref, before, after) if before else created(ref, after))
            ),
            *plan.made.notes,
            *self._versions.will_stay(),
            f"Rights in namespace {service.namespace}:",
            *table,
        ]
        return Preview(tuple(lines), lacking)


def check(settings: Settings) -> None:
    """Look whether all that is configured goes with a mesh; no cluster is asked.

    Raises:
        SettingsError: something does not; the message says what to write.
    """
    versions.check(settings)
    service = versions.service_of(settings)
    for key, value, why in (
        ("entry", service.entry, "requests enter by a client pod of ours in the mesh"),
        ("scope", service.scope != "run", "only this run's requests are mirrored"),
    ):
        if value:
            raise SettingsError(f"[tool.shadowdiff.service] {key}: the mirror istio does not do this: {why}. Leave the key out.")
    for target in versions.targets_of(settings).values():
        if target.workload is None:
            message = f"Target {target.name}: the mirror istio mirrors between workloads of the mesh. Give it a `workload`."
            raise SettingsError(message)
        if target.tls is not None:
            message = f"Target {target.name}, tls: TLS between sidecars is the mesh's business. Leave it out with the mirror istio."
            raise SettingsError(message)


def preview(plan: MirrorPlan) -> Preview:
    """What a run would change, and the rights that it takes.

    Raises:
        ShadowError: it would not even begin.
    """
    from pytest_shadowdiff.cluster.connecting import connect

    mirror = IstioMirror(plan)
    service = versions.service_of(plan.settings)
    connection = connect(service.context, plan.settings.allow_context)
    return mirror.preview(connection)


def create(plan: MirrorPlan) -> IstioMirror:
    """The mirror, not yet started."""
    return IstioMirror(plan)
