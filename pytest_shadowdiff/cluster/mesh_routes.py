"""A service's routes in a mesh, read, planned for one run, patched, and looked after."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.cluster import mesh, objects, patching, virtual_services
from pytest_shadowdiff.cluster.objects import PODS, SERVICES, Kind, Object, Ref
from pytest_shadowdiff.cluster.patching import Edit
from pytest_shadowdiff.cluster.rights import Right, rights
from pytest_shadowdiff.cluster.virtual_services import Routed, Side, Wanted
from pytest_shadowdiff.cluster.workloads import is_ready
from pytest_shadowdiff.errors import SetupError

if TYPE_CHECKING:
    from pytest_shadowdiff.cluster.changes import Changes
    from pytest_shadowdiff.cluster.connecting import Connection
    from pytest_shadowdiff.cluster.versions import Versions

VIRTUAL_SERVICES = Kind(f"{mesh.GROUP}/v1", "virtualservices", "VirtualService")
DESTINATION_RULES = Kind(f"{mesh.GROUP}/v1", "destinationrules", "DestinationRule")
HTTP_ROUTES = Kind("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute")
RIGHTS: tuple[Right, ...] = (
    *rights(VIRTUAL_SERVICES, "get", "list", "create", "patch", "delete"),
    *rights(DESTINATION_RULES, "get", "list", "create", "patch", "delete"),
    *rights(HTTP_ROUTES, "list"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is there, and what is to become of it.

    Attributes:
        service: the VirtualService; None where there is none.
        rules: the namespace's DestinationRules.
    """

    service: Mapping[str, Any] | None
    rules: Sequence[Object]
    wanted: Wanted
    made: Routed


