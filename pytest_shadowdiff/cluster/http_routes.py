"""HTTPRoutes -> the edits that let a Gateway (or a mesh) mirror one run's requests. Pure: objects in, edits out.

Before the rules stand copies of them that match the run's header besides. The copy of a rule that leads to the primary leads
to our recorder and mirrors there; the others do what their rules do. All copies ask for one header more than their rules,
so they stand to each other as their rules do, and whoever lacks the header takes the way that it always took.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_shadowdiff.cluster import marks
from pytest_shadowdiff.cluster.objects import Kind
from pytest_shadowdiff.cluster.patching import Document, Edit, apply, inserting
from pytest_shadowdiff.errors import SetupError

HTTP_ROUTES = Kind("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute")
RUN = "x-shadowdiff-run"
RULES, MATCHES, MATCHES_OF_ALL, HEADERS, FILTERS = 16, 64, 128, 16, 16
_RANKS = {"Exact": 0, "PathPrefix": 1, "RegularExpression": 2}
_ONCE = ("retry", "sessionPersistence")
"""A request of the run is asked once, and of our recorder."""

Rank = tuple[int, int, bool, int, int]


class RouteRefusedError(SetupError):
    """A route that is not touched, and why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run wants of the routes of a service.

    Attributes:
        recorder: name of our own Service, in the routes' namespace.
        port: of that Service, where the requests of the run go.
        copies: of that Service, where the Gateway's copies go.
        pods: the ready pods behind each Service of that namespace, by its name.
        primary: the primary's pods.
        named: rules may have names there.
    """

    run: str
    recorder: str
    port: int
    copies: int
    pods: Mapping[str, frozenset[str]]
    primary: frozenset[str]
    named: bool = True


@dataclass(frozen=True, slots=True)
class Planned:
    """How one route is changed.

    Attributes:
        mirrored: the places of the rules whose requests are mirrored.
        notes: lines for the summary.
    """

    edits: tuple[Edit, ...]
    mirrored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def leads(route: Mapping[str, Any], wanted: Wanted) -> bool:
    """Whether any rule of a route leads to the primary."""
    return any(_backend(rule, str(route["metadata"]["namespace"]), wanted) is not None for rule in _rules(route))


def probe_path(run: str) -> str:
    """The path of a run's probes, which no rule of anybody's is for: before ours stands, no version answers them with more than 404."""
    return f"/shadowdiff-probe-{run}"


def planned(route: Mapping[str, Any], beside: Sequence[Mapping[str, Any]], wanted: Wanted, *, probe: bool = False) -> Planned:
    """The edits of one route.

    Args:
        route: as it is now.
        beside: the other routes for the same requests, each of which is planned as well.
        wanted: what the run wants.
        probe: it also gets a rule for the run's probes, which are mirrored whatever else is.

    Raises:
        RouteRefusedError: a rule cannot be mirrored, or the route would outgrow what an HTTPRoute may have.
    """
    mirrored, notes = [], []
    copies: list[Document] = []
    copied = _copied((route, *beside), wanted)
    for number, rule in enumerate(_rules(route)):
        if (0, number) not in copied:
            continue
        place = f"spec.rules[{number}]" + (f" ({rule['name']})" if rule.get("name") else "")
        name = marks.object_name("shadowdiff", wanted.run, str(number))
        backend = _backend(rule, str(route["metadata"]["namespace"]), wanted)
        if backend is not None:
            _check_mirror(route, place, rule)
            mirrored.append(place)
            several = sum(bool(each.get("weight", 1)) for each in rule["backendRefs"])
            if several > 1:
                notes.append(f"{place} shares requests among {several} backends: those of this run all go to the primary")
            copies.append(_mirrored(rule, name, backend, wanted))
        else:
            copies.append(_narrowed(rule, name, wanted))
    if probe and copies:
        copies.append(_probe(wanted))
    _check_size(route, copies)
    edits: list[Edit] = []
    current: Document = dict(route)
    for number, made in enumerate(copies):
        try:
            edit = inserting(current, ("spec", "rules"), made, index=number, key="name" if wanted.named else None)
        except ValueError as error:
            raise RouteRefusedError(f"{spell(route)}: {error}; another run's? `shadowdiff cleanup` takes back what is left.") from None
        edits.append(edit)
        current = apply(current, (edit,))
    return Planned(tuple(edits), tuple(mirrored), tuple(notes))


def spell(route: Mapping[str, Any]) -> str:
    """A route for people."""
    return f"HTTPRoute {route['metadata']['namespace']}/{route['metadata']['name']}"


def rank(match: Mapping[str, Any]) -> Rank:
    """How specific a match is; of two that fit, the lesser decides (Gateway API, HTTPRouteRule.matches)."""
    path = match.get("path") or {}
    kind = path.get("type") or "PathPrefix"
    value = str(path.get("value") or "/")
    if kind == "PathPrefix":
        value = value.rstrip("/") or "/"
    headers = {str(each.get("name")).lower() for each in match.get("headers") or ()}
    queries = {str(each.get("name")) for each in match.get("queryParams") or ()}
    return _RANKS.get(kind, 3), -len(value), not match.get("method"), -len(headers), -len(queries)


def _rules(route: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (route.get("spec") or {}).get("rules") or ()


def _matches(rule: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return rule.get("matches") or [{}]


def _of_a_run(rule: Mapping[str, Any]) -> bool:
    return any(str(header.get("name")).lower() == RUN for match in _matches(rule) for header in match.get("headers") or ())


def _backend(rule: Mapping[str, Any], namespace: str, wanted: Wanted) -> Mapping[str, Any] | None:
    """The backend of a rule that leads to the primary: to it alone rather than to others as well, and the one of most weight."""
    if _of_a_run(rule):
        return None
    found = []
    for each in rule.get("backendRefs") or ():
        weight = int(each.get("weight", 1))
        service = (each.get("group") or "") in ("", "core") and (each.get("kind") or "Service") == "Service"
        here = (each.get("namespace") or namespace) == namespace
        pods = wanted.pods.get(str(each.get("name")), frozenset()) if service and here else frozenset()
        if weight and pods & wanted.primary:
            found.append((pods <= wanted.primary, weight, each))
    return max(found, key=lambda each: each[:2])[2] if found else None


def _check_mirror(route: Mapping[str, Any], place: str, rule: Mapping[str, Any]) -> None:
    backends = [(f"backendRefs[{number}].", each) for number, each in enumerate(rule.get("backendRefs") or ())]
    for where, holder in (("", rule), *backends):
        for number, each in enumerate(holder.get("filters") or ()):
            if each.get("type") == "RequestMirror":
                to = ((each.get("requestMirror") or {}).get("backendRef") or {}).get("name")
                raise RouteRefusedError(
                    f"{spell(route)}, {place}.{where}filters[{number}]: this rule mirrors already, to {to}, and that is not this run's "
                    "doing. Two mirrors of one request could not be told apart: take it out while the run lasts, or take the mirror "
                    "`kubernetes`."
                )


def _narrowed(rule: Mapping[str, Any], name: str, wanted: Wanted) -> Document:
    """The rule for requests of this run alone."""
    made = {key: copy.deepcopy(value) for key, value in rule.items() if key not in ("name", "matches")}
    header = {"type": "Exact", "name": RUN, "value": wanted.run}
    matches = [{**copy.deepcopy(dict(match)), "headers": [*(match.get("headers") or ()), header]} for match in _matches(rule)]
    return {**({"name": name} if wanted.named else {}), "matches": matches, **made}


def _mirrored(rule: Mapping[str, Any], name: str, backend: Mapping[str, Any], wanted: Wanted) -> Document:
    """The rule for requests of this run, through our recorder; what it does to requests, both versions get."""
    made = _narrowed(rule, name, wanted)
    for field in _ONCE:
        made.pop(field, None)
    kept = {"filters": copy.deepcopy(backend["filters"])} if backend.get("filters") else {}
    recorder, mirror = _recorder(wanted)
    made["backendRefs"] = [{**recorder, **kept}]
    made["filters"] = [*made.get("filters", ()), mirror]
    return made


def _probe(wanted: Wanted) -> Document:
    recorder, mirror = _recorder(wanted)
    rule = {"matches": [{"path": {"type": "Exact", "value": probe_path(wanted.run)}}], "backendRefs": [recorder], "filters": [mirror]}
    return _narrowed(rule, marks.object_name("shadowdiff", wanted.run, "probe"), wanted)


def _recorder(wanted: Wanted) -> tuple[Document, Document]:
    """Our recorder as a backend, and the filter that mirrors to it."""
    service = {"group": "", "kind": "Service", "name": wanted.recorder}
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {**service, "port": wanted.copies}}}
    return {**service, "port": wanted.port, "weight": 1}, mirror


def _copied(routes: Sequence[Mapping[str, Any]], wanted: Wanted) -> frozenset[tuple[int, int]]:
    """The rules that get a copy: those that lead to the primary, those that such a copy would come before, and so on."""
    rules = {(at, number): rule for at, route in enumerate(routes) for number, rule in enumerate(_rules(route)) if not _of_a_run(rule)}
    chosen = {key for key, rule in rules.items() if _backend(rule, str(routes[key[0]]["metadata"]["namespace"]), wanted) is not None}
    fresh = set(chosen)
    while fresh:
        before = [match for key in fresh for match in _matches(rules[key])]
        fresh = {
            key
            for key, rule in rules.items()
            if key not in chosen and any(_overtakes(one, match) for one in before for match in _matches(rule))
        }
        chosen |= fresh
    return frozenset(chosen)


def _overtakes(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a match with a header more might come before another that, without it, might come before the match itself."""
    mine, theirs = rank(one), rank(other)
    more = (*mine[:3], mine[3] - 1, mine[4])
    return more <= theirs <= mine and _may_both_fit(one, other)


