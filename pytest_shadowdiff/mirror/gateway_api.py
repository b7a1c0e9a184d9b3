"""The mirror `gateway-api`: the service's own HTTPRoute mirrors this run's requests, to a pod of ours that sees both answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_shadowdiff.cluster import gateway_routes, hold, http_routes, mesh, objects, pods, session, versions
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.gateway_routes import GatewayRoutes, Plan
from pytest_shadowdiff.cluster.hold import all_or_nothing
from pytest_shadowdiff.cluster.mesh_watch import EditWatch
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, PODS, SERVICES, Object, Ref
from pytest_shadowdiff.cluster.preview import Preview, created, difference, rights_table
from pytest_shadowdiff.cluster.rights import Right, require
from pytest_shadowdiff.cluster.session import KINDS, Session, check_served
from pytest_shadowdiff.envoy.arriving import Arriving
from pytest_shadowdiff.envoy.configuration import Address, Configuration, versions_of
from pytest_shadowdiff.envoy.entrance import way
from pytest_shadowdiff.envoy.returned import Returns, returned
from pytest_shadowdiff.envoy.statistics import Drops
from pytest_shadowdiff.errors import SettingsError, ShadowError
from pytest_shadowdiff.model import Point, Role, Tls, Upstream
from pytest_shadowdiff.relay import Routing

if TYPE_CHECKING:
    from pytest_shadowdiff.backends import MirrorPlan
    from pytest_shadowdiff.cluster.connecting import Connection
    from pytest_shadowdiff.cluster.forwarding import Forwarder
    from pytest_shadowdiff.settings import Settings

ROLE = "role-gateway-api.yaml"
RIGHTS: tuple[Right, ...] = (
    *session.RIGHTS,
    *gateway_routes.RIGHTS,
)
ENTRY, ADMIN, REQUESTS, COPIES, VERSION = 17080, 17000, 17081, 17082, 17090
RECORDER = "pytest-shadowdiff/recorder"
PAST_SIDECAR = "traffic.sidecar.istio.io/excludeOutboundPorts"


class GatewayMirror:
    """Both versions' pods, a pod of ours, and the service's routes patched for this run's requests."""

    def __init__(self, plan: MirrorPlan) -> None:
        self._plan = plan
        self._session = Session(plan.settings, plan.run_id)
        self._versions = self._session.versions
        self._notes = self._session.notes
        self._service = self._versions.service
        self._name = f"shadowdiff-{plan.run_id}"
        self._entry: tuple[str, int] | None = None
        self._admin: tuple[str, int] | None = None
        self._arriving: Arriving | None = None
        self._drops = Drops()
        self._patched: tuple[Ref, ...] = ()
        self._door = ""

    def start(self) -> Routing:
        """Find both versions and the routes, patch them, and return when a probe was seen as the Gateway's copy of it.

        Raises:
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
            gateway_routes.kind(connection)
            require(connection, self._service.namespace, RIGHTS, ROLE)
            self._versions.require_tap(connection)

    def _primary_alone(self, connection: Connection, forwarder: Forwarder) -> Routing:
        from pytest_shadowdiff.cluster.forwarding import Way, ready_pods

        primary, target = self._versions.found["primary"], self._versions.targets["primary"]
        host, port = forwarder.open(Way(primary.namespace, ready_pods(connection.another(), primary), primary.port))
        own = target.host or self._service.host or f"{self._service.name}:{self._service.port}"
        upstream = Upstream(target.name, host, port, tls=target.tls, host_header=own, headers=target.headers)
        return Routing(primary=upstream, copy=None, ask_primary=upstream, ask_candidate=None)

    def _mirrored(self, connection: Connection, forwarder: Forwarder) -> Routing:
        from pytest_shadowdiff.cluster.forwarding import Way

        service, run = self._service, self._plan.run_id
        routes = self._routes(connection)
        plan = routes.plan()  # whatever is refused is refused before anything is touched
        like = self._like(connection, plan)
        changes = self._session.take(connection)
        pod = Ref(PODS, service.namespace, self._name)
        for ref, body, part in self.objects(plan, like):
            made = changes.create(ref, body, part)
            if ref == pod and like:
                mesh.check_joined(made)
        pods.until_running(connection, pod, service.start_seconds)
        entry, admin = (forwarder.open(Way(service.namespace, lambda: pod.name, port)) for port in (ENTRY, ADMIN))
        plan = routes.plan()
        self._patched = tuple(Ref(gateway_routes.kind(connection), service.namespace, route["metadata"]["name"]) for route, _ in plan.edits)
        watched = routes.put_in(changes, plan)
        self._door = str(plan.door)
        self._notes += [f"{http_routes.spell(route)}, {note}" for route, made in plan.edits for note in made.notes]
        self._session.watch(EditWatch(connection.another(), watched))
        self._versions.observe(connection, forwarder, self._plan.directory)
        sides = list(self._versions.targets)
        arriving = Arriving(admin, entry, sides, run)
        arriving.until_active(lambda: self._session.trouble, lambda: self._state(routes, plan))
        self._entry, self._admin, self._arriving = entry, admin, arriving
        return Routing.behind(partial(way, entry), sides)

    def _state(self, routes: GatewayRoutes, plan: Plan) -> str:
        """What was applied and what is said of it, for the error of a mirror that stays inactive."""
        applied = ", ".join(str(ref) for ref in self._patched)
        try:
            said = "; ".join(routes.troubles(plan)) or "its controller says that it accepts them"
        except ClusterError as error:
            said = str(error)
        return f"Probes entered by {plan.door}; {applied} got this run's rules, and {said}."

    def _like(self, connection: Connection, plan: Plan) -> Sequence[Object]:
        """The versions' pods where ours has to be in the mesh as they are."""
        found = [objects.get(connection, Ref(PODS, each.namespace, name)) for each in self._versions.found.values() for name in each.pods]
        if plan.door.meshed:
            return [pod for each in self._versions.found.values() for pod in mesh.pods_of(connection, each)]
        return found if any(map(mesh.has_sidecar, found)) else ()

    def _routes(self, connection: Connection) -> GatewayRoutes:
        return GatewayRoutes(connection, self._versions, self._plan.run_id, self._name, (REQUESTS, COPIES))

    def objects(self, plan: Plan, like: Sequence[Object]) -> Sequence[tuple[Ref, Mapping[str, Any], str]]:
        """What is made of our own, in that order: address, body, and the part that it plays."""
        namespace = self._service.namespace
        ports = [{"name": f"http-{name}", "port": port, "targetPort": port} for name, port in (("requests", REQUESTS), ("copies", COPIES))]
        selector = {RECORDER: self._plan.run_id}
        pod = pods.pod(self._service.image, pods.ENVOY, self._name, self._service.pull_secret)
        if like:
            pod = mesh.join(pod, like, self._service.account)
        pod["metadata"]["labels"].update(selector)
        if like and not plan.door.meshed:
            pod["metadata"].setdefault("annotations", {})[PAST_SIDECAR] = str(plan.door.port)
        return [
            *(
                (Ref(SERVICES, namespace, f"{self._name}-{role}"), _version_service(found.selector, found.port), "versions")
                for role, found in self._versions.found.items()
            ),
            (Ref(SERVICES, namespace, self._name), {"spec": {"selector": selector, "ports": ports}}, "recorder"),
            (
                Ref(CONFIG_MAPS, namespace, self._name),
                {"data": {pods.CONFIG: self._configuration(plan, meshed=bool(like))}},
                "configuration",
            ),
            (Ref(PODS, namespace, self._name), pod, "envoy"),
        ]

    def _configuration(self, plan: Plan, *, meshed: bool) -> str:
        settings, door = self._plan.settings, plan.door
        upstreams = {
            role: Upstream(
                target.name,
                f"{self._name}-{role}.{self._service.namespace}.svc",
                VERSION,
                tls=target.tls,
                host_header=target.host,
                headers=target.headers,
            )
            for role, target in self._versions.targets.items()
        }
        configuration = Configuration(
            run_id=self._plan.run_id,
            versions=versions_of(upstreams.get("primary"), upstreams.get("candidate"), upstreams.get("control")),
            entry=Address(port=ENTRY),
            admin=Address(port=ADMIN),
            connect_seconds=settings.timeout,
            buffer_bytes=settings.limits.body,
        )
        tls = Tls(server_name=door.host.partition(":")[0]) if urlsplit(self._service.entry or "").scheme == "https" else None
        gateway = Upstream("the Gateway", door.address, door.port, tls=tls, host_header=door.host)
        returns = Returns(gateway, http_routes.probe_path(self._plan.run_id), REQUESTS, COPIES, unsafe=settings.allow_unsafe, meshed=meshed)
        return json.dumps(returned(configuration, returns))

    def points(self, known: Mapping[Role, Point]) -> Mapping[Role, Point]:
        """All versions stand behind one admin interface."""
        return known if self._admin is None else self._session.points(self._admin, self._entry)

    def describe(self) -> Sequence[str]:
        """Lines for the summary."""
        what = f"requests enter by {self._door}, which mirrors this run's" if self._door else "by port-forward, nothing is changed"
        return [f"{self._versions.summary('gateway-api', self._session.context)}; {what}", *self._versions.stays(), *self._notes]

    def dropped(self) -> Mapping[str, int]:
        """What our Envoy says it dropped, by reason."""
        return self._drops.of(self._admin)

    def failure(self) -> str | None:
        """Why the mirror no longer works: its lease is lost, somebody took its rules out, or deleted its pod."""
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
        """Take the rules back before our pod goes, and see them gone; what fails here is tried again by whoever takes back all."""
        patched, self._patched = self._patched, ()
        with contextlib.suppress(ShadowError):
            for ref in patched:
                holding.changes.take_back(ref)
            if patched and self._arriving is not None and not self._arriving.until_off():
                self._notes.append(f"{', '.join(map(str, patched))} put back, and the Gateway still had this run's rules when our pod went")

    def preview(self, connection: Connection) -> Preview:
        """What a run would change, and the rights that it takes."""
        service, run = self._service, self._plan.run_id
        self._versions.find(connection)
        routes = self._routes(connection)
        plan = routes.plan()
        table, lacking = rights_table(connection, service.namespace, [*RIGHTS, *self._versions.tap_rights()])
        made = self.objects(plan, self._like(connection, plan))
        lines = [
            f"{self._versions.summary('gateway-api', connection.context)}. While a run lasts, and taken back at its end:",
            *(line for ref, body, _ in hold.objects(service.namespace, service.name, run) for line in created(ref, body)),
            *(line for ref, body, _ in made for line in created(ref, body)),
            *(line for ref, before, after in routes.as_patched(plan) for line in difference(ref, before, after)),
            f"Requests enter by {plan.door}.",
            *(f"{http_routes.spell(route)}, {note}" for route, each in plan.edits for note in each.notes),
            f"Rights in namespace {service.namespace}:",
            *table,
        ]
        return Preview(tuple(lines), lacking)


