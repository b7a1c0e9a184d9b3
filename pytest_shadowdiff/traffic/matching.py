"""Two captures -> pairs: by our own id, else by method, path and order. What one side alone has is a pair too.

A log's lines stand in the order in which answers ended, so among requests that look alike it proves less: see `alike`.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from pytest_shadowdiff.model import Exchange, Pair
from pytest_shadowdiff.traffic import Capture, Captured, alike

_SWITCHING = 101


def pairs(primary: Capture, candidate: Capture) -> list[Pair]:
    """The pairs of two captures, in the order of the primary's requests; then what the candidate alone was asked."""
    if not all(any(one.id for one in capture.exchanges) for capture in (primary, candidate)):
        primary, candidate = _nameless(primary), _nameless(candidate)  # ids that one side alone has tell nothing
    partner: dict[int, Captured] = {}
    rest = _match(primary.exchanges, list(enumerate(candidate.exchanges)), partner, _by_id)
    if primary.proves_order and candidate.proves_order:
        for key in (_by_target, _by_path):
            rest = _match(primary.exchanges, rest, partner, key)
    else:
        _doubt_repeated(primary, candidate, partner)
        key = _by_target if all(_shows_queries(capture) for capture in (primary, candidate)) else _by_path
        rest = _match_alike(primary.exchanges, rest, partner, key)
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


def _match_alike(
    primary: Sequence[Captured],
    candidate: Iterable[tuple[int, Captured]],
    partner: dict[int, Captured],
    key: Callable[[Captured], Hashable | None],
) -> list[tuple[int, Captured]]:
    """The same, where the order of those with one key proves little."""
    groups: dict[Hashable, tuple[list[alike.Placed], list[alike.Placed]]] = defaultdict(lambda: ([], []))
    left = dict(candidate)
    for side, placed in ((0, enumerate(primary)), (1, left.items())):
        for at, one in placed:
            if side or at not in partner:
                groups[key(one)][side].append((at, one))
    groups.pop(None, None)
    for ones, others in groups.values():
        for match in alike.matched(ones, others):
            at, one = match.candidate
            exchange = replace(one.exchange, problem=match.problem, tap=f"{one.exchange.tap}, by method, path and order")
            partner[match.primary[0]] = replace(one, exchange=exchange)
            del left[at]
    return list(left.items())


def _doubt_repeated(primary: Capture, candidate: Capture, partner: dict[int, Captured]) -> None:
    """An id that a side shows twice does not tell which of both is the answer."""
    counts = [Counter(one.id for one in capture.exchanges) for capture in (primary, candidate)]
    for at, one in partner.items():
        if any(count[one.id] > 1 for count in counts):
            partner[at] = replace(
                one, exchange=replace(one.exchange, problem="ambiguous: its id stands more than once in a log (a retry?)")
            )


def _shows_queries(capture: Capture) -> bool:
    return any("?" in one.exchange.request.target for one in capture.exchanges)


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
