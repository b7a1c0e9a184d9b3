"""VirtualService and DestinationRule -> the edits that let the mesh mirror one run's requests. Pure: objects in, edits out.

Requests of a run carry a header that says their way. Before each route that they may take stand copies of it, which match
that header besides: one leads to our recorder and lets the mesh mirror there, one to each version, as the route itself
does. Whoever lacks the header takes the way that they always took.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_shadowdiff.cluster.patching import Document, Edit, apply, inserting
from pytest_shadowdiff.errors import SetupError

WAY = "x-shadowdiff-way"
PROBE = "x-shadowdiff-probe"
ANSWERED = "x-shadowdiff-answered"
MESH = "mesh"
SAFE = ("GET", "HEAD", "OPTIONS")
PREFIX = "shadowdiff-"
OWN_ANSWERS = ("redirect", "directResponse")
MIRRORS = ("mirror", "mirrors", "mirrorPercentage", "mirrorPercent", "mirror_percent")


class RefusedError(SetupError):
    """An object that is not touched, and why."""


@dataclass(frozen=True, slots=True)
class Side:
    """Where one version stands in the mesh.

    Attributes:
        host: full name of its Service.
        labels: those that tell it from the others behind that Service; none where the Service is the version's own.
        pods: names of its pods.
        authority: the Host that it is to get; empty for the caller's.
    """

    host: str
    labels: Mapping[str, str]
    pods: frozenset[str]
    authority: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run wants of a service's routes.

    Attributes:
        host: full name of the Service.
        port: of the Service, by which requests come in.
        sides: the versions, by "primary", "candidate" and (where there is one) "control".
        recorder: full name of our own Service.
        ports: of our own Service, by side.
        pods: labels of the pods behind each Service that routes may name, by its full name and the pod's name.
        unsafe: methods other than GET, HEAD and OPTIONS may be mirrored.
    """

    run: str
    namespace: str
    host: str
    port: int
    sides: Mapping[str, Side]
    recorder: str
    ports: Mapping[str, int]
    pods: Mapping[str, Mapping[str, Mapping[str, str]]]
    unsafe: bool = False

    def way(self, to: str) -> str:
        """The value of the header that sends a request that way: "mirror", or a side."""
        return f"{self.run}.{to}"

    def subset(self, side: str) -> str:
        """The name of a subset of ours."""
        return f"{PREFIX}{self.run}-{side}"


@dataclass(frozen=True, slots=True)
class Routed:
    """How the mesh is to route.

    Attributes:
        routes: what is put into `spec.http`, and before which of its elements.
        subsets: the subsets that DestinationRules lack, by side.
        notes: lines for the summary.
    """

    routes: tuple[tuple[int, Document], ...]
    subsets: Mapping[str, Document] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def full_name(host: str, namespace: str) -> str:
    """A Service's name as Istio reads it: only one without a dot is short."""
    return host if "." in host or host.startswith("*") else f"{host}.{namespace}.svc.cluster.local"


def covers(pattern: str, host: str) -> bool:
    """Whether a host of a route stands for a Service: itself, `*`, or `*.` and the end of its name."""
    return pattern in (host, "*") or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def service_of(found: Sequence[Mapping[str, Any]], wanted: Wanted) -> Mapping[str, Any] | None:
    """The one VirtualService that decides over the Service for callers in the mesh; None where there is none.

    Raises:
        RefusedError: several, or one that is not for callers in the mesh.
    """
    mine = [each for each in found if _rank(each, wanted)]
    best = max((_rank(each, wanted) for each in mine), default=0)
    chosen = [each for each in mine if _rank(each, wanted) == best]
    if len(chosen) > 1:
        names = ", ".join(sorted(str(each["metadata"]["name"]) for each in chosen))
        raise RefusedError(
            f"VirtualServices {names} in namespace {wanted.namespace} are all for the host {wanted.host}: the mesh enacts one of them and "
            "ignores the others, and which is not defined. Join them into one."
        )
    if not chosen:
        return None
    _check(chosen[0], wanted)
    return chosen[0]


def _rank(found: Mapping[str, Any], wanted: Wanted) -> int:
    """How closely its hosts name the Service: 0 not at all; the closer one decides."""
    hosts = [full_name(str(host), str(found["metadata"]["namespace"])) for host in (found.get("spec") or {}).get("hosts") or ()]
    lengths = [len(wanted.host) + 1 if host == wanted.host else len(host) for host in hosts if covers(host, wanted.host)]
    return max(lengths, default=0)


