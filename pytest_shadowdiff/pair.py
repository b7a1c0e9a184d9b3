"""Match the exchanges of one request by its id, and name those that are missing, late or seen twice.

Nothing is compared here. A pair is handed out once, when nothing is owed any more or when its time is up.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pytest_shadowdiff.model import Exchange, Pair, Repeat, Request, Role
from pytest_shadowdiff.spool import Event, Gap, Opened, Routed, Seen, Skipped

GRACE = 1.0
"""Seconds that whoever sees an exchange gets to write it down, after the exchange's own time is up."""
EARLY = 4096
"""How many exchanges may be seen before it is known that their pair was opened: each writer has a file of its own."""
REMEMBERED = 65536
"""How many pairs are remembered after their verdict, to tell what comes late from what comes early."""


@dataclass(slots=True)
class _Owed:
    """A pair in the making."""

    opened: Opened
    seen: dict[tuple[Role, int], Exchange] = field(default_factory=dict)
    skipped: str = ""
    tried: list[Exchange] = field(default_factory=list)
    routed: Routed | None = None
    asked: int = 0
    asked_until: float = 0.0
    handed_out: bool = False

    @property
    def answered(self) -> float | None:
        """When the primary's answer ended."""
        primary = self.seen.get(("primary", 0))
        return None if primary is None else primary.started + (primary.seconds or 0.0)

    def whole(self, *, routes: bool) -> bool:
        if self.skipped:
            return True
        if routes and (self.routed is None or (not self.routed.problem and len(self.tried) < self.routed.tries)):
            return False
        if self.asked:
            return ("control", self.asked) in self.seen and ("candidate", self.asked) in self.seen
        # A request of which nothing is owed is one that will be named as skipped.
        return bool(self.opened.owed) and all((role, 0) in self.seen for role in self.opened.owed)


