"""Lists whose elements nothing identifies are held to what they hold as a whole."""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from pytest_shadowdiff.judge import ROUNDS, judge
from pytest_shadowdiff.model import Exchange, Judgement, Pair, Repeat, Request, Response, Rule, Verdict
from pytest_shadowdiff.noise import Evidence
from pytest_shadowdiff.settings import Limits

START = 1_790_000_000.0
Element = dict[str, Any]
Elements = list[Any]
Container = Callable[[random.Random, float, Elements], Elements]
Make = Callable[[random.Random, float], Elements]


def exchange(document: Any, at: float) -> Exchange:
    response = Response(200, [("content-type", "application/json")], json.dumps(document).encode())
    return Exchange(Request("GET", "/orders"), response, at, 0.01)


def settled(primary: Make, candidate: Make, seed: int, *rules: Rule) -> Judgement:
    """The verdict when both are asked for as long as the judge wants."""
    clock = itertools.count(START, 0.02)
    ours, theirs = random.Random(f"ours {seed}"), random.Random(f"theirs {seed}")

    def answered(make: Make, dice: random.Random) -> Exchange:
        at = next(clock)
        return exchange({"list": make(dice, at)}, at)

    given = Pair("1", "test", Request("GET", "/orders"), answered(primary, ours), answered(candidate, theirs), endpoint="GET /orders")
    for _ in range(ROUNDS + 1):
        judgement = judge(given, rules=rules, evidence=Evidence(), limits=Limits())
        if not judgement.suspect:
            return judgement
        repeat = Repeat(answered(primary, ours), answered(candidate, theirs))
        given = Pair(
            given.id,
            given.test,
            given.request,
            given.primary,
            given.candidate,
            given.control or repeat.control,
            (*given.repeats, repeat),
            endpoint=given.endpoint,
        )
    raise AssertionError("the judge never has enough")


def orders() -> Elements:
    return [{"total": n, "status": ["paid", "open", "sent"][n % 3], "note": None if n == 1 else f"note {n}"} for n in range(6)]


def with_member(element: Any, **member: Any) -> Any:
    return {**member, **element} if isinstance(element, dict) else element


def made(dice: random.Random) -> str:
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))


def any_order(dice: random.Random, _: float, elements: Elements) -> Elements:
    return dice.sample(elements, len(elements))


def with_ids(dice: random.Random, at: float, elements: Elements) -> Elements:
    return [with_member(element, id=made(dice)) for element in any_order(dice, at, elements)]


def with_times(dice: random.Random, at: float, elements: Elements) -> Elements:
    def moment() -> str:
        return datetime.fromtimestamp(at - dice.random(), timezone.utc).isoformat()

    return [with_member(element, at=moment()) for element in any_order(dice, at, elements)]


def subset(dice: random.Random, _: float, elements: Elements) -> Elements:
    return [with_member(element, id=made(dice)) for element in dice.sample(elements, len(elements) - 2)]


CONTAINERS: dict[str, Container] = {"order": any_order, "order and ids": with_ids, "order and times": with_times}


def changed(**member: Any) -> Callable[[Element], Any]:
    return lambda element: {**element, **member}


FAULTS: dict[str, Callable[[Element], Any]] = {
    "number": changed(total=12),
    "number that others have": changed(total=4),
    "null": changed(total=None),
    "text that is null": changed(status=None),
    "text": changed(status="lost"),
    "text that others have": changed(status="open"),
    "type": changed(total="3"),
    "member missing": lambda element: {name: value for name, value in element.items() if name != "status"},
    "member added": changed(more=1),
    "element": lambda _: "gone",
}


def service(container: Container, elements: Elements) -> Make:
    return lambda dice, at: container(dice, at, elements)


def faulty(fault: str) -> Elements:
    elements = orders()
    return [*elements[:3], FAULTS[fault](elements[3]), *elements[4:]]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_what_a_list_in_any_order_always_holds_is_held(container: str, fault: str) -> None:
    ours, theirs = service(CONTAINERS[container], orders()), service(CONTAINERS[container], faulty(fault))
    for seed in range(4):
        judgement = settled(ours, theirs, seed)
        assert judgement.verdict is Verdict.DIFFERENT, judgement.reason
        assert judgement.differences[0].path.startswith("$.list")
        assert json.dumps([(d.primary, d.candidate) for d in judgement.differences if "[*]" in d.path])


