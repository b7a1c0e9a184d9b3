"""A service's HTTPRoutes, read, planned for one run, patched, and waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_shadowdiff.cluster import gateways, http_routes, objects, patching
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import ticks, until
from pytest_shadowdiff.cluster.gateways import GATEWAYS, Door
from pytest_shadowdiff.cluster.http_routes import HTTP_ROUTES, Wanted, leads, planned, spell
from pytest_shadowdiff.cluster.objects import PODS, SERVICES, Kind, Object, Ref
from pytest_shadowdiff.cluster.patching import Edit
from pytest_shadowdiff.cluster.rights import Right, rights
from pytest_shadowdiff.cluster.workloads import is_ready
from pytest_shadowdiff.errors import SetupError

if TYPE_CHECKING:
    from pytest_shadowdiff.cluster.changes import Changes
    from pytest_shadowdiff.cluster.connecting import Connection
    from pytest_shadowdiff.cluster.versions import Versions

RIGHTS: tuple[Right, ...] = (*rights(HTTP_ROUTES, "get", "list", "patch"), *rights(GATEWAYS, "get"))
ACCEPTED_SECONDS = 30.0
DECIDED_SECONDS = 10.0
ENTRY_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is there, and what is to become of it.

    Attributes:
        routes: those for the same requests; the first leads to the primary.
    """

    door: Door
    routes: tuple[Object, ...]
    wanted: Wanted

    @property
    def edits(self) -> Sequence[tuple[Object, http_routes.Planned]]:
        """What is edited in which route, as they are now."""
        made = [(route, self.of(route)) for route in self.routes]
        return [(route, one) for route, one in made if one.edits]

    def of(self, route: Object) -> http_routes.Planned:
        """What is edited in a route, as it is given."""
        name = route["metadata"]["name"]
        beside = [each for each in self.routes if each["metadata"]["name"] != name]
        return planned(route, beside, self.wanted, probe=name == self.routes[0]["metadata"]["name"])


