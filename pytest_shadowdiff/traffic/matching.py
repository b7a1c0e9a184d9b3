"""Two captures -> pairs: by our own id, else by method, path and order. What one side alone has is a pair too."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from pytest_shadowdiff.model import Exchange, Pair
from pytest_shadowdiff.traffic import Capture, Captured

_SWITCHING = 101


def pairs(primary: Capture, candidate: Capture) -> list[Pair]:
    """The pairs of two captures, in the order of the primary's requests; then what the candidate alone was asked."""
    if not all(any(one.id for one in capture.exchanges) for capture in (primary, candidate)):
        primary, candidate = _nameless(primary), _nameless(candidate)  # ids that one side alone has tell nothing
    partner: dict[int, Captured] = {}
    rest = list(enumerate(candidate.exchanges))
    for key in (_by_id, _by_target, _by_path):
        rest = _match(primary.exchanges, rest, partner, key)
    found = [_pair(number, one, partner.get(at)) for number, (at, one) in enumerate(enumerate(primary.exchanges), 1)]
    alone = [_pair(number, None, one) for number, (_, one) in enumerate(rest, len(found) + 1)]
    return found + alone


def _nameless(capture: Capture) -> Capture:
    return replace(capture, exchanges=[Captured(one.exchange) for one in capture.exchanges])


def _match(
    primary: Sequence[Captured],
    candidate: Iterable[tuple[int, Captured]],
    partner: dict[int, Captured],
    key: Callable[[Captured], Hashable | None],
) -> list[tuple[int, Captured]]:
    """Give each of the primary's exchanges that has none yet the first of the candidate's with its key; what is left."""
    waiting: dict[Hashable, deque[tuple[int, Captured]]] = defaultdict(deque)
    left: dict[int, Captured] = {}
    for at, one in candidate:
        left[at] = one
        name = key(one)
        if name is not None:
            waiting[name].append((at, one))
    for place, one in enumerate(primary):
        name = key(one)
        if place not in partner and name is not None and waiting[name]:
            at, partner[place] = waiting[name].popleft()
            del left[at]
    return list(left.items())


def _by_id(captured: Captured) -> Hashable | None:
    return captured.id


def _by_target(captured: Captured) -> Hashable | None:
    request = captured.exchange.request
    return None if captured.id else (request.method, request.target)


def _by_path(captured: Captured) -> Hashable | None:
    request = captured.exchange.request
    return None if captured.id else (request.method, request.target.partition("?")[0])


def _pair(number: int, primary: Captured | None, candidate: Captured | None) -> Pair:
    sides = [captured for captured in (primary, candidate) if captured is not None]
    exchanges = [captured.exchange for captured in sides]
    upgraded = any(exchange.response is not None and exchange.response.status == _SWITCHING for exchange in exchanges)
    return Pair(
        id=sides[0].id or f"{number:06}",
        test=None,
        request=exchanges[0].request,
        primary=primary.exchange if primary else _missing(exchanges[0], "primary"),
        candidate=candidate.exchange if candidate else _missing(exchanges[0], "candidate"),
        skipped="an upgrade to another protocol" if upgraded else "",
    )


def _missing(other: Exchange, side: str) -> Exchange:
    problem = f"the capture of the {side} has no such request"
    return Exchange(other.request, None, other.started, problem=problem, tap=other.tap)