def _may_both_fit(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    paths = [(each.get("path") or {}) for each in (one, other)]
    values = {str(path.get("value") or "/").rstrip("/") for path in paths}
    regular = any(path.get("type") == "RegularExpression" for path in paths)
    return (regular or len(values) == 1) and len({each["method"] for each in (one, other) if each.get("method")}) < 2  # noqa: PLR2004


def _check_size(route: Mapping[str, Any], copies: Sequence[Document]) -> None:
    rules = [*_rules(route), *copies]
    if len(rules) > RULES:
        raise RouteRefusedError(
            f"{spell(route)}, spec.rules: {len(_rules(route))} rules, and {len(copies)} more for this run's requests; "
            f"an HTTPRoute may have {RULES}. Split it into two routes, or take the mirror `kubernetes`."
        )
    total = sum(len(_matches(rule)) for rule in rules)
    if total > MATCHES_OF_ALL:
        raise RouteRefusedError(
            f"{spell(route)}, spec.rules: with this run's copies they would have {total} matches; an HTTPRoute may have {MATCHES_OF_ALL}. "
            "Split it into two routes, or take the mirror `kubernetes`."
        )
    for made in copies:
        if any(len(match["headers"]) > HEADERS for match in made["matches"]) or len(made.get("filters", ())) > FILTERS:
            raise RouteRefusedError(
                f"{spell(route)}: a rule has {HEADERS} headers to match or {FILTERS} filters, as many as it may, so it cannot get one "
                "more for this run. Split it, or take the mirror `kubernetes`."
            )
