"""Objects -> the one table of routes that a run enacts; all that contradicts itself is refused here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from pytest_shadowdiff.envoy.routes import destination_rule, http_route, virtual_service
from pytest_shadowdiff.envoy.routes.destination_rule import Subsets
from pytest_shadowdiff.envoy.routes.hosts import full_name
from pytest_shadowdiff.envoy.routes.model import Forward, Pool, Route, RouteTable, Version
from pytest_shadowdiff.envoy.routes.objects import DESTINATION_RULE, HTTP_ROUTE, VIRTUAL_SERVICE, Object, load
from pytest_shadowdiff.envoy.routes.translate import COPIED_TO
from pytest_shadowdiff.errors import SettingsError


def read_routes(files: Sequence[Path]) -> RouteTable:
    """The routes in some files, understood together.

    Args:
        files: VirtualServices with their DestinationRules, or HTTPRoutes; of two objects of one kind and name the later stands.

    Raises:
        SettingsError: a file is no YAML, something in it is wrong or not enacted, or the objects contradict each other;
            names file, line, column and field.
    """
    objects = load(files)
    services = [item for item in objects if item.kind == VIRTUAL_SERVICE]
    routes = [item for item in objects if item.kind == HTTP_ROUTE]
    rules = [item for item in objects if item.kind == DESTINATION_RULE]
    if services and routes:
        raise routes[0].at.refuse(f"{routes[0]} stands beside {services[0]}; a run enacts the one or the other")
    if services:
        return _of_service(services, rules)
    if not routes:
        raise SettingsError(f"{', '.join(map(str, files))}: neither a {VIRTUAL_SERVICE} nor an {HTTP_ROUTE}, so there is no route to enact")
    if rules:
        raise rules[0].at.refuse(f"{rules[0]} stands beside {routes[0]}, whose backends have no subsets; leave it out")
    return _of_routes(routes)


def versions_of(routes: Iterable[Route]) -> Iterator[tuple[Version, bool]]:
    """Each version that routes name, and whether it is a mirror's."""
    for route in routes:
        if isinstance(route.action, Forward):
            yield from ((destination.version, False) for destination in route.action.destinations)
            yield from ((mirror.version, True) for mirror in route.action.mirrors)


def _of_service(services: Sequence[Object], rules: Sequence[Object]) -> RouteTable:
    _check_hosts(services)
    service = services[0]
    routes = virtual_service.routes_of(service)
    if not routes:
        raise service.spec.refuse("no rule is for the gateways of this VirtualService, so there is no route to enact")
    subsets = _by_host(rules)
    used = {version.host for version, _ in versions_of(routes)}
    for host, found in subsets.items():
        if host not in used:
            raise found.at.refuse(f"no route leads to {host}, so this DestinationRule would not be enacted")
    for version, _ in versions_of(routes):
        if version.subset:
            _check_subset(version, subsets.get(version.host))
    return RouteTable(str(service), _told_apart(routes), shadow_suffix=True, pools=tuple(_pools(routes, subsets)))


def _check_hosts(services: Sequence[Object]) -> None:
    seen: dict[str, Object] = {}
    for service in services:
        for host in service.spec.mapping()["hosts"].items() if "hosts" in service.spec.mapping() else ():
            name = full_name(host.text(), service.namespace)
            if seen.setdefault(name, service) is not service:
                raise host.refuse(
                    f"{name} has a VirtualService already: {seen[name].name} ({seen[name].at.place}); which one stands is undefined"
                )
    if len(services) > 1:
        raise services[1].at.refuse(
            f"{services[1]} is for another service than {services[0]}; a run mirrors one service, so name the files of one"
        )


def _by_host(rules: Sequence[Object]) -> Mapping[str, Subsets]:
    found: dict[str, Subsets] = {}
    for rule in rules:
        subsets = destination_rule.subsets_of(rule)
        if subsets.host in found:
            raise subsets.at.refuse(
                f"{subsets.host} has a DestinationRule already ({found[subsets.host].at.place}); they are not merged here"
            )
        found[subsets.host] = subsets
    return found


def _check_subset(version: Version, known: Subsets | None) -> None:
    if known is None:
        raise version.at.refuse(f"no DestinationRule names the subset {version.name!r}: there is none for {version.host}")
    if version.name not in known.subsets:
        near = get_close_matches(version.name, known.subsets, 1)
        hint = f"did you mean {near[0]}?" if near else f"it knows {', '.join(known.subsets) or 'none'}"
        raise version.at.refuse(f"the DestinationRule for {version.host} ({known.at.place}) names no subset {version.name!r}; {hint}")


def _pools(routes: Sequence[Route], subsets: Mapping[str, Subsets]) -> Iterator[tuple[Version, Pool]]:
    seen: set[str] = set()
    for version, _ in versions_of(routes):
        if version.host in subsets and version.name not in seen:
            seen.add(version.name)
            yield version, subsets[version.host].pool_of(version.name if version.subset else None)


def _of_routes(objects: Sequence[Object]) -> RouteTable:
    names = [http_route.hostnames_of(item) for item in objects]
    for item, hostnames in zip(objects, names, strict=True):
        if hostnames != names[0]:
            raise item.at.refuse(f"{item} has other hostnames than {objects[0]}; a run mirrors one service, so name the files of one")
    return RouteTable(", ".join(map(str, objects)), _told_apart(http_route.routes_of(objects)), shadow_suffix=False)


def _told_apart(routes: Iterable[Route]) -> Sequence[Route]:
    """By its name a request's log shows which route it took, so no two may have one."""
    named: dict[str, Route] = {}
    for route in routes:
        name = written = route.name.replace(COPIED_TO, " ")
        again = 1
        while name in named:
            again += 1
            name = f"{written} ({again})"
        named[name] = replace(route, name=name)
    return tuple(named.values())
