"""What is said of a pair, in the order in which it is decided."""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_shadowdiff.judge import ROUNDS, judge
from pytest_shadowdiff.model import Difference, Exchange, Judgement, Pair, Repeat, Request, Response, Rule, Verdict
from pytest_shadowdiff.noise import STEADY, Evidence
from pytest_shadowdiff.settings import Limits

START = 1_790_000_000.0
Make = Callable[[], Any]


def exchange(document: Any, at: float = START, *, status: int = 200, headers: Sequence[tuple[str, str]] = (), **more: Any) -> Exchange:
    body = json.dumps(document).encode()
    response = Response(status, [("content-type", "application/json"), *headers], body)
    return Exchange(Request("GET", "/orders/1"), response, at, 0.01, **more)


def pair(primary: Exchange | None, candidate: Exchange | None, **more: Any) -> Pair:
    return Pair("1", "test", Request("GET", "/orders/1"), primary, candidate, endpoint="GET /orders/{id}", **more)


def said(given: Pair, rules: Sequence[Rule] = (), evidence: Evidence | None = None, **more: Any) -> Judgement:
    return judge(given, rules=rules, evidence=evidence or Evidence(), limits=Limits(), **more)


def settled(primary: Make, candidate: Make, evidence: Evidence | None = None) -> tuple[Judgement, int]:
    """The verdict when both are asked for as long as the judge wants, and how often that was."""
    clock = itertools.count(START, 0.02)
    given = pair(exchange(primary(), next(clock)), exchange(candidate(), next(clock)))
    for rounds in range(ROUNDS + 1):
        judgement = said(given, evidence=evidence)
        if not judgement.suspect:
            return judgement, rounds
        control = exchange(primary(), next(clock))
        repeat = Repeat(control, exchange(candidate(), next(clock)))
        given = pair(given.primary, given.candidate, control=given.control or control, repeats=(*given.repeats, repeat))
    raise AssertionError("the judge never has enough")


def in_turn(*values: Any) -> Make:
    turns = itertools.cycle(values)
    return lambda: {"value": next(turns)}


def always(value: Any) -> Make:
    return lambda: {"value": value}


def test_skipped_is_never_the_same() -> None:
    one = exchange({"a": 1})
    judgement = said(pair(one, one, skipped="POST is not safe"))
    assert (judgement.verdict, judgement.reason) == (Verdict.SKIPPED, "POST is not safe")


@pytest.mark.parametrize(
    "primary, candidate, reason",
    [
        (None, exchange(1), "no answer of the primary was seen"),
        (exchange(1), None, "no answer of the candidate was seen"),
        (exchange(1, problem="connection refused"), exchange(1), "primary: connection refused"),
        (exchange(1), exchange(1, problem="no answer within 10 s"), "candidate: no answer within 10 s"),
        (exchange(1), exchange(1, problem="the candidate v2 refused the connection"), "the candidate v2 refused the connection"),
        (exchange(1), exchange(1, truncated=True), "the candidate's answer is truncated"),
        (exchange(1), Exchange(Request("GET", "/"), None, START), "the candidate's answer is missing"),
    ],
)
def test_what_is_not_whole_is_incomplete_with_the_reason(primary: Exchange | None, candidate: Exchange | None, reason: str) -> None:
    judgement = said(pair(primary, candidate))
    assert (judgement.verdict, judgement.reason) == (Verdict.INCOMPLETE, reason)


def test_what_does_not_decode_is_incomplete() -> None:
    broken = Exchange(Request("GET", "/"), Response(200, [("content-encoding", "gzip")], b"no gzip"), START)
    judgement = said(pair(exchange(1), broken))
    assert judgement.verdict is Verdict.INCOMPLETE
    assert "gzip" in judgement.reason


def test_equal_is_same_and_partial_where_the_tap_cannot_show_all() -> None:
    assert said(pair(exchange([1]), exchange([1]))).verdict is Verdict.SAME
    seen = exchange([1], not_seen=frozenset({"body"}))
    judgement = said(pair(seen, seen))
    assert (judgement.verdict, judgement.reason) == (Verdict.PARTIAL, "not seen: body")


def test_what_a_rule_silences_is_noise_and_named() -> None:
    judgement = said(pair(exchange({"a": 1, "b": 2}), exchange({"a": 2, "b": 2})), [Rule(ignore=["$.a"])])
    assert judgement.verdict is Verdict.NOISE
    assert "rule" in judgement.reason
    assert "$.a" in judgement.reason
    assert [d.path for d in judgement.silenced] == ["$.a"]