class MeshRoutes:
    """The routes of one service, for one run.

    Args:
        name: of whatever is made.
        ports: of the Service of ours of that name, by side.
        unsafe: methods other than GET, HEAD and OPTIONS may be mirrored.
    """

    def __init__(self, connection: Connection, versions: Versions, run: str, name: str, ports: Mapping[str, int], *, unsafe: bool) -> None:
        self._connection = connection
        self._versions = versions
        self._namespace = versions.service.namespace
        self._run = run
        self._name = name
        self._ports = ports
        self._unsafe = unsafe
        self._services = mesh.kind(connection, VIRTUAL_SERVICES.plural, VIRTUAL_SERVICES.name)
        self._rules = mesh.kind(connection, DESTINATION_RULES.plural, DESTINATION_RULES.name)

    def plan(self) -> Plan:
        """What would be patched, and how.

        Raises:
            SetupError: something is in the way, by name; nothing was touched.
        """
        self._refuse_http_routes()
        found, rules = self._listed(self._services), self._listed(self._rules)
        wanted = self._wanted()
        service = virtual_services.service_of(found, wanted)
        if service is None and "PYTEST_XDIST_WORKER" in os.environ:
            message = (
                f"Service {self._namespace}/{self._versions.service.name} has no VirtualService, and the workers of pytest-xdist cannot "
                "each make one for the same host. Give it one (its spec.http may send all to the Service), or run without -n."
            )
            raise SetupError(message)
        return Plan(service, rules, wanted, virtual_services.routed(service, rules, wanted))

    def _listed(self, kind: Kind) -> Sequence[Object]:
        return [{**each, "kind": kind.name} for each in objects.list_all(self._connection, kind, self._namespace)]

    def _refuse_http_routes(self) -> None:
        if not objects.served(self._connection, HTTP_ROUTES):
            return
        service = self._versions.service.name
        for route in objects.list_all(self._connection, HTTP_ROUTES, self._namespace):
            for parent in route["spec"].get("parentRefs") or ():
                if parent.get("kind") == "Service" and parent.get("name") == service:
                    message = (
                        f"HTTPRoute {self._namespace}/{route['metadata']['name']}, spec.parentRefs: it is attached to Service {service}, "
                        "and beside it the mesh does not enact a VirtualService for that host as it stands. "
                        "Take the mirror `gateway-api`, which patches that route, or `kubernetes`, which patches none."
                    )
                    raise SetupError(message)

    def _wanted(self) -> Wanted:
        main = self._full(self._versions.service.name)
        behind = objects.get(self._connection, Ref(SERVICES, self._namespace, self._versions.service.name))
        selectors: dict[str, Mapping[str, str]] = {main: behind["spec"]["selector"]}
        sides: dict[str, Side] = {}
        for role, target in self._versions.targets.items():
            found = self._versions.found[role]
            own = (target.workload or {}).get("service")
            host = self._full(str(own)) if own else main
            labels = {} if own else {key: value for key, value in found.selector.items() if selectors[main].get(key) != value}
            selectors.setdefault(host, found.selector)
            sides[role] = Side(host, labels, frozenset(found.pods), target.host or "")
        pods = {host: self._pods(selector) for host, selector in selectors.items()}
        port, recorder = self._versions.service.port, self._full(self._name)
        return Wanted(self._run, self._namespace, main, port, sides, recorder, self._ports, pods, self._unsafe)

    def _pods(self, selector: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
        found = objects.list_all(self._connection, PODS, self._namespace, selector)
        return {str(pod["metadata"]["name"]): pod["metadata"].get("labels") or {} for pod in found if is_ready(pod)}

    def _full(self, name: str) -> str:
        return virtual_services.full_name(name, self._namespace)

    def put_in(self, changes: Changes, plan: Plan) -> Mapping[Ref, tuple[Edit, ...]]:
        """Patch what was planned; subsets first, as a route to one that is not there answers 503.

        Returns:
            What has to stay in which object; the VirtualService last.
        """
        watched: dict[Ref, tuple[Edit, ...]] = {}
        for side, subset in plan.made.subsets.items():
            ref, edits = self._subset(changes, plan, side, subset)
            watched[ref] = (*watched.get(ref, ()), *edits)
        if plan.service is None:
            ref = Ref(self._services, self._namespace, self._name)
            changes.create(ref, virtual_services.virtual_service(plan.made, plan.wanted), "routes")
            return {**watched, ref: ()}
        ref = Ref(self._services, self._namespace, str(plan.service["metadata"]["name"]))
        made: list[Edit] = []

        def edit(current: Object) -> Sequence[Edit]:
            named = {**current, "kind": VIRTUAL_SERVICES.name}
            virtual_services.service_of([named], plan.wanted)
            made[:] = virtual_services.insertions(current, virtual_services.routed(named, plan.rules, plan.wanted))
            return made

        changes.edit(ref, edit)
        return {**watched, ref: tuple(made)}

    def _subset(self, changes: Changes, plan: Plan, side: str, subset: Mapping[str, Any]) -> tuple[Ref, tuple[Edit, ...]]:
        theirs = virtual_services.rules_of(plan.rules, plan.wanted.sides[side].host)
        if not theirs:
            ref = Ref(self._rules, self._namespace, f"{self._name}-{side}")
            changes.create(ref, virtual_services.destination_rule(plan.made, plan.wanted, side), "subsets")
            return ref, ()
        ref = Ref(self._rules, self._namespace, str(theirs[0]["metadata"]["name"]))
        made: list[Edit] = []

        def edit(current: Object) -> Sequence[Edit]:
            end = len(current["spec"].get("subsets") or ())
            made[:] = [patching.inserting(current, ("spec", "subsets"), subset, index=end, key="name")]
            return made

        changes.edit(ref, edit)
        return ref, tuple(made)

    def said(self, ref: Ref) -> str:
        """What was applied, and what the mesh's controller says of it."""
        found = objects.find(self._connection, ref)
        if found is None:
            return f"{ref} is gone."
        names = [str(route.get("name", "")) for route in found["spec"].get("http") or ()]
        routes = [name for name in names if name.startswith(virtual_services.PREFIX)]
        status = found.get("status") or {}
        said = "; ".join(
            f"{each.get('type', each.get('level', ''))} {each.get('status', '')} {each.get('message', '')}".strip()
            for each in (*(status.get("conditions") or ()), *(status.get("validationMessages") or ()))
        )
        revision = (found["metadata"].get("labels") or {}).get(mesh.REVISION)
        which = f" It has the label {mesh.REVISION}={revision}: a control plane of another revision does not enact it." if revision else ""
        return f"Applied to {ref}: routes {', '.join(routes) or 'none any more'}. Its status says {said or 'nothing'}.{which}"

    def as_patched(self, plan: Plan) -> Sequence[tuple[Ref, Mapping[str, Any] | None, Mapping[str, Any]]]:
        """Each object before (None: it is made) and after, for a preview."""
        found: list[tuple[Ref, Mapping[str, Any] | None, Mapping[str, Any]]] = []
        for side, subset in plan.made.subsets.items():
            theirs = virtual_services.rules_of(plan.rules, plan.wanted.sides[side].host)
            if theirs:
                before = theirs[0]
                end = len(before["spec"].get("subsets") or ())
                after = patching.apply(before, (patching.inserting(before, ("spec", "subsets"), subset, index=end, key="name"),))
                found.append((Ref(self._rules, self._namespace, str(before["metadata"]["name"])), before, after))
            else:
                ref = Ref(self._rules, self._namespace, f"{self._name}-{side}")
                found.append((ref, None, virtual_services.destination_rule(plan.made, plan.wanted, side)))
        if plan.service is None:
            ref = Ref(self._services, self._namespace, self._name)
            return [*found, (ref, None, virtual_services.virtual_service(plan.made, plan.wanted))]
        ref = Ref(self._services, self._namespace, str(plan.service["metadata"]["name"]))
        return [*found, (ref, plan.service, patching.apply(plan.service, virtual_services.insertions(plan.service, plan.made)))]
