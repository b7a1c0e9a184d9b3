"""What can be said of a pair beside its differences: what was equal, how often it was asked, what was seen of either side."""

from __future__ import annotations

import json

from pytest_shadowdiff.model import SAFE_METHODS, Exchange, Pair, Response


def response_of(exchange: Exchange | None) -> Response | None:
    """The response that was seen, if any."""
    return exchange.response if exchange else None


def said_of(pair: Pair) -> tuple[dict[str, str], str]:
    """What a judge said of each difference, by path, and what else it said of the pair."""
    reasons: dict[str, str] = {}
    rest: list[str] = []
    paths = [difference.path for difference in pair.differences]
    for part in pair.reason.split("; ") if pair.reason else ():
        path = next((path for path in paths if part.startswith(f"{path}: ")), None)
        if path is None:
            rest.append(part)
        else:
            reasons[path] = part.removeprefix(f"{path}: ")
    return reasons, "; ".join(rest)


def equal(pair: Pair) -> str:
    """What was the same, in one line."""
    primary, candidate = response_of(pair.primary), response_of(pair.candidate)
    if primary is None or candidate is None:
        return "nothing that could be compared"
    paths = [difference.path for difference in (*pair.differences, *pair.noise)]
    parts = [f"status {primary.status}"] if "status" not in paths else []
    same = _equal_headers(primary, candidate)
    parts += [f"{same} header" if same == 1 else f"{same} headers"] if same else []
    return ", ".join(parts + _equal_body(pair, primary, candidate)) or "nothing"


def _equal_headers(primary: Response, candidate: Response) -> int:
    def by_name(response: Response) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        for name, value in response.headers:
            values.setdefault(name.lower(), []).append(value)
        return values

    theirs = by_name(candidate)
    return sum(theirs.get(name) == values for name, values in by_name(primary).items())


def _equal_body(pair: Pair, primary: Response, candidate: Response) -> list[str]:
    if primary.body == candidate.body:
        return [f"the body ({len(primary.body)} bytes)"] if primary.body else []
    try:
        total = _leaves(json.loads(primary.body))
    except (ValueError, RecursionError):
        return []
    inside = [difference.primary for difference in (*pair.differences, *pair.noise) if difference.path.startswith("$")]
    differing = sum(_leaves(value) for value in inside if value is not None)
    return [f"{total - differing} of {total} values in the body"] if 0 < differing < total else []


def _leaves(value: object) -> int:
    """How many values a document holds that hold no others."""
    count, rest = 0, [value]
    while rest:
        item = rest.pop()
        inner = list(item.values()) if isinstance(item, dict) else list(item) if isinstance(item, (list, tuple)) else None
        count += not inner
        rest += inner or ()
    return count


def asked(pair: Pair, primary: str, candidate: str) -> str:
    """How much was seen, and so why a difference is not taken for noise; both versions by their names."""
    _, rest = said_of(pair)
    more = f"; {rest}" if rest else ""
    controls = sum(response_of(repeat.control) is not None for repeat in pair.repeats) or int(response_of(pair.control) is not None)
    again = sum(response_of(repeat.candidate) is not None for repeat in pair.repeats)
    if controls and again:
        return f"{primary} {_times(controls)} more, {candidate} {_times(again)} more{more}"
    if controls:
        return f"{primary} {_times(controls)} more{more}"
    if pair.request.method.upper() not in SAFE_METHODS:
        return f"no control: {pair.request.method} is not asked twice{more}"
    return f"no control, so it is not known whether {primary} agrees with itself{more}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def seen(exchange: Exchange | None) -> str:
    """What was seen of one side, in one line."""
    response = response_of(exchange)
    if exchange is None or response is None:
        return "no answer was seen"
    took = f" after {exchange.seconds:.3f} s" if exchange.seconds is not None else ""
    return f"status {response.status}, {len(response.body)} bytes{took}{', cut off' if exchange.truncated else ''}"