def test_a_rule_hides_only_what_it_names() -> None:
    judgement = said(pair(exchange({"a": 1, "b": 2}), exchange({"a": 2, "b": 3})), [Rule(ignore=["$.a"])])
    assert judgement.verdict is Verdict.DIFFERENT
    assert [d.path for d in judgement.differences] == ["$.b"]


def test_all_accepted_is_accepted_and_one_that_is_not_is_different() -> None:
    given = pair(exchange({"a": 1, "b": 2}), exchange({"a": 2, "b": 3}))
    assert said(given, accepts=lambda d: True).verdict is Verdict.ACCEPTED

    def only_a(difference: Difference) -> bool:
        return difference.path == "$.a"

    judgement = said(given, accepts=only_a)
    assert judgement.verdict is Verdict.DIFFERENT
    assert {d.path for d in judgement.differences} == {"$.a", "$.b"}


def test_constant_in_the_primary_is_a_difference_once_it_came_again() -> None:
    judgement, rounds = settled(always("a"), always("b"))
    assert judgement.verdict is Verdict.DIFFERENT
    assert [(d.path, d.kind) for d in judgement.differences] == [("$.value", "value_changed")]
    assert rounds == STEADY - 1


def test_a_new_kind_of_value_in_a_noisy_field_is_a_changed_shape() -> None:
    judgement, _ = settled(lambda: {"value": str(uuid.uuid4())}, lambda: {"value": str(uuid.uuid1())})
    assert judgement.verdict is Verdict.DIFFERENT
    assert [(d.path, d.kind) for d in judgement.differences] == [("$.value", "shape_changed")]
    assert "UUID version 4" in judgement.reason


def test_noise_is_named_with_what_it_looks_like() -> None:
    judgement, rounds = settled(lambda: {"value": str(uuid.uuid4())}, lambda: {"value": str(uuid.uuid4())})
    assert judgement.verdict is Verdict.NOISE
    assert judgement.reason == "differs between 2 answers of the primary too: $.value (UUID version 4)"
    assert rounds == 1


def test_now_and_then_in_the_candidate_alone_is_a_difference_with_its_rate() -> None:
    judgement, rounds = settled(always("a"), in_turn("b", "a", "a", "a"))
    assert judgement.verdict is Verdict.DIFFERENT
    assert rounds == ROUNDS
    assert f"in 6 of {ROUNDS + 1} answers of the candidate and none of {ROUNDS + 1} of the primary" in judgement.reason


def test_now_and_then_in_the_primary_too_is_noise() -> None:
    judgement, _ = settled(in_turn("a", "a", "b"), in_turn("b", "a", "a"))
    assert judgement.verdict is Verdict.NOISE


def test_noise_is_what_the_callers_answers_showed_and_not_what_asking_again_did() -> None:
    rounds = (Repeat(exchange({"value": None}), exchange({"value": None})), Repeat(exchange({"value": 3}), exchange({"value": 4})))
    judgement = said(pair(exchange({"value": 1}), exchange({"value": 2}), control=rounds[0].control, repeats=rounds))
    assert judgement.verdict is Verdict.NOISE
    assert [(d.primary, d.candidate) for d in judgement.noise] == [(1, 2)]


def test_variation_that_is_new_in_the_candidate_is_a_difference() -> None:
    judgement, _ = settled(always("3f2a9c0d1e4b5a68"), lambda: {"value": f"{random.getrandbits(64):016x}"})
    assert judgement.verdict is Verdict.DIFFERENT


def test_counters_that_the_control_moved_are_no_difference_and_a_stuck_one_is() -> None:
    ours, theirs = itertools.count(7), itertools.count(4)
    assert settled(lambda: {"value": next(ours)}, lambda: {"value": next(theirs)})[0].verdict is Verdict.NOISE
    assert settled(lambda: {"value": next(ours)}, always(4))[0].verdict is Verdict.DIFFERENT


def test_without_a_control_two_values_of_one_random_shape_are_noise_and_the_verdict_says_so() -> None:
    given = pair(exchange({"id": str(uuid.uuid4())}), exchange({"id": str(uuid.uuid4())}))
    judgement = said(given)
    assert judgement.verdict is Verdict.NOISE
    assert "no control" in judgement.reason
    assert said(pair(exchange({"id": 17}), exchange({"id": 18}))).verdict is Verdict.DIFFERENT
    assert said(pair(exchange({"id": str(uuid.uuid4())}), exchange({"id": 18}))).verdict is Verdict.DIFFERENT


def test_without_a_control_nothing_is_said_of_answers_that_nobody_asked_for() -> None:
    reason = said(pair(exchange({"id": 17}), exchange({"id": 18}))).reason
    assert reason == "$.id: another value in the candidate (there was no control: nobody was asked again)"


