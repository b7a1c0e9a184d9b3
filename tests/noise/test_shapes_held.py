"""A noisy field stays tested: what its values look like in the primary, the candidate's have to."""

from __future__ import annotations

import base64
import itertools
import json
import random
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from typing import Any

import pytest

from pytest_shadowdiff.noise import STEADY
from pytest_shadowdiff.noise.series import ABSENT, PATIENT, Opinion, Sample, Series
from pytest_shadowdiff.noise.values import weigh
from pytest_shadowdiff.noise.walk import Walk

START = 1_790_000_000.0
Make = Callable[[random.Random, float], Any]


def series(ours: Make, theirs: Make, answers: int, seed: int = 1) -> Series:
    dice = random.Random(seed)
    times = itertools.count(START, 0.3)
    primary: list[Sample] = []
    candidate: list[Sample] = []
    for turn in range(answers):
        for make, samples in ((ours, primary), (theirs, candidate)):
            at = next(times)
            samples.append(Sample(make(dice, at), turn, at))
    return Series(primary, candidate, (answers, answers))


def opinion(ours: Make, theirs: Make, answers: int = PATIENT, seed: int = 1) -> Opinion:
    return weigh(series(ours, theirs, answers, seed))


def uuid4(dice: random.Random, _: float) -> str:
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))


def iso(after: float = 0, timespec: str = "milliseconds", zone: str = "Z") -> Make:
    def make(_: random.Random, at: float) -> str:
        moment = datetime.fromtimestamp(at, timezone.utc) + timedelta(seconds=after)
        return moment.replace(tzinfo=None).isoformat(timespec=timespec) + zone

    return make


def token(length: int, alphabet: str) -> Make:
    return lambda dice, _: "".join(dice.choice(alphabet) for _ in range(length))


HEX = "0123456789abcdef"
URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def jwt(**claims: Any) -> Make:
    def make(dice: random.Random, at: float) -> str:
        payload = {"jti": dice.getrandbits(64), "exp": int(at) + 600, **claims}
        parts = [json.dumps({"alg": "HS256"}).encode(), json.dumps(payload).encode(), dice.randbytes(32)]
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)

    return make


