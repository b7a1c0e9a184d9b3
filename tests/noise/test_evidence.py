from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.model import Difference, Pair, Request, Verdict
from pytest_shadowdiff.noise import Evidence

values = st.none() | st.booleans() | st.integers() | st.text(max_size=300)
noises = st.lists(
    st.tuples(st.sampled_from(["GET /a", "GET /b"]), st.sampled_from(["$.x", "$.y[1]", "$.y[2]"]), values, values), max_size=200
)


def taught(seen: Sequence[tuple[str, str, object, object]]) -> Evidence:
    evidence = Evidence()
    for endpoint, path, ours, theirs in seen:
        noise = (Difference(path, "value_changed", ours, theirs),)
        evidence.learn(Pair("1", None, Request("GET", "/"), endpoint=endpoint, verdict=Verdict.NOISE, noise=noise))
    return evidence


@given(noises, st.integers(min_value=1, max_value=4), st.randoms(use_true_random=False))
def test_workers_evidence_adds_up_in_any_order(seen: list[tuple[str, str, object, object]], workers: int, dice: random.Random) -> None:
    whole = taught(seen)
    parts = [taught(seen[n::workers]) for n in range(workers)]
    dice.shuffle(parts)
    merged = Evidence()
    for part in parts:
        merged.merge(part)
    for endpoint, path, ours, theirs in seen:
        for value in (ours, theirs):
            assert merged.knows(endpoint, path, value) == whole.knows(endpoint, path, value)


def test_positions_in_lists_do_not_matter_and_types_do() -> None:
    evidence = taught([("GET /a", "$.y[1]", 1, 2)])
    assert evidence.knows("GET /a", "$.y[7]", 1)
    assert not evidence.knows("GET /a", "$.y[1]", "1")
    assert not evidence.knows("GET /b", "$.y[1]", 1)


def test_it_stays_small() -> None:
    evidence = taught([("GET /a", "$.x", "v" * 300 + str(n), n) for n in range(5000)])
    assert sum(evidence.knows("GET /a", "$.x", n) for n in range(5000)) <= 64