def _check(found: Mapping[str, Any], wanted: Wanted) -> None:
    spec = found["spec"]
    name = spell(found)
    gateways = spec.get("gateways") or [MESH]
    if MESH not in gateways:
        raise RefusedError(
            f"{name}, spec.gateways: it is for the gateways {', '.join(map(str, gateways))} alone, and what a client in the mesh "
            f"sends never takes it. Add `{MESH}` to spec.gateways."
        )
    exported = spec.get("exportTo") or ["*"]
    if not {"*", ".", wanted.namespace} & set(exported):
        raise RefusedError(
            f"{name}, spec.exportTo: clients in namespace {wanted.namespace}, where ours stands, do not see it ({', '.join(exported)}). "
            "Add `.` to it."
        )
    if not spec.get("http"):
        kinds = ", ".join(kind for kind in ("tls", "tcp") if spec.get(kind)) or "no"
        raise RefusedError(f"{name}: it has {kinds} routes and none for HTTP, so there is nothing that mirrors. Add spec.http to it.")
    for number, route in enumerate(spec["http"]):
        if route.get("delegate"):
            other = route["delegate"]
            raise RefusedError(
                f"{name}, spec.http[{number}].delegate: its routes stand in VirtualService "
                f"{other.get('namespace') or found['metadata']['namespace']}/{other.get('name')}, which is not patched for it. "
                "Write them into this one, or take the mirror `kubernetes`."
            )


def subsets_of(rules: Sequence[Mapping[str, Any]], host: str) -> Mapping[str, Mapping[str, str]]:
    """The labels of each subset of a host; those of runs are left out."""
    return {
        str(subset["name"]): subset.get("labels") or {}
        for rule in rules_of(rules, host)
        for subset in rule["spec"].get("subsets") or ()
        if not str(subset.get("name", "")).startswith(PREFIX)
    }


def rules_of(rules: Sequence[Mapping[str, Any]], host: str) -> Sequence[Mapping[str, Any]]:
    """The DestinationRules for exactly that host, the oldest first, as Istio joins them."""
    mine = [rule for rule in rules if full_name(str(rule["spec"].get("host", "")), str(rule["metadata"]["namespace"])) == host]
    return sorted(mine, key=lambda rule: (str(rule["metadata"].get("creationTimestamp", "")), str(rule["metadata"]["name"])))


def routed(found: Mapping[str, Any] | None, rules: Sequence[Mapping[str, Any]], wanted: Wanted) -> Routed:
    """What is put before the routes of a VirtualService (None: there is none, and all requests go to the Service).

    Raises:
        RefusedError: something in it cannot be mirrored, or not told from what it might be.
    """
    return _Router(found, rules, wanted).routed()


def spell(found: Mapping[str, Any]) -> str:
    """An object for people."""
    metadata = found["metadata"]
    return f"{found.get('kind', 'VirtualService')} {metadata['namespace']}/{metadata['name']}"