@pytest.mark.parametrize("fault", ["number", "null", "text", "type", "member missing", "member added"])
def test_a_random_part_of_a_list_is_held_to_the_values_that_come_and_go(fault: str) -> None:
    ours, theirs = service(subset, orders()), service(subset, faulty(fault))
    found = [settled(ours, theirs, seed).verdict is Verdict.DIFFERENT for seed in range(8)]
    assert sum(found) >= 5


@pytest.mark.parametrize("container", [*CONTAINERS.values(), subset])
def test_the_same_in_both_versions_is_noise(container: Container) -> None:
    ours = service(container, orders())
    for seed in range(25):
        judgement = settled(ours, ours, seed)
        assert judgement.verdict is Verdict.NOISE, judgement.reason


def jittered(dice: random.Random, at: float) -> Elements:
    return [{**element, "total": round(element["total"] + dice.random(), 2)} for element in with_ids(dice, at, orders())]


def of_any_length(dice: random.Random, at: float) -> Elements:
    return with_ids(dice, at, orders() * 2)[: dice.randrange(3, 10)]


def picked(dice: random.Random, _: float) -> Elements:
    return [{"id": made(dice), "status": dice.choice(["paid", "open", "sent"]), "hot": dice.random() < 0.1} for _ in range(8)]


def picked_rarely(dice: random.Random, _: float) -> Elements:
    return [{"id": made(dice), "status": "lost" if dice.random() < 0.05 else "paid"} for _ in range(5)]


def one_flag(dice: random.Random, at: float) -> Elements:
    return with_ids(dice, at, [{"total": n, "first": n == 0} for n in range(6)])


def tagged(dice: random.Random, at: float) -> Elements:
    return with_ids(dice, at, [{"first": n == 0, "tags": ["new", "hot"]} for n in range(6)])


def only_flags(dice: random.Random, at: float) -> Elements:
    return with_ids(dice, at, [{"first": n == 0} for n in range(6)])


def numbers(dice: random.Random, _: float) -> Elements:
    return [{"id": made(dice), "total": dice.randrange(20)} for _ in range(dice.randrange(1, 6))]


def clocks(dice: random.Random, at: float) -> Elements:
    return [{**element, "at": int(at * 4) / 4} for element in with_ids(dice, at, orders())]


TITLES = [f"{one} {other}" for one in ("red", "green", "blue", "grey", "pink") for other in ("car", "tree", "house", "cup", "book", "lamp")]


def kept(dice: random.Random, at: float) -> Elements:
    """Made anew now and then, and kept in between."""
    state = memory.setdefault(dice, {})
    if not state or dice.random() < 0.15:
        state["titles"] = [{"title": dice.choice(TITLES)} for _ in range(4)]
    return with_ids(dice, at, state["titles"])


memory: dict[random.Random, dict[str, Elements]] = {}


@pytest.mark.parametrize("make", [jittered, of_any_length, picked, picked_rarely, one_flag, tagged, only_flags, numbers, clocks, kept])
def test_lists_whose_values_vary_by_themselves_are_noise(make: Make) -> None:
    for seed in range(25):
        judgement = settled(make, make, seed)
        assert judgement.verdict is Verdict.NOISE, (seed, judgement.reason)


def test_objects_whose_names_vary_are_held_to_what_they_hold() -> None:
    def named(totals: list[int]) -> Make:
        return lambda dice, _: [{made(dice): {"total": total} for total in dice.sample(totals, len(totals))}]

    for seed in range(4):
        assert settled(named([0, 1, 2, 3]), named([0, 1, 2, 3]), seed).verdict is Verdict.NOISE
        assert settled(named([0, 1, 2, 3]), named([0, 1, 2, 5]), seed).verdict is Verdict.DIFFERENT


def test_what_a_rule_ignores_in_a_list_convicts_nobody() -> None:
    ours, theirs = service(with_ids, orders()), service(with_ids, faulty("number"))
    for seed in range(4):
        assert settled(ours, theirs, seed, Rule(ignore=["$.list[*].total"])).verdict is Verdict.NOISE


def test_what_the_list_holds_instead_is_named() -> None:
    judgement = settled(service(with_ids, orders()), service(with_ids, faulty("number")), 1)
    assert ("$.list[*].total", "shape_changed", [3], [12]) in [(d.path, d.kind, d.primary, d.candidate) for d in judgement.differences]


def test_what_is_held_is_said_where_nothing_else_tells() -> None:
    judgement = settled(service(with_ids, orders()), service(with_ids, faulty("text that others have")), 1)
    assert [(d.path, d.primary, d.candidate) for d in judgement.differences] == [("$.list[*].status", ["paid"], ["open"])]
    assert "in any order" in judgement.reason
