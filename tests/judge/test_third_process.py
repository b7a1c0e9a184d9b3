"""A control that is a process of its own tells what each process makes once from what a version changed."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from pytest_shadowdiff.judge import ROUNDS, judge
from pytest_shadowdiff.model import Exchange, Judgement, Pair, Repeat, Request, Response, Verdict
from pytest_shadowdiff.noise import Evidence
from pytest_shadowdiff.settings import Limits

Process = Callable[[], Any]


def exchange(document: Any, n: int) -> Exchange:
    response = Response(200, [("content-type", "application/json")], json.dumps(document).encode())
    return Exchange(Request("GET", "/"), response, 1_790_000_000.0 + n, 0.01)


def settled(primary: Process, control: Process, candidate: Process, *, third: bool = True) -> Judgement:
    """The verdict when the control is asked at once, and both as long as the judge wants."""
    first, theirs, eager = exchange(primary(), 0), exchange(candidate(), 1), exchange(control(), 2)
    repeats: tuple[Repeat, ...] = ()
    for n in range(ROUNDS + 1):
        beside = eager if third else repeats[0].control if repeats else None
        pair = Pair("1", None, Request("GET", "/"), first, theirs, beside, repeats, endpoint="GET /")
        judgement = judge(pair, rules=(), evidence=Evidence(), limits=Limits())
        if not judgement.suspect:
            return judgement
        repeats = (*repeats, Repeat(exchange((control if third else primary)(), n + 3), exchange(candidate(), n + 4)))
    raise AssertionError("the judge never has enough")


def process(seed: int, **broken: Any) -> Process:
    dice = random.Random(seed)
    vpc, key = f"vpc-{dice.getrandbits(68):017x}", str(uuid.UUID(int=dice.getrandbits(128), version=4))
    document = {
        "thread": 140_000_000_000_000 + dice.getrandbits(40),
        "key": key,
        "vpc": vpc,
        "arn": f"arn:aws:ec2:vpc/{vpc}",
        "threads": [{"name": f"worker-{n}", "ident": 139_000_000_000_000 + dice.getrandbits(41)} for n in range(4)],
        "name": "service",
    }
    return lambda: {**document, **broken}


def test_what_each_process_makes_once_is_noise() -> None:
    for seed in range(0, 90, 3):
        judgement = settled(process(seed), process(seed + 1), process(seed + 2))
        assert judgement.verdict is Verdict.NOISE, judgement.reason

    def numbers(seed: int) -> Process:
        return lambda: {"thread": 1.5 * 10**14 + random.Random(seed).getrandbits(45)}

    judgement = settled(numbers(1), numbers(2), numbers(2**20))
    assert judgement.verdict is Verdict.NOISE, judgement.reason


def test_without_such_a_control_it_is_a_difference() -> None:
    judgement = settled(process(1), process(2), process(3), third=False)
    assert judgement.verdict is Verdict.DIFFERENT
    assert "$.vpc" in [difference.path for difference in judgement.differences]


@pytest.mark.parametrize(
    "broken",
    [
        {"thread": -140_000_000_000_000},
        {"thread": 7},
        {"thread": "140000000000000"},
        {"thread": None},
        {"key": "none"},
        {"key": "00000000-0000-0000-0000-000000000000"},
        {"vpc": "subnet-0123456789abcdef0"},
        {"vpc": "vpc-0123"},
        {"arn": "arn:aws:ec2:vpc/vpc-0123456789abcdef0"},
        {"threads": []},
        {"name": "other"},
        {"more": 1},
    ],
)
def test_what_a_process_makes_once_stays_tested(broken: dict[str, Any]) -> None:
    judgement = settled(process(1), process(2), process(3, **broken))
    assert judgement.verdict is Verdict.DIFFERENT, judgement.reason
    assert {f"$.{name}" for name in broken} <= {difference.path.partition("[")[0] for difference in judgement.differences}


def test_what_is_the_same_in_both_processes_of_the_primary_may_not_change() -> None:
    judgement = settled(lambda: {"key": "a" * 8 + "1"}, lambda: {"key": "a" * 8 + "1"}, lambda: {"key": "b" * 8 + "2"})
    assert judgement.verdict is Verdict.DIFFERENT


def test_a_first_answer_that_stands_alone_is_no_process_where_the_primary_itself_was_asked_again() -> None:
    first = iter([5])
    judgement = settled(lambda: {"n": next(first, 6)}, lambda: {"n": 6}, lambda: {"n": 50}, third=False)
    assert judgement.verdict is Verdict.DIFFERENT, judgement.reason


def test_whole_numbers_that_a_process_makes_once_stay_whole() -> None:
    judgement = settled(lambda: {"n": 5}, lambda: {"n": 6}, lambda: {"n": 5.5})
    assert judgement.verdict is Verdict.DIFFERENT, judgement.reason