class _Router:
    def __init__(self, found: Mapping[str, Any] | None, rules: Sequence[Mapping[str, Any]], wanted: Wanted) -> None:
        self._found = found
        self._rules = rules
        self._wanted = wanted
        self._namespace = str(found["metadata"]["namespace"]) if found else wanted.namespace
        self._subsets: dict[str, Document] = {}
        self._notes: list[str] = []

    def routed(self) -> Routed:
        theirs: Sequence[Mapping[str, Any]] = [{"route": [{"destination": {"host": self._wanted.host}}]}]
        if self._found is not None:
            theirs = self._found["spec"]["http"]
        made = [(0, self._probe())]
        mirrored = 0
        for number, route in enumerate(theirs):
            if str(route.get("name", "")).startswith(PREFIX):
                continue  # another worker's of this run
            copies = list(self._copies(number, route))
            mirrored += bool(copies)
            made += [(number, each) for each in copies]
        if not mirrored:
            place = spell(self._found) if self._found else f"Service {self._wanted.host}"
            raise RefusedError(
                f"{place}: none of its http routes leads to the primary's pods "
                f"({', '.join(sorted(self._wanted.sides['primary'].pods))}), so no request of this run would be mirrored. "
                "Is the primary the version that answers callers now? " + " ".join(self._notes)
            )
        return Routed(tuple(made), self._subsets, tuple(self._notes))

    def _probe(self) -> Document:
        """Its own probes are mirrored whatever they ask for, and answered before they reach a version."""
        headers = {WAY: {"exact": self._wanted.way("mirror")}, PROBE: {}}
        return {"name": f"{PREFIX}{self._wanted.run}-probe", "match": [{"headers": headers}], **self._to_recorder()}

    def _to_recorder(self) -> Document:
        primary, candidate = (
            {"host": self._wanted.recorder, "port": {"number": self._wanted.ports[side]}} for side in ("primary", "candidate")
        )
        return {"route": [{"destination": primary}], "mirror": candidate, "mirrorPercentage": {"value": 100.0}, "retries": {"attempts": 0}}

    def _copies(self, number: int, route: Mapping[str, Any]) -> Iterator[Document]:
        """Nothing for a route that answers by itself or leads elsewhere: there requests go where they always went."""
        place = f"spec.http[{number}]" + (f" ({route['name']})" if route.get("name") else "")
        matches = [match for match in route.get("match") or [{}] if self._may_be_ours(match)]
        if not matches:
            self._notes.append(f"{place} is not for clients like ours: not mirrored")
            return
        if any(name in route for name in OWN_ANSWERS):
            self._notes.append(f"{place} answers by itself: not mirrored")
            return
        chosen = self._primary(place, route)
        if chosen is None:
            return
        self._refuse_mirrors(place, route)
        name = f"{PREFIX}{self._wanted.run}-{number}"
        ours = [each for match in matches if (each := self._narrowed(match, "mirror")) is not None]
        if not ours:
            self._notes.append(f"{place} matches no safe method: not mirrored")
            return
        yield {"name": f"{name}-mirror", "match": ours, **self._to_recorder()}
        for side, version in self._wanted.sides.items():
            destination = chosen if side == "primary" else {"destination": self._destination(side, chosen["destination"])}
            narrowed = [self._narrowed(match, side) for match in matches]
            yield self._to_version(f"{name}-{side}", route, [each for each in narrowed if each is not None], destination, version)

    def _may_be_ours(self, match: Mapping[str, Any]) -> bool:
        gateways = match.get("gateways")
        namespace = match.get("sourceNamespace")
        return not match.get("sourceLabels") and (not gateways or MESH in gateways) and namespace in (None, "", self._wanted.namespace)

    def _narrowed(self, match: Mapping[str, Any], to: str) -> Document | None:
        """The match, for requests that carry this run's header; None where none of them could fit."""
        narrowed = copy.deepcopy(dict(match))
        narrowed["headers"] = {**(match.get("headers") or {}), WAY: {"exact": self._wanted.way(to)}}
        if narrowed.get("name"):
            narrowed["name"] = f"{PREFIX}{self._wanted.run}-{narrowed['name']}"
        if to == "mirror" and not self._wanted.unsafe:
            methods = [method for method in SAFE if _fits(method, match.get("method"))]
            if not methods:
                return None
            narrowed["method"] = {"exact": methods[0]} if len(methods) == 1 else {"regex": "|".join(methods)}
        return narrowed

    def _refuse_mirrors(self, place: str, route: Mapping[str, Any]) -> None:
        for name in MIRRORS[:2]:
            if route.get(name):
                raise RefusedError(
                    f"{spell(self._found or {})}, {place}.{name}: this route mirrors already, to {_named(route[name])}, "
                    "and that is not this run's doing. Two mirrors of one request could not be told apart: "
                    "take it out while the run lasts, or take the mirror `kubernetes`."
                )

    def _to_version(
        self, name: str, route: Mapping[str, Any], matches: list[Document], destination: Mapping[str, Any], version: Side
    ) -> Document:
        """The route itself, to one version."""
        made = {key: copy.deepcopy(value) for key, value in route.items() if key not in (*MIRRORS, "name", "match", "route")}
        headers = made.setdefault("headers", {})
        request, response = headers.setdefault("request", {}), headers.setdefault("response", {})
        request["remove"] = [*(request.get("remove") or []), WAY]
        response["set"] = {**(response.get("set") or {}), ANSWERED: "%RESPONSE_CODE_DETAILS%"}
        if version.authority:
            made["rewrite"] = {**(made.get("rewrite") or {}), "authority": version.authority}
        return {"name": name, "match": matches, "route": [copy.deepcopy(dict(destination))], **made}

    def _primary(self, place: str, route: Mapping[str, Any]) -> Document | None:
        """Where the route leads a request to the primary; None where it never does."""
        shares = [each for each in route.get("route") or () if each.get("weight", 100 if len(route["route"]) == 1 else 0)]
        leads = [(each, self._pods(place, each.get("destination") or {})) for each in shares]
        primary = self._wanted.sides["primary"]
        pinned = [each for each, pods in leads if pods and pods <= primary.pods]
        mixed = [each for each, pods in leads if pods & primary.pods]
        if not mixed:
            self._notes.append(f"{place} does not lead to the primary: not mirrored")
            return None
        if len(leads) > 1:
            self._notes.append(f"{place} shares requests among {len(leads)} destinations: those of this run all go to the primary")
        if pinned:
            heaviest = max(pinned, key=lambda each: int(each.get("weight") or 0))
            return {key: value for key, value in heaviest.items() if key != "weight"}
        return {"destination": self._destination("primary", mixed[0]["destination"])}

    def _pods(self, place: str, destination: Mapping[str, Any]) -> frozenset[str]:
        """The pods that a destination leads to, as far as they are pods of the Service or of a version."""
        host = full_name(str(destination.get("host", "")), self._namespace)
        pods = self._wanted.pods.get(host)
        if pods is None:
            return frozenset()
        subset = destination.get("subset")
        if not subset:
            return frozenset(pods)
        subsets = subsets_of(self._rules, host)
        if subset not in subsets:
            raise RefusedError(
                f"{spell(self._found or {})}, {place}: leads to the subset {subset!r} of {host}, which no DestinationRule in namespace "
                f"{self._wanted.namespace} has (they have: {', '.join(sorted(subsets)) or 'none'}). "
                "Add it to the DestinationRule of that host."
            )
        labels = subsets[subset]
        return frozenset(name for name, has in pods.items() if all(has.get(key) == value for key, value in labels.items()))

    def _destination(self, side: str, like: Mapping[str, Any]) -> Document:
        """A version, by a subset that selects its pods and no others; one of ours where none does."""
        version = self._wanted.sides[side]
        host = version.host
        made: Document = {"host": host}
        if full_name(str(like.get("host", "")), self._namespace) == host and like.get("port"):
            made["port"] = dict(like["port"])
        if not version.labels:
            return made
        pods = self._wanted.pods.get(host, {})
        for name, labels in sorted(subsets_of(self._rules, host).items()):
            selected = {pod for pod, has in pods.items() if all(has.get(key) == value for key, value in labels.items())}
            if selected == version.pods and all(labels.get(key) == value for key, value in version.labels.items()):
                return {**made, "subset": name}
        self._subsets[side] = {"name": self._wanted.subset(side), "labels": dict(version.labels)}
        return {**made, "subset": self._wanted.subset(side)}


