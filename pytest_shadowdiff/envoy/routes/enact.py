"""A table of routes and the targets of a run -> all that an Envoy needs to enact it, and what its log then says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_shadowdiff.envoy import marks
from pytest_shadowdiff.envoy.routes import translate
from pytest_shadowdiff.envoy.routes.explain import explain
from pytest_shadowdiff.envoy.routes.model import Forward, Route, RouteTable
from pytest_shadowdiff.envoy.routes.targets import Cast, Targets, cast

Json = dict[str, Any]

LOG_FORMAT: Mapping[str, str] = {
    "id": f"%REQ({marks.ID})%",
    "run": f"%REQ({marks.RUN})%",
    "method": "%REQ(:METHOD)%",
    "target": "%REQ(:PATH)%",
    "started": "%START_TIME(%s.%6f)%",
    "route": "%ROUTE_NAME%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "status": "%RESPONSE_CODE%",
    "tries": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
}
"""What the access log of the listener with the routes has to say of each request (`json_format`) for `Enacted.outcome`."""

_BY_VERSION = "via_upstream"
_OWN_ANSWERS = {
    "direct_response": "the route answers by itself",
    "cors_response": "the route answers preflights by itself (CORS)",
    "cors_response_forbidden": "the route answers preflights by itself (CORS)",
    "fault_filter_abort": "the route aborted it on purpose (fault)",
    "route_not_found": "no rule of the route matches",
}


_BEFORE_ROUTES = frozenset({"route_not_found"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the route did to one request.

    Attributes:
        skipped: why there is no pair, on purpose; empty where there is one.
        problem: why no verdict is possible: a proxy answered in a version's place.
        tries: how often the version got it.
    """

    skipped: str = ""
    problem: str = ""
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Enacted:
    """A table of routes made ready for an Envoy.

    Attributes:
        routes: its routes, in the order in which they are tried; their clusters are the sides.
        filters: the HTTP filters that have to stand before the router of the listener with the routes.
        clusters: what is to be laid over the settings of clusters, by their names.
    """

    table: RouteTable
    cast: Cast
    routes: Sequence[Json]
    filters: Sequence[Json]
    clusters: Mapping[str, Json]
    _by_name: Mapping[str, tuple[Route, bool]] = field(repr=False)

    def explain(self) -> Sequence[str]:
        """Lines for the summary."""
        return explain(self.table, self.cast.absent)

    def outcome(self, entry: Mapping[str, object]) -> Outcome | None:
        """What became of a request; None where it did not take these routes (a probe, a control, what is asked again).

        Args:
            entry: its line in the access log, written in `LOG_FORMAT`.
        """
        details = str(entry.get("details") or "")
        name = str(entry.get("route") or "")
        if not name and details not in _BEFORE_ROUTES:
            return None
        if details != _BY_VERSION:
            return _without_version(details, entry.get("status"))
        if name not in self._by_name:
            return Outcome(problem=f"the proxy's log names a route that is not ours: {name!r}")
        tries = int(str(entry.get("tries") or 1))
        return Outcome(skipped=self._why_no_pair(*self._by_name[name], entry.get("cluster")), tries=tries)

    def _why_no_pair(self, route: Route, copied: bool, cluster: object) -> str:  # noqa: FBT001 - a pair that a mapping holds
        if cluster == "candidate":
            return f"the route sent it to the candidate itself ({route.name})"
        if copied:
            return ""
        return f"not in the sample of {route.name}" if self._copies(route) else f"{route.name} has no mirror to the candidate"

    def _copies(self, route: Route) -> bool:
        mirrors = route.action.mirrors if isinstance(route.action, Forward) else ()
        return any(self.cast.roles.get(mirror.version.name) == "candidate" for mirror in mirrors)


def enact(table: RouteTable, targets: Targets) -> Enacted:
    """Make a table ready for an Envoy whose clusters are named by the sides of a run.

    Args:
        table: the routes.
        targets: the targets of this run by side.

    Raises:
        SettingsError: no target stands for a version that the routes name.
    """
    players = cast(table, targets)
    by_name: dict[str, tuple[Route, bool]] = {}
    for route in table.routes:
        for name, variant, _ in translate.variants(route):
            mirrors = variant.action.mirrors if isinstance(variant.action, Forward) else ()
            by_name[name] = (route, any(players.roles.get(mirror.version.name) == "candidate" for mirror in mirrors))
    pools = {players.roles[version.name]: pool for version, pool in table.pools if version.name in players.roles}
    return Enacted(
        table=table,
        cast=players,
        routes=translate.envoy_routes(table, players.roles),
        filters=translate.HTTP_FILTERS,
        clusters={
            **{role: translate.entry_settings(pool) for role, pool in pools.items()},
            **{f"version-{role}": translate.version_settings(pool) for role, pool in pools.items()},
        },
        _by_name=by_name,
    )


def _without_version(details: str, status: object) -> Outcome:
    if details in _OWN_ANSWERS:
        return Outcome(skipped=_OWN_ANSWERS[details])
    if "timeout" in details and "connect" not in details:
        return Outcome(skipped="the route's timeout passed")
    return Outcome(problem=f"a proxy answered {status} in the version's place: {details or 'no reason given'}")