def _version_service(selector: Mapping[str, str], port: int) -> Mapping[str, Any]:
    """A Service for a version alone. In a mesh it is plain TCP, so that no Host decides where a request goes."""
    return {"spec": {"selector": dict(selector), "ports": [{"name": "tcp", "port": VERSION, "targetPort": port}]}}


def check(settings: Settings) -> None:
    """Look whether all that is configured goes with HTTPRoutes; no cluster is asked.

    Raises:
        SettingsError: something does not; the message says what to write.
    """
    versions.check(settings)
    service = versions.service_of(settings)
    if service.scope != "run":
        raise SettingsError(
            '[tool.shadowdiff.service] scope: the mirror gateway-api mirrors this run\'s requests alone ("run"). Leave the key out.'
        )
    for target in versions.targets_of(settings).values():
        if target.workload is None:
            raise SettingsError(f"Target {target.name}: the mirror gateway-api mirrors between workloads. Give it a `workload`.")


def preview(plan: MirrorPlan) -> Preview:
    """What a run would change, and the rights that it takes.

    Raises:
        ShadowError: it would not even begin.
    """
    from pytest_shadowdiff.cluster.connecting import connect

    service = versions.service_of(plan.settings)
    return GatewayMirror(plan).preview(connect(service.context, plan.settings.allow_context))


def create(plan: MirrorPlan) -> GatewayMirror:
    """The mirror, not yet started."""
    return GatewayMirror(plan)