def _fits(method: str, match: Mapping[str, Any] | None) -> bool:
    """Whether a method is one that a string match lets through."""
    if not match:
        return True
    if "exact" in match:
        return bool(match["exact"] == method)
    if "prefix" in match:
        return method.startswith(str(match["prefix"]))
    try:
        return re.fullmatch(str(match.get("regex", ".*")), method) is not None
    except re.error:
        return False


def _named(mirror: object) -> str:
    first = mirror[0].get("destination", {}) if isinstance(mirror, list) else mirror
    return str(first.get("subset") or first.get("host")) if isinstance(first, Mapping) else str(first)


def insertions(found: Mapping[str, Any], made: Routed) -> tuple[Edit, ...]:
    """The edits that put the routes where they belong."""
    edits: list[Edit] = []
    current: Document = dict(found)
    theirs = [number for number, _ in enumerate(found["spec"]["http"])]
    for shift, (before, route) in enumerate(made.routes):
        edit = inserting(current, ("spec", "http"), route, index=theirs[before] + shift, key="name")
        current = apply(current, (edit,))
        edits.append(edit)
    return tuple(edits)


def virtual_service(made: Routed, wanted: Wanted) -> Document:
    """A VirtualService for a Service that has none: the routes, and after them the way that all others took before."""
    last = {"name": "everybody-else", "route": [{"destination": {"host": wanted.host}}]}
    return {"spec": {"hosts": [wanted.host], "http": [*(route for _, route in made.routes), last]}}


def destination_rule(made: Routed, wanted: Wanted, side: str) -> Document:
    """A DestinationRule for a host that has none."""
    return {"spec": {"host": wanted.sides[side].host, "subsets": [made.subsets[side]]}}