class Pairer:
    """Exchanges in, pairs out.

    Args:
        timeout: seconds after the primary's answer that the other answers may take.
        origins: `scheme://host:port` by which the version in each role may know itself.
    """

    def __init__(self, timeout: float, origins: Mapping[Role, tuple[str, ...]] | None = None) -> None:
        self._timeout = timeout
        self._origins = origins or {}
        self._owed: dict[str, _Owed] = {}
        self._gaps: list[Gap] = []
        self._ended: dict[str, float] = {}
        self._open: Counter[str | None] = Counter()
        self._early: deque[Seen | Skipped | Routed] = deque()
        self._closed: dict[str, None] = {}
        self._unmatched: Counter[str] = Counter()
        self._routes = False

    @property
    def unmatched(self) -> Counter[str]:
        """How many exchanges belong to no pair that is owed them, by what is known of them."""
        return self._unmatched + Counter({"of a request that did not come through the relay": len(self._early)})

    def feed(self, event: Event) -> str | None:
        """Take one event in.

        Returns:
            The id of the pair that it belongs to, where there is one that is still owed something.
        """
        if isinstance(event, Gap):
            self._gaps.append(event)
            return None
        if isinstance(event, Routed) and not event.pair:
            self._routes = True
            return None
        if isinstance(event, Opened):
            self._owed[event.pair] = _Owed(event)
            self._open[event.test] += 1
            if self._early:
                self._claim(event.pair)
            return event.pair
        owed = self._owed.get(event.pair)
        if owed is None:
            self._not_owed(event)
            return None
        if isinstance(event, Skipped):
            owed.skipped = event.reason
        elif isinstance(event, Routed):
            owed.routed = event
        else:
            self._see(owed, event)
        return event.pair

    def _claim(self, pair: str) -> None:
        """What was seen of a pair before it was opened."""
        early, self._early = self._early, deque()
        for event in early:
            if event.pair == pair:
                self.feed(event)
            else:
                self._early.append(event)

    def _not_owed(self, event: Seen | Skipped | Routed) -> None:
        if event.pair in self._closed:
            self._unmatched["seen after its verdict"] += isinstance(event, Seen)
            return
        self._early.append(event)
        if len(self._early) > EARLY:
            self._early.popleft()
            self._unmatched["of a request that did not come through the relay"] += 1

    def _see(self, owed: _Owed, event: Seen) -> None:
        key = (event.role, event.attempt)
        if key == ("primary", 0):
            owed.tried.append(event.exchange)
        earlier = owed.seen.get(key)
        if earlier is None:
            own = self._origins.get(event.role, ())
            owed.seen[key] = replace(event.exchange, origins=own) if own else event.exchange
            return
        again = f"the {event.role} was seen answering this request twice (a retry, or a duplicate on the way)"
        owed.seen[key] = replace(earlier, problem=earlier.problem or again)

    def end(self, test: str, now: float) -> None:
        """The test has ended: answers that are still under way get the timeout from now on."""
        self._ended[test] = now

    def busy(self, test: str | None) -> bool:
        """Whether anything is still owed to a test."""
        return self._open[test] > 0

    def ready(self, pair: str, now: float) -> Pair | None:
        """The pair, if nothing is owed to it any more or its time is up; each state is handed out once."""
        owed = self._owed[pair]
        if owed.handed_out or not (owed.whole(routes=self._routes) or self._late(owed, now)):
            return None
        owed.handed_out = True
        return self._made(owed)

    def overdue(self, now: float) -> Iterator[Pair]:
        """The pairs whose time is up."""
        for pair, owed in list(self._owed.items()):
            if not owed.handed_out and self._late(owed, now):
                made = self.ready(pair, now)
                if made is not None:
                    yield made

    def ask(self, pair: str, now: float) -> int:
        """The pair was asked again: it is owed a control and a candidate once more.

        Returns:
            The number of the attempt.
        """
        owed = self._owed[pair]
        owed.asked += 1
        owed.asked_until = now + 2 * self._timeout + GRACE
        owed.handed_out = False
        return owed.asked

    def close(self, pair: str) -> None:
        """The verdict is final; whatever is seen of it from now on is late."""
        owed = self._owed.pop(pair, None)
        if owed is None:
            return
        self._open[owed.opened.test] -= 1
        self._closed[pair] = None
        if len(self._closed) > REMEMBERED:
            del self._closed[next(iter(self._closed))]

    def open_pairs(self) -> Iterator[Pair]:
        """What is still owed something, as it stands: for the end of a run that was broken off."""
        for owed in list(self._owed.values()):
            yield self._made(owed)

    def _late(self, owed: _Owed, now: float) -> bool:
        if owed.asked:
            return now > owed.asked_until
        since = owed.answered
        if since is None:
            ended = self._ended.get(owed.opened.test or "")
            return ended is not None and now > ended + self._timeout + GRACE
        return now > since + self._timeout + GRACE

    def _made(self, owed: _Owed) -> Pair:
        opened, seen = owed.opened, owed.seen
        repeats = tuple(Repeat(seen.get(("control", number)), seen.get(("candidate", number))) for number in range(1, owed.asked + 1))
        return Pair(
            id=opened.pair,
            test=opened.test,
            request=opened.request,
            primary=self._one(owed, "primary"),
            candidate=self._one(owed, "candidate"),
            control=seen.get(("control", 0)) or (repeats[0].control if repeats else None),
            repeats=repeats,
            skipped=owed.skipped,
        )

    def _one(self, owed: _Owed, role: Role) -> Exchange | None:
        exchange = owed.seen.get((role, 0))
        if role == "primary" and self._routes and not owed.skipped:
            exchange = self._routed(owed)
        if exchange is not None or owed.skipped or role not in owed.opened.owed:
            return exchange
        since = owed.opened.started
        gap = next((gap for gap in self._gaps if gap.role == role and gap.until >= since), None)
        reason = gap.reason if gap else self._missing(owed, role)
        return Exchange(request=owed.opened.request, response=None, started=since, problem=reason, tap="")

    def _routed(self, owed: _Owed) -> Exchange | None:
        """The primary's last answer where routes may have tried more than once; the others are named beside it."""
        routed, tried = owed.routed, sorted(owed.tried, key=lambda exchange: exchange.started)
        if routed is None or routed.problem:
            problem = routed.problem if routed else "what the route did with it is not known: the proxy's log has no line of it"
            return Exchange(owed.opened.request, None, owed.opened.started, problem=problem, tap="route")
        if not tried:
            return None
        last = replace(tried[-1], origins=self._origins.get("primary", ()))
        if len(tried) != routed.tries:
            problem = f"the route tried the primary {routed.tries} times, and {len(tried)} of these were seen"
            return replace(last, problem=last.problem or problem)
        if not tried[:-1]:
            return last
        before = ", ".join(one.problem or "no answer" if one.response is None else str(one.response.status) for one in tried[:-1])
        return replace(last, tap=f"{last.tap}, try {len(tried)} of {len(tried)} (before it: {before})")

    def _missing(self, owed: _Owed, role: Role) -> str:
        request: Request = owed.opened.request
        what = f"{request.method} {request.target.partition('?')[0]} (id {owed.opened.pair})"
        if role == "primary":
            return f"The primary's answer to {what} had not ended {self._timeout:g} s after the end of the test"
        return f"No answer from the {role} for {what} within {self._timeout:g} s; does its tap see any traffic?"
