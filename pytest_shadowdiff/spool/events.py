"""What can be said in a spool: five kinds of event."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_shadowdiff.model import Exchange, Request, Role


@dataclass(frozen=True, slots=True)
class Opened:
    """A caller's request has begun: a pair is owed from here on.

    Attributes:
        pair: our own id, unique in the run.
        test: the key of the entry through which it came; None for strangers.
        owed: the sides whose answer is owed ("primary", "candidate", and "control" where a third target is one).
    """

    pair: str
    test: str | None
    request: Request
    started: float
    owed: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """The pair is not compared, on purpose."""

    pair: str
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One side's exchange, whole or with its `problem`.

    Attributes:
        attempt: 0 for the caller's own request, n where it was asked again for the n-th time.
    """

    pair: str
    role: Role
    attempt: int
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Gap:
    """A tap saw nothing for a while: what passed on `role` between the two times may be missing."""

    role: Role
    since: float
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class Routed:
    """What routes, which may try a version more than once, did with a caller's request; of a skipped one nothing is said.

    Attributes:
        pair: empty in the first of them, from which on each pair is owed one.
        tries: how often the primary got the request; the last answer is the one that counts.
        problem: why no verdict may rest on it ("a proxy answered in the version's place"); empty where one may.
    """

    pair: str
    tries: int
    problem: str = ""


Event = Opened | Skipped | Seen | Gap | Routed
