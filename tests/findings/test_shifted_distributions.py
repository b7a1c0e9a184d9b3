from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.findings import ALPHA, Finding, Statistics, sign_test
from pytest_shadowdiff.model import Difference, Exchange, Pair, Request, Response, Verdict

START = 1_790_000_000.0
Make = Callable[[random.Random], Any]


def pair(ours: Any, theirs: Any, n: int = 0, seconds: tuple[float, float] = (0.01, 0.01), **more: Any) -> Pair:
    def exchange(taken: float) -> Exchange:
        return Exchange(Request("GET", "/"), Response(200, [], b""), START + n, taken)

    noise = () if ours == theirs else (Difference("$.value", "value_changed", ours, theirs),)
    verdict = Verdict.NOISE if noise else Verdict.SAME
    return Pair(
        str(n),
        None,
        Request("GET", "/"),
        exchange(seconds[0]),
        exchange(seconds[1]),
        endpoint="GET /",
        **{"verdict": verdict, "noise": noise} | more,
    )


def counted(ours: Make, theirs: Make, pairs: int = 100, seed: int = 1) -> Statistics:
    dice = random.Random(seed)
    statistics = Statistics()
    for n in range(pairs):
        statistics.add(pair(ours(dice), theirs(dice), n))
    return statistics


def coin(share: float) -> Make:
    return lambda dice: dice.random() < share


SHIFTS: dict[str, tuple[Make, Make]] = {
    "boolean": (coin(0.5), coin(0.85)),
    "null": (lambda dice: None if dice.random() < 0.3 else "x", lambda _: "x"),
    "one of a set": (lambda dice: dice.choice("abcde"), lambda dice: dice.choice("bcde")),
    "number": (lambda dice: dice.gauss(20, 3), lambda dice: dice.gauss(17, 3)),
}


@pytest.mark.parametrize("what", SHIFTS)
def test_a_shift_is_found_and_its_absence_is_not(what: str) -> None:
    ours, theirs = SHIFTS[what]
    (finding,) = {finding.path: finding for finding in counted(ours, theirs).findings()}.values()
    assert finding.endpoint == "GET /"
    assert finding.path == "$.value"
    assert finding.p < ALPHA
    assert finding.primary
    assert finding.candidate
    assert [found for seed in range(50) for found in counted(ours, ours, seed=seed).findings()] == []


def listed(ours: list[Any], theirs: list[Any], n: int) -> Pair:
    found = (
        Difference(f"$.items[{k}].value", "value_changed", one, other) for k, (one, other) in enumerate(zip(ours, theirs, strict=True))
    )
    return pair(1, 2, n, noise=tuple(each for each in found if each.primary != each.candidate))


def test_elements_that_hang_together_count_as_one() -> None:
    def statistics(seed: int) -> Statistics:
        dice, found = random.Random(seed), Statistics()
        for n in range(100):
            found.add(listed([dice.choice(["EUR", "USD"])] * 50, [dice.choice(["EUR", "USD"])] * 50, n))
            found.add(listed([dice.gauss(5, 1)] * 50, [dice.gauss(5, 1)] * 50, n))
        return found

    assert [finding for seed in range(50) for finding in statistics(seed).findings()] == []


@pytest.mark.parametrize(
    "ours,theirs,what",
    [
        (lambda dice: dice.choice(["EUR", "USD"]), lambda dice: dice.choice(["EUR", "EUR", "EUR", "USD"]), "'EUR' is more frequent"),
        (lambda dice: None if dice.random() < 0.2 else "x", lambda dice: None if dice.random() < 0.5 else "x", "'x' is less frequent"),
        (lambda dice: dice.gauss(20, 3), lambda dice: dice.gauss(18, 3), "smaller in the candidate"),
    ],
)
def test_a_shift_of_what_elements_hold_is_found(ours: Make, theirs: Make, what: str) -> None:
    dice, statistics = random.Random(1), Statistics()
    for n in range(100):
        statistics.add(listed([ours(dice) for _ in range(8)], [theirs(dice) for _ in range(8)], n))
    (finding,) = statistics.findings()
    assert finding.path == "$.items[*].value"
    assert what in finding.what


def test_a_list_that_became_longer_is_found() -> None:
    dice, statistics = random.Random(1), Statistics()
    for n in range(150):
        more = dice.randrange(-1, 5)
        kind, values = ("added", (None, f"x{n}")) if more > 0 else ("missing", (f"x{n}", None))
        statistics.add(pair(1, 2, n, noise=tuple(Difference(f"$.items[{k}]", kind, *values) for k in range(abs(more)))))
    (finding,) = statistics.findings()
    assert finding.path == "$.items"
    assert "longer" in finding.what


def test_many_tests_need_less_probable_shifts() -> None:
    def shifted(others: int) -> list[Finding]:
        dice, statistics = random.Random(2), Statistics()
        for n in range(40):
            fields = [("$.value", n % 2 == 1 or n > 33, True)]
            fields += [(f"$.other{k}", dice.random() < 0.5, dice.random() < 0.5) for k in range(others)]
            found = (Difference(path, "value_changed", ours, theirs) for path, ours, theirs in fields if ours != theirs)
            statistics.add(pair(1, 2, n, noise=tuple(found)))
        return statistics.findings()

    alone, among = shifted(0), shifted(60)
    assert [finding.path for finding in alone] == ["$.value"]
    assert 1e-6 < alone[0].p < ALPHA
    assert among == []


