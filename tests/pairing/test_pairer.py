from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.model import Exchange, Pair, Request, Response, Role
from pytest_shadowdiff.pair import GRACE, Pairer
from pytest_shadowdiff.spool import Event, Gap, Opened, Routed, Seen, Skipped

TIMEOUT = 10.0
REQUEST = Request("GET", "/orders/1?token=x", (("host", "h"),))


def opened(pair: str = "p", *, owed: tuple[Role, ...] = ("primary", "candidate"), test: str | None = "t") -> Opened:
    return Opened(pair, test, REQUEST, 100.0, owed)


def seen(role: Role, pair: str = "p", attempt: int = 0, body: bytes = b"") -> Seen:
    return Seen(pair, role, attempt, Exchange(REQUEST, Response(200, (), body), started=100.0, seconds=0.5))


def feed(pairer: Pairer, events: Sequence[Event], now: float = 101.0) -> list[Pair]:
    pairs = []
    for event in events:
        owed = pairer.feed(event)
        ready = pairer.ready(owed, now) if owed else None
        if ready:
            pairs.append(ready)
    return pairs


@pytest.mark.parametrize("order", list(itertools.permutations(["primary", "candidate", "control"])))
def test_the_order_of_arrival_does_not_matter(order: tuple[Role, ...]) -> None:
    pairer = Pairer(TIMEOUT)
    events: list[Event] = [opened(owed=("primary", "candidate", "control")), *(seen(role, body=role.encode()) for role in order)]
    (pair,) = feed(pairer, events)
    for role in order:
        exchange = getattr(pair, role)
        assert exchange.response.body == role.encode()


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["primary", "candidate"])), max_size=40))
def test_answers_of_several_requests_never_mix(arrivals: list[tuple[int, Role]]) -> None:
    pairer = Pairer(TIMEOUT)
    feed(pairer, [opened(str(number)) for number in range(5)])
    for pair in feed(pairer, [seen(role, str(number), body=f"{number}".encode()) for number, role in arrivals]):
        for exchange in (pair.primary, pair.candidate):
            assert exchange is not None
            assert exchange.response is not None
            assert exchange.response.body == pair.id.encode()


def test_a_pair_is_handed_out_once() -> None:
    pairer = Pairer(TIMEOUT)
    assert len(feed(pairer, [opened(), seen("primary"), seen("candidate")])) == 1
    assert list(pairer.overdue(1000.0)) == []
    assert pairer.busy("t")
    pairer.close("p")
    assert not pairer.busy("t")


def test_a_candidate_that_does_not_answer_is_named_when_its_time_is_up() -> None:
    pairer = Pairer(TIMEOUT)
    feed(pairer, [opened(), seen("primary")])
    assert list(pairer.overdue(100.5 + TIMEOUT)) == []
    (pair,) = pairer.overdue(100.5 + TIMEOUT + GRACE + 0.1)
    assert pair.candidate is not None
    assert pair.candidate.problem == "No answer from the candidate for GET /orders/1 (id p) within 10 s; does its tap see any traffic?"
    assert "token" not in pair.candidate.problem


def test_an_answer_without_end_is_named_after_the_test() -> None:
    pairer = Pairer(TIMEOUT)
    feed(pairer, [opened()])
    assert list(pairer.overdue(1e9)) == []
    pairer.end("t", 200.0)
    assert list(pairer.overdue(200.0 + TIMEOUT)) == []
    (pair,) = pairer.overdue(200.0 + TIMEOUT + GRACE + 0.1)
    assert pair.primary is not None
    assert "had not ended" in pair.primary.problem


def test_an_answer_seen_twice_cannot_be_trusted() -> None:
    pairer = Pairer(TIMEOUT)
    (pair,) = feed(pairer, [opened(), seen("candidate"), seen("candidate"), seen("primary")])
    assert pair.candidate is not None
    assert "twice" in pair.candidate.problem