SHAPES: dict[str, tuple[Make, Make]] = {
    "UUID version 4": (uuid4, lambda dice, at: str(uuid.UUID(int=dice.getrandbits(128), version=1))),
    "UUID in small letters": (uuid4, lambda dice, at: uuid4(dice, at).upper()),
    "UUID, never null": (uuid4, lambda _, __: None),
    "UUID, another each time": (uuid4, lambda _, __: "5f0c6a3e-9b1d-4c7e-8a2f-3d4e5f6a7b8c"),
    "hex of 32": (token(32, HEX), token(40, HEX)),
    "hex, not base64": (token(32, HEX), token(32, URL_SAFE)),
    "base64, not hex": (token(22, URL_SAFE), token(22, HEX)),
    "prefix": (lambda dice, at: "ord_" + token(12, HEX)(dice, at), lambda dice, at: "or_" + token(13, HEX)(dice, at)),
    "JWT claims": (jwt(), jwt(admin=True)),
    "JWT expiry": (jwt(), lambda dice, at: jwt(exp=int(at) + 60)(dice, at)),
    "time format": (iso(), iso(zone="+00:00")),
    "time precision": (iso(), iso(timespec="seconds")),
    "time zone": (iso(timespec="seconds"), iso(7200, "seconds")),
    "time from now": (iso(3600), iso(60)),
    "HTTP date": (lambda _, at: formatdate(at, usegmt=True), iso()),
    "seconds, not milliseconds": (lambda _, at: int(at), lambda _, at: int(at * 1000)),
    "number around 100": (lambda dice, _: round(dice.uniform(99, 101), 2), lambda dice, _: round(dice.uniform(104, 106), 2)),
    "number in another unit": (lambda dice, _: dice.uniform(1, 9), lambda dice, _: dice.uniform(1000, 9000)),
    "positive number": (lambda dice, _: dice.uniform(1, 9), lambda dice, _: -dice.uniform(1, 9)),
    "whole number": (lambda dice, _: dice.randrange(99), lambda dice, _: dice.randrange(99) + 0.5),
    "counter": (lambda _, at: int((at - START) * 1000), lambda _, at: int((START - at) * 1000)),
    "one of three": (lambda dice, _: dice.choice("abc"), lambda dice, _: dice.choice("xy")),
    "boolean": (lambda dice, _: dice.random() < 0.5, lambda dice, _: dice.choice(["true", "false"])),
    "text around a number": (lambda dice, _: f"{dice.randrange(99)} rows", lambda dice, _: f"{dice.randrange(99)} row(s)"),
    "text around a duration": (
        lambda dice, _: f"took {round(dice.uniform(0.3, 0.6), 3)}ms.",
        lambda dice, _: f"took {round(dice.uniform(0.3, 0.6), 3)}s.",
    ),
    "sentence": (lambda dice, _: " ".join(dice.choices(["Red", "green", "blue"], k=dice.randrange(3, 9))), lambda _, __: ""),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_keeps_its_shape_is_noise_and_what_loses_it_is_none(shape: str) -> None:
    ours, theirs = SHAPES[shape]
    for seed in range(20):
        assert opinion(ours, ours, seed=seed).noise, opinion(ours, ours, seed=seed)
        found = opinion(ours, theirs, seed=seed)
        assert not found.noise
        assert found.shape
        assert not found.more


@pytest.mark.parametrize("shape", SHAPES)
def test_what_lost_its_shape_is_never_settled_as_noise_early_on(shape: str) -> None:
    ours, theirs = SHAPES[shape]
    if shape == "one of three":
        pytest.skip("three values are a small set only when they have been seen a few times")
    for answers in range(3, STEADY):
        found = opinion(ours, theirs, answers)
        assert not found.noise or found.more


def test_times_near_now_are_clocks_even_where_they_did_not_tick() -> None:
    assert opinion(lambda _, __: "2026-09-21T14:13:20Z", lambda _, __: "2026-09-21T14:13:21Z", STEADY).noise
    assert not opinion(lambda _, __: "2024-01-01T00:00:00Z", lambda _, __: "2024-01-01T00:00:01Z").noise


@pytest.mark.parametrize("answers", [2, 5, STEADY, PATIENT])
def test_a_coin_is_never_called_a_difference_for_good_before_chance_is_ruled_out(answers: int) -> None:
    called = 0
    for seed in range(300):
        found = opinion(lambda dice, _: dice.random() < 0.5, lambda dice, _: dice.random() < 0.5, answers, seed)
        called += not found.noise and not found.more
    assert called == 0


def test_hexadecimal_digits_that_happen_to_be_decimal_are_chance() -> None:
    ids = iter(["5af7a7f16a0676b58", "1c9a7f16a0676b58d"])
    theirs = [Sample("01363898127525242", 0, START)]
    assert weigh(Series([Sample(next(ids), turn, START) for turn in range(2)], theirs, (2, 1))).noise


def once(value: float) -> Make:
    calls = itertools.count()
    return lambda dice, _: value if next(calls) == 0 else dice.uniform(0.3, 0.5)


def jitter(dice: random.Random, _: float) -> float:
    return dice.uniform(0.3, 0.5)


def test_a_duration_that_was_long_once_is_chance_and_one_that_always_is_none() -> None:
    assert opinion(jitter, once(16.1)).noise
    assert not opinion(jitter, lambda dice, at: 40 * jitter(dice, at)).noise


@pytest.mark.parametrize("value", [16_000.0, -0.4])
def test_a_number_that_no_chance_explains_is_a_difference_even_once(value: float) -> None:
    assert not opinion(jitter, once(value)).noise


@pytest.mark.parametrize("value", [None, ABSENT, "", [], {}, 0, "0", True])
def test_constant_against_anything_else_is_a_difference(value: Any) -> None:
    found = opinion(lambda _, __: "x", lambda _, __: value, STEADY)
    assert not found.noise
    assert not found.shape


def walked(ours: Make, theirs: Make, answers: int = PATIENT) -> list[str]:
    """What is no noise, as text."""
    walk = Walk(series(ours, theirs, answers))
    opinions = [*walk.root.all_within(), *(opinion for _, opinion in walk.root.wholes())]
    return [opinion.text for opinion in opinions if not opinion.noise]


def lines(dice: random.Random, _: float) -> list[dict[str, Any]]:
    return [{"id": dice.randrange(10**6), "price": dice.uniform(1, 5)} for _ in range(dice.randrange(2, 6))]


def ranked(dice: random.Random, at: float) -> list[dict[str, Any]]:
    return sorted(lines(dice, at) + lines(dice, at), key=lambda line: line["price"])


LISTS: dict[str, tuple[Make, Make]] = {
    "permutation keeps its elements": (lambda dice, _: dice.sample("abcdef", 6), lambda dice, _: dice.sample("abcdex", 6)),
    "length": (lines, lambda dice, at: lines(dice, at) * 9),
    "elements keep their members": (lines, lambda dice, at: [{"id": line["id"]} for line in lines(dice, at)]),
    "elements keep their types": (lines, lambda dice, at: [{**line, "price": str(line["price"])} for line in lines(dice, at)]),
    "order": (ranked, lambda dice, at: ranked(dice, at)[::-1]),
    "nothing twice": (ranked, lambda dice, at: (found := ranked(dice, at))[:1] + found),
    "names that vary": (
        lambda dice, at: {uuid4(dice, at): {"n": 1} for _ in range(3)},
        lambda dice, at: {token(20, HEX)(dice, at): {"n": 1} for _ in range(3)},
    ),
    "optional member": (
        lambda dice, _: {"a": 1} | ({"b": 2} if dice.random() < 0.5 else {}),
        lambda dice, _: {"a": 1} | ({"b": "2"} if dice.random() < 0.5 else {}),
    ),
}


@pytest.mark.parametrize("what", LISTS)
def test_lists_and_objects_that_vary_are_held_to_what_stays(what: str) -> None:
    ours, theirs = LISTS[what]
    assert walked(ours, ours) == []
    assert walked(ours, theirs) != []


def test_a_shuffled_list_of_objects_is_compared_by_what_identifies_them() -> None:
    def shuffled(price: float) -> Make:
        return lambda dice, _: dice.sample([{"id": k, "price": price if k == 3 else k, "seen": dice.random()} for k in range(6)], 6)

    assert walked(shuffled(3), shuffled(3)) == []
    assert walked(shuffled(3), shuffled(4)) == ["the same in each answer of the primary"]