def test_too_few_pairs_say_nothing() -> None:
    assert counted(coin(0.1), coin(0.9), pairs=15).findings() == []


def test_an_effect_that_is_too_small_says_nothing_however_certain() -> None:
    assert counted(coin(0.5), coin(0.55), pairs=5000).findings() == []


def test_counters_clocks_and_what_is_kept_for_a_while_say_nothing() -> None:
    walk = [0.0]

    def drifting(dice: random.Random) -> float:
        walk[0] += dice.uniform(0, 1)
        return walk[0]

    def kept(name: str) -> Make:
        calls = iter(range(1000))
        return lambda _: f"{name} {next(calls) // 30}"

    assert counted(lambda _: 0.0, drifting).findings() == []
    assert counted(kept("a"), kept("b")).findings() == []
    statistics = Statistics()
    for n in range(100):
        statistics.add(pair(START + n, START + n + 0.01, n))
    assert statistics.findings() == []


def test_what_a_rule_silences_or_a_verdict_named_is_no_finding_as_well() -> None:
    silenced = (Difference("$.value", "value_changed", 1, 2),)
    statistics = Statistics()
    for n in range(100):
        statistics.add(pair("a", "b", n, silenced=silenced if n == 99 else ()))
    assert statistics.findings() == []


def test_a_slow_candidate_is_found_and_a_slightly_slower_one_is_not() -> None:
    def latencies(factor: float) -> list[Finding]:
        dice = random.Random(1)
        statistics = Statistics()
        for n in range(60):
            statistics.add(pair(1, 1, n, (dice.uniform(0.02, 0.05), factor * dice.uniform(0.02, 0.05))))
        return statistics.findings()

    assert [finding.path for finding in latencies(4)] == ["latency"]
    assert latencies(1.3) == []


def test_bodies_that_grew_are_found() -> None:
    def sizes(more: int) -> list[Finding]:
        dice = random.Random(1)
        statistics = Statistics()
        for n in range(60):
            given = pair("a", "b", n, noise=(Difference("$.text", "value_changed", f"a{n}", f"b{n}"),))
            bodies = [bytes(dice.randrange(80, 120) + extra) for extra in (0, more)]
            sides = [replace(given.primary, response=Response(200, [], body)) for body in bodies if given.primary]
            statistics.add(replace(given, primary=sides[0], candidate=sides[1]))
        return statistics.findings()

    assert [finding.path for finding in sizes(60)] == ["size"]
    assert sizes(1) == []


def test_percentiles_are_right_to_two_per_cent() -> None:
    statistics = Statistics()
    for n in range(1, 1001):
        statistics.add(pair(1, 1, n, (n / 1000, n / 500)))
    latency = statistics.latency("GET /")
    assert latency["primary"]["p50"] == pytest.approx(0.5, rel=0.02)
    assert latency["candidate"]["p99"] == pytest.approx(1.98, rel=0.02)
    assert statistics.latency("GET /nowhere") == {"primary": {}, "candidate": {}}


values = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from("abc") | st.floats(-10, 10)
pairs = st.lists(st.tuples(values, values, st.floats(0.001, 10)), max_size=80)


@given(pairs, st.integers(min_value=1, max_value=4), st.randoms(use_true_random=False))
def test_workers_statistics_add_up_in_any_order_and_survive_the_way(
    seen: list[tuple[Any, Any, float]], workers: int, dice: random.Random
) -> None:
    parts = []
    for worker in range(workers):
        part = Statistics()
        for n, (ours, theirs, seconds) in enumerate(seen[worker::workers]):
            part.add(pair(ours, theirs, n, (seconds, seconds)))
        parts.append(Statistics.from_dict(json.loads(json.dumps(part.to_dict()))))
    merged, shuffled = Statistics(), Statistics()
    for part in parts:
        merged.merge(part)
    dice.shuffle(parts)
    for part in parts:
        shuffled.merge(part)
    assert _rounded(merged.to_dict()) == _rounded(shuffled.to_dict())
    assert merged.endpoints.get("GET /") is None or merged.endpoints["GET /"].pairs == len(seen)


def _rounded(data: Any) -> Any:
    """Floats add up in any order but for their last digits."""
    if isinstance(data, dict):
        return {key: _rounded(value) for key, value in sorted(data.items())}
    if isinstance(data, list):
        found = [_rounded(value) for value in data]
        return sorted(found) if all(isinstance(value, list) for value in found) else found
    return round(data, 6) if isinstance(data, float) else data


def test_memory_is_bounded() -> None:
    statistics = Statistics()
    for n in range(3000):
        noise = (Difference(f"$.member{n}", "value_changed", f"a{n}", f"b{n}"), Difference("$.id", "value_changed", f"a{n}", f"b{n}"))
        statistics.add(pair(1, 2, n, noise=noise))
    assert len(json.dumps(statistics.to_dict())) < 50_000


@pytest.mark.parametrize("less, more, p", [(0, 0, 1.0), (5, 5, 1.0), (0, 10, 2 / 2**10), (1, 9, 22 / 2**10), (0, 3000, 0.0)])
def test_the_sign_test_is_exact(less: int, more: int, p: float) -> None:
    assert math.isclose(sign_test(less, more), p, rel_tol=1e-9, abs_tol=1e-300)
    assert sign_test(less, more) == sign_test(more, less)