def test_a_control_that_did_not_answer_masks_nothing_and_is_named() -> None:
    failed = exchange(1, problem="connection refused")
    judgement = said(pair(exchange({"a": 1}), exchange({"a": 2}), control=failed))
    assert judgement.verdict is Verdict.DIFFERENT
    assert "the control could not be asked: control: connection refused" in judgement.reason


def test_who_never_answers_again_is_not_asked_for_ever() -> None:
    failed = exchange(1, problem="connection refused")
    rounds = tuple(Repeat(failed, failed) for _ in range(ROUNDS))
    assert not said(pair(exchange({"a": 1}), exchange({"a": 2}), repeats=rounds)).suspect


def test_values_that_belong_together_stay_together() -> None:
    def linked() -> Any:
        made = str(uuid.uuid4())
        return {"id": made, "next": f"/orders/{made}"}

    def torn() -> Any:
        return {"id": str(uuid.uuid4()), "next": f"/orders/{uuid.uuid4()}"}

    assert settled(linked, linked)[0].verdict is Verdict.NOISE
    judgement, _ = settled(linked, torn)
    assert [d.path for d in judgement.differences] == ["$.next"]
    assert "repeats $.id" in judgement.reason


def test_evidence_acquits_what_did_not_come_again_and_only_that() -> None:
    evidence = Evidence()
    noisy = pair(exchange({"value": "b"}), exchange({"value": "a"}), control=exchange({"value": "a"}))
    evidence.learn(noisy.judged(said(noisy)))
    assert settled(always("a"), in_turn("b", *["a"] * ROUNDS), evidence)[0].verdict is Verdict.NOISE
    assert settled(always("a"), always("b"), evidence)[0].verdict is Verdict.DIFFERENT
    assert settled(always("a"), in_turn("b", "a"), evidence)[0].verdict is Verdict.DIFFERENT


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(documents, min_size=4, max_size=8), st.randoms(use_true_random=False))
def test_the_judge_says_the_same_of_the_same_whatever_it_judged_before(found: list[Any], dice: random.Random) -> None:
    exchanges = [exchange(document, START + n) for n, document in enumerate(found)]
    rounds = tuple(Repeat(one, other) for one, other in zip(exchanges[2::2], exchanges[3::2], strict=False))
    given = pair(exchanges[0], exchanges[1], control=rounds[0].control if rounds else None, repeats=rounds)
    others = [pair(dice.choice(exchanges), dice.choice(exchanges)) for _ in range(3)]
    first = said(given)
    for other in others:
        said(other)
    assert said(given) == first
    for judgement in (first, *map(said, others)):
        assert judgement.verdict in (Verdict.SAME, Verdict.NOISE, Verdict.DIFFERENT)
        assert bool(judgement.differences) == (judgement.verdict is Verdict.DIFFERENT)


@settings(max_examples=100, deadline=None)
@given(documents, documents)
def test_what_is_constant_on_both_sides_is_different_exactly_where_it_differs(ours: Any, theirs: Any) -> None:
    rounds = tuple(Repeat(exchange(ours), exchange(theirs)) for _ in range(STEADY - 1))
    judgement = said(pair(exchange(ours), exchange(theirs), control=rounds[0].control, repeats=rounds))
    plain = said(pair(exchange(ours), exchange(theirs)))
    assert judgement.verdict is plain.verdict or plain.verdict is Verdict.NOISE
    assert not judgement.suspect


def test_where_very_many_places_vary_asking_ends_and_what_is_constant_is_still_compared() -> None:
    dice = random.Random(1)

    def many(at: float, fixed: str) -> Exchange:
        return exchange({"fixed": fixed} | {f"k{n}": dice.random() for n in range(5_100)}, at)

    for theirs, verdict in (("a", Verdict.NOISE), ("b", Verdict.DIFFERENT)):
        rounds = (Repeat(many(START + 1, "a"), many(START + 2, theirs)),)
        judgement = said(pair(many(START, "a"), many(START, theirs), control=rounds[0].control, repeats=rounds))
        assert judgement.verdict is verdict
        assert [d.path for d in judgement.differences] == ["$.fixed"] * (theirs == "b")
        assert not judgement.suspect


def test_documents_nested_deeper_than_anyone_looks_are_judged() -> None:
    def deep(value: int) -> Exchange:
        nested: Any = value
        for _ in range(300):
            nested = [nested]
        return exchange(nested)

    rounds = tuple(Repeat(deep(n), deep(-n)) for n in range(1, STEADY))
    given = pair(deep(0), deep(99), control=rounds[0].control, repeats=rounds)
    assert said(given).verdict in (Verdict.NOISE, Verdict.DIFFERENT)
