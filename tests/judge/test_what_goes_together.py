"""What noise may not hide: values that change places between elements, a name that stood twice, bodies in every coding."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import uuid
from collections.abc import Callable
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from pytest_shadowdiff.judge import ROUNDS, judge
from pytest_shadowdiff.model import Exchange, Judgement, Pair, Repeat, Request, Response, Verdict
from pytest_shadowdiff.noise import Evidence
from pytest_shadowdiff.settings import Limits

Version = Callable[[random.Random], Response]
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "br, gzip": lambda data: gzip.compress(brotli.compress(data)),
}


def answer(body: str | bytes, coding: str = "identity") -> Response:
    data = CODINGS[coding](body.encode() if isinstance(body, str) else body)
    return Response(200, [("content-type", "application/json"), ("content-encoding", coding)], data)


def settled(primary: Version, candidate: Version, seed: int) -> Judgement:
    clock = itertools.count(1_790_000_000.0, 0.02)
    ours, theirs = random.Random(f"ours {seed}"), random.Random(f"theirs {seed}")

    def asked(version: Version, dice: random.Random) -> Exchange:
        return Exchange(Request("GET", "/orders"), version(dice), next(clock), 0.01)

    pair = Pair("1", "test", Request("GET", "/orders"), asked(primary, ours), asked(candidate, theirs), endpoint="GET /orders")
    for _ in range(ROUNDS + 1):
        judgement = judge(pair, rules=(), evidence=Evidence(), limits=Limits())
        if not judgement.suspect:
            return judgement
        repeats = (*pair.repeats, Repeat(asked(primary, ours), asked(candidate, theirs)))
        pair = Pair("1", "test", pair.request, pair.primary, pair.candidate, repeats[0].control, repeats, endpoint="GET /orders")
    raise AssertionError("the judge never has enough")


def made(dice: random.Random) -> str:
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))


def shuffled(orders: list[dict[str, Any]]) -> Version:
    return lambda dice: answer(json.dumps({"list": [{"id": made(dice), **order} for order in dice.sample(orders, len(orders))]}))


ORDERS = [{"total": n, "state": state} for n, state in enumerate(["open", "paid", "open", "sent", "paid", "open"])]
SWAPPED = [{**ORDERS[0], "total": 3}, *ORDERS[1:3], {**ORDERS[3], "total": 0}, *ORDERS[4:]]


def test_values_that_changed_places_between_elements_are_a_difference() -> None:
    for seed in range(5):
        judgement = settled(shuffled(ORDERS), shuffled(SWAPPED), seed)
        assert judgement.verdict is Verdict.DIFFERENT, judgement.reason
        assert ("$.list[*]", "shape_changed") in [(d.path, d.kind) for d in judgement.differences]
        assert "belong together" in judgement.reason


def test_members_that_never_went_together_may_change_places() -> None:
    def apart(dice: random.Random) -> Response:
        totals, states = dice.sample(range(5), 5), dice.sample("abcde", 5)
        return answer(json.dumps([{"id": made(dice), "total": total, "state": state} for total, state in zip(totals, states, strict=True)]))

    for seed in range(20):
        assert settled(apart, apart, seed).verdict is Verdict.NOISE


def twice(dice: random.Random) -> Response:
    return answer(f'{{"id": "fixed", "id": "{made(dice)}"}}')


def once(dice: random.Random) -> Response:
    return answer(f'{{"id": "{made(dice)}"}}')


def other(dice: random.Random) -> Response:
    return answer(f'{{"id": "broken", "id": "{made(dice)}"}}')


@pytest.mark.parametrize("candidate", [once, other])
def test_what_a_name_said_first_is_held(candidate: Version) -> None:
    judgement = settled(twice, candidate, 1)
    assert judgement.verdict is Verdict.DIFFERENT, judgement.reason
    assert settled(twice, twice, 1).verdict is Verdict.NOISE


@pytest.mark.parametrize("coding", CODINGS)
def test_a_noisy_field_stays_tested_in_every_coding(coding: str) -> None:
    def right(dice: random.Random) -> Response:
        return answer(json.dumps({"list": dice.sample(ORDERS, 6), "id": made(dice)}), coding)

    def wrong(dice: random.Random) -> Response:
        return answer(json.dumps({"list": dice.sample(SWAPPED, 6), "id": made(dice)}), coding)

    assert settled(right, right, 3).verdict is Verdict.NOISE
    judgement = settled(right, wrong, 3)
    assert judgement.verdict is Verdict.DIFFERENT, judgement.reason
    assert all(difference.path.startswith("$.list") for difference in judgement.differences)