def test_skipped_needs_no_answers() -> None:
    (pair,) = feed(Pairer(TIMEOUT), [opened(), Skipped("p", "a write")])
    assert pair.skipped == "a write"
    assert pair.candidate is None


def test_of_a_skipped_request_nothing_is_owed() -> None:
    pairer = Pairer(TIMEOUT)
    assert feed(pairer, [opened(owed=())]) == []
    (pair,) = feed(pairer, [Skipped("p", "a write")])
    assert pair.skipped == "a write"


def test_asking_again_owes_both_answers_once_more() -> None:
    pairer = Pairer(TIMEOUT)
    feed(pairer, [opened(), seen("primary"), seen("candidate")])
    assert pairer.ask("p", 101.0) == 1
    (pair,) = feed(pairer, [seen("candidate", attempt=1), seen("control", attempt=1, body=b"again")])
    assert pair.control is not None
    assert pair.control.response is not None
    assert pair.control.response.body == b"again"
    assert pair.repeats[0].control is pair.control
    assert pairer.ask("p", 102.0) == 2
    (late,) = pairer.overdue(102.0 + 2 * TIMEOUT + GRACE + 0.1)
    assert late.repeats[1].control is None


def test_what_passed_in_a_gap_says_so() -> None:
    pairer = Pairer(TIMEOUT)
    feed(pairer, [opened(), seen("primary"), Gap("candidate", 99.0, 105.0, "the tap's stream was broken for 6 s")])
    (pair,) = pairer.overdue(1000.0)
    assert pair.candidate is not None
    assert pair.candidate.problem == "the tap's stream was broken for 6 s"


def test_strangers_and_late_answers_are_counted() -> None:
    pairer = Pairer(TIMEOUT)
    assert pairer.feed(seen("candidate", "unknown")) is None
    assert pairer.unmatched.total() == 1


def test_what_is_seen_before_it_is_known_that_it_was_asked_counts() -> None:
    pairer = Pairer(TIMEOUT)
    assert feed(pairer, [seen("candidate"), seen("primary", "other"), seen("primary")]) == []
    (pair,) = feed(pairer, [opened()])
    assert pair.primary is not None
    assert pair.candidate is not None
    assert pairer.unmatched.total() == 1


def tried(started: float, status: int) -> Seen:
    return Seen("p", "primary", 0, Exchange(REQUEST, Response(status, (), b""), started=started, seconds=0.1))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_where_routes_try_again_the_last_answer_counts_in_whatever_order_it_comes(order: tuple[int, ...]) -> None:
    pairer = Pairer(TIMEOUT)
    events: list[Event] = [tried(100.0, 503), tried(100.2, 200), seen("candidate"), Routed("p", 2)]
    (pair,) = feed(pairer, [Routed("", 0), opened(), *(events[at] for at in order)])
    assert pair.primary is not None
    assert pair.primary.response is not None
    assert (pair.primary.response.status, pair.primary.tap, pair.primary.problem) == (200, "proxy, try 2 of 2 (before it: 503)", "")


@pytest.mark.parametrize("events, problem", [
    ([tried(100.0, 503), Routed("p", 2)], "tried the primary 2 times, and 1 of these"),
    ([tried(100.0, 503), tried(100.1, 200), Routed("p", 1)], "tried the primary 1 times, and 2 of these"),
    ([tried(100.0, 503)], "the proxy's log has no line of it"),
    ([tried(100.0, 503), Routed("p", 1, "a proxy answered 503")], "a proxy answered 503"),
])  # fmt: skip
def test_where_it_is_not_known_which_answer_is_the_last_none_counts(events: list[Event], problem: str) -> None:
    pairer = Pairer(TIMEOUT)
    found = feed(pairer, [Routed("", 0), opened(), seen("candidate"), *events]) + list(pairer.overdue(1000.0))
    (pair,) = found
    assert pair.primary is not None
    assert problem in pair.primary.problem
