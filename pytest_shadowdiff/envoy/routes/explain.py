"""A table of routes in words, for the summary: what goes where, what is copied, how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_shadowdiff.envoy.routes.model import MILLION, Answer, Edits, Forward, Match, NamedMatch, PathMatch, Redirect, Route, RouteTable


def explain(table: RouteTable, absent: Sequence[str] = ()) -> Sequence[str]:
    """One line for each route, in the order in which they are tried.

    Args:
        table: the routes.
        absent: versions that a mirror names and that this run does not have.
    """
    lines = [f"{table.source}, the first that matches:"]
    lines += [f"  {route.name}: {_match(route.match)} -> {'; '.join(_action(route, absent))}" for route in table.routes]
    lines.append("  all else: 404 from the route, not copied")
    return lines


def share(millionths: int) -> str:
    """A share as people write it: `10 %`, `0.5 %`, `all`."""
    return "all" if millionths == MILLION else f"{millionths * 100 / MILLION:.4f}".rstrip("0").rstrip(".") + " %"


def _match(match: Match) -> str:
    parts = [_path(match.path), *(_named("header ", item) for item in match.headers), *(_named("query ", item) for item in match.query)]
    said = [part for part in parts if part]
    return ", ".join(said) or "every request"


def _path(path: PathMatch) -> str:
    case = " (any case)" if path.ignore_case else ""
    if path.kind == "regex":
        return f"path ~ {path.value}"
    if path.kind == "exact":
        return f"path {path.value}{case}"
    return "" if path.value == "/" else f"path {path.value}{'/' if path.kind == 'segments' else ''}*{case}"


def _named(what: str, item: NamedMatch) -> str:
    sign = {"exact": "=", "prefix": "=", "regex": "~", "present": ""}[item.text.kind]
    star = "*" if item.text.kind == "prefix" else ""
    label = item.name.removeprefix(":") if item.name.startswith(":") else what + item.name
    words = f"{label} {sign} {item.text.value}{star}".strip() if sign else label
    return f"not {words}" if item.absent else words


def _action(route: Route, absent: Sequence[str]) -> Iterator[str]:
    action = route.action
    if isinstance(action, Redirect):
        yield f"{action.code} redirect from the route, not copied"
    elif isinstance(action, Answer):
        yield f"{action.status} from the route, not copied"
    else:
        yield from _forward(action, absent)
    if route.fault is not None and route.fault.delay is not None:
        yield f"delay of {route.fault.delay:g} s for {share(route.fault.delay_millionths)}"
    if route.fault is not None and (route.fault.abort_status or route.fault.abort_grpc) is not None:
        code = route.fault.abort_status or f"gRPC status {route.fault.abort_grpc}"
        yield f"abort with {code} for {share(route.fault.abort_millionths)}"
    if route.cors is not None:
        yield "CORS"
    yield from _edits(route.edits)


def _forward(action: Forward, absent: Sequence[str]) -> Iterator[str]:
    total = sum(item.weight for item in action.destinations)
    several = len(action.destinations) > 1
    yield ", ".join(item.version.name + (f" {share(item.weight * MILLION // total)}" if several else "") for item in action.destinations)
    for mirror in action.mirrors:
        without = ", which is no target of this run: none" if mirror.version.name in absent else ""
        yield f"copy of {share(mirror.millionths)} to {mirror.version.name}{without}"
    if not action.mirrors:
        yield "no copy"
    if action.rewrite is not None:
        rewrite = action.rewrite
        yield f"path by s|{rewrite.pattern}|{rewrite.substitution}|" if rewrite.pattern else f"path prefix {rewrite.prefix}"
    if action.timeout is not None:
        yield f"timeout {action.timeout:g} s"
    if action.retry is None:
        yield "no retry"


def _edits(edits: Edits) -> Iterator[str]:
    if edits.host:
        yield f"Host {edits.host}"
    for side, edit in (("request", edits.request), ("response", edits.response)):
        names = [
            *(f"{name} set" for name, _ in edit.set),
            *(f"{name} added" for name, _ in edit.add),
            *(f"{name} removed" for name in edit.remove),
        ]
        if names:
            yield f"{side} headers: {', '.join(names)}"