class GatewayRoutes:
    """The HTTPRoutes of one service, for one run.

    Args:
        recorder: name of the Service of ours.
        ports: of that Service: where requests go, and where copies go.
    """

    def __init__(self, connection: Connection, versions: Versions, run: str, recorder: str, ports: tuple[int, int]) -> None:
        self._connection = connection
        self._versions = versions
        self._service = versions.service
        self._namespace = versions.service.namespace
        self._run = run
        self._recorder = recorder
        self._ports = ports
        self._kind = kind(connection)

    def plan(self) -> Plan:
        """What would be patched, and how.

        Raises:
            SetupError: something is in the way, by name; nothing was touched.
        """
        found = [{**each, "kind": HTTP_ROUTES.name} for each in objects.list_all(self._connection, self._kind, self._namespace)]
        wanted = self._wanted(found)
        leading = [route for route in found if leads(route, wanted)]
        if not leading:
            names = ", ".join(str(route["metadata"]["name"]) for route in found) or "none"
            primary = ", ".join(sorted(wanted.primary))
            raise SetupError(
                f"No HTTPRoute in namespace {self._namespace} leads to the primary's pods ({primary}); the HTTPRoutes there: {names}. "
                "Attach one to a Gateway or to the Service, with a Service of these pods as its backend; "
                "or take the mirror `kubernetes`, which needs no route."
            )
        door = self._door(leading)
        mine = [route for route in found if self._at(route, door)]
        mine.sort(key=lambda route: (not leads(route, wanted), str(route["metadata"]["name"])))
        for route in mine:
            said = leads(route, wanted) and gateways.trouble(self._decided(route, door), door.parent)
            if said:
                raise SetupError(f"{spell(route)} does not work as it is: {said}. Mend it first; nothing was touched.")
        plan = Plan(door, tuple(mine), wanted)
        _ = plan.edits  # whatever is refused is refused here
        return plan

    def _decided(self, route: Object, door: Door) -> Object:
        """The route, once its controller has spoken of it as it is; somebody may have written a moment ago."""
        found = route

        def spoken() -> bool:
            nonlocal found
            if not gateways.decided(found, door.parent):
                found = objects.get(self._connection, self._ref(route))
            return gateways.decided(found, door.parent)

        until(ticks() + DECIDED_SECONDS, spoken, 0.3)
        return found

    def _wanted(self, found: Sequence[Mapping[str, Any]]) -> Wanted:
        names = {
            str(backend.get("name"))
            for route in found
            for rule in route["spec"].get("rules") or ()
            for backend in rule.get("backendRefs") or ()
        }
        pods = {name: self._pods(name) for name in sorted(names)}
        primary = frozenset(self._versions.found["primary"].pods)
        return Wanted(self._run, self._recorder, *self._ports, pods, primary, named=self._names_rules())

    def _pods(self, service: str) -> frozenset[str]:
        found = objects.find(self._connection, Ref(SERVICES, self._namespace, service))
        selector = ((found or {}).get("spec") or {}).get("selector")
        if not selector:
            return frozenset()
        pods = objects.list_all(self._connection, PODS, self._namespace, selector)
        return frozenset(str(pod["metadata"]["name"]) for pod in pods if is_ready(pod))

    def _names_rules(self) -> bool:
        """Whether rules have names here; where nobody says, they are known by their content."""
        try:
            schema = self._connection.read(f"/openapi/v3/apis/{self._kind.api_version}", doing="reading what an HTTPRoute may have")
            group = ".".join(reversed(self._kind.group.split(".")))
            route = schema["components"]["schemas"][f"{group}.{self._kind.api_version.rpartition('/')[2]}.HTTPRoute"]
            return "name" in route["properties"]["spec"]["properties"]["rules"]["items"]["properties"]
        except (ClusterError, KeyError, TypeError):
            return False

    def _door(self, leading: Sequence[Mapping[str, Any]]) -> Door:
        service = self._service
        own = f"{service.name}:{service.port}"
        at_gateways = [
            (route, parent)
            for route in leading
            for parent in gateways.parents_of(route)
            if parent["kind"] == "Gateway" and (not service.host or gateways.knows(route, service.host))
        ]
        in_mesh = [
            parent
            for route in leading
            for parent in gateways.parents_of(route)
            if parent["kind"] == "Service" and parent["name"] == service.name and parent.get("port", service.port) == service.port
        ]
        if in_mesh and (not at_gateways or (service.host or "").partition(":")[0].partition(".")[0] == service.name):
            return Door(in_mesh[0], f"{service.name}.{self._namespace}.svc", service.port, service.host or own, meshed=True)
        if not at_gateways:
            names = ", ".join(spell(route) for route in leading)
            raise SetupError(
                f"{names} leads to the primary, and is attached neither to a Gateway that takes "
                f"{f'the Host {service.host}' if service.host else 'requests'} nor to Service {service.name}, port {service.port}. "
                "Mend `host`, `name` or `port` in [tool.shadowdiff.service], or the route's parentRefs."
            )
        if service.entry is not None:
            return self._configured(*at_gateways[0], service.entry)
        problems = []
        for route, parent in at_gateways:
            try:
                return gateways.gateway_door(self._connection, route, parent, service.host)
            except SetupError as error:
                problems.append(error)
        raise problems[0]

    def _configured(self, route: Mapping[str, Any], parent: Mapping[str, Any], entry: str) -> Door:
        parts = urlsplit(entry)
        hostnames = [each for each in route["spec"].get("hostnames") or () if "*" not in each]
        host = self._service.host or (hostnames[0] if hostnames else parts.netloc.rpartition("@")[2])
        return Door(parent, parts.hostname or "", parts.port or ENTRY_PORTS.get(parts.scheme, 80), host)

    @staticmethod
    def _at(route: Mapping[str, Any], door: Door) -> bool:
        attached = any(gateways.same(parent, door.parent) for parent in gateways.parents_of(route))
        return attached and (door.meshed or gateways.knows(route, door.host))

    def put_in(self, changes: Changes, plan: Plan) -> Mapping[Ref, tuple[Edit, ...]]:
        """Patch what was planned, and return when the controller has accepted it.

        Returns:
            What has to stay in which object.

        Raises:
            SetupError: the controller does not take it, with its own words.
        """
        watched: dict[Ref, tuple[Edit, ...]] = {}
        for route, _ in plan.edits:
            ref = self._ref(route)
            made: list[Edit] = []

            def edit(current: Object, made: list[Edit] = made) -> Sequence[Edit]:
                made[:] = plan.of(current).edits
                return made

            changes.edit(ref, edit)
            watched[ref] = tuple(made)
        said: list[str] = []

        def accepted() -> bool:
            said[:] = self.troubles(plan)
            return not said

        if not until(ticks() + ACCEPTED_SECONDS, accepted, 0.3):
            raise SetupError(f"The Gateway does not take this run's rules: {'; '.join(said)}. They are taken back.")
        return watched

    def troubles(self, plan: Plan) -> Sequence[str]:
        """What controllers say against the routes of a plan as they are now."""
        said = []
        for each in plan.routes:
            if not plan.of(each).edits:
                continue
            route = objects.get(self._connection, self._ref(each))
            problem = gateways.trouble(route, plan.door.parent)
            if problem:
                said.append(f"HTTPRoute {self._namespace}/{route['metadata']['name']}: {problem}")
        return said

    def as_patched(self, plan: Plan) -> Sequence[tuple[Ref, Mapping[str, Any], Mapping[str, Any]]]:
        """Each object before and after, for a preview."""
        return [(self._ref(route), route, patching.apply(route, made.edits)) for route, made in plan.edits]

    def _ref(self, route: Mapping[str, Any]) -> Ref:
        return Ref(self._kind, self._namespace, str(route["metadata"]["name"]))


def kind(connection: Connection) -> Kind:
    """HTTPRoutes in the newest version that the API server serves.

    Raises:
        SetupError: it serves none.
    """
    for version in ("v1", "v1beta1"):
        found = Kind(f"{HTTP_ROUTES.group}/{version}", HTTP_ROUTES.plural, HTTP_ROUTES.name)
        if objects.served(connection, found):
            return found
    raise SetupError(
        f"The API server of context {connection.context!r} serves no {HTTP_ROUTES.plural}.{HTTP_ROUTES.group} (v1, v1beta1): the Gateway "
        "API's definitions are not installed there. Install them, with a controller that mirrors, or take the mirror `kubernetes`."
    )
