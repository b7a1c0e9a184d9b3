"""How long `compare` takes, as a multiple of parsing both bodies with orjson and `==`, and against DeepDiff.

    python benchmarks/compare/ratios.py [--linear]

Times are the best of many short interleaved rounds, since a busy machine only adds to them. `--linear` measures documents up
to 100 MB instead.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
from collections.abc import Callable
from time import perf_counter

import orjson
from deepdiff import DeepDiff

from pytest_shadowdiff import Response, compare
from pytest_shadowdiff.settings import Limits

SIZES = {"8 KB": 8_000, "80 KB": 80_000}
ROUNDS = 400
GOALS = {"identical bytes": 0.2, "reordered keys": 2.0, "two changes": 3.0}


def order(n: int, rng: random.Random) -> dict[str, object]:
    """An element as services answer them: identifiers, prices, dates, flags, a little nesting."""
    return {
        "id": f"{rng.getrandbits(128):032x}",
        "number": n,
        "total": round(rng.uniform(1, 1000), 2),
        "currency": rng.choice(["EUR", "USD"]),
        "paid": rng.random() < 0.5,
        "note": None,
        "created_at": f"2030-01-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:00:00Z",
        "items": [
            {"sku": f"SKU-{rng.randrange(10**6):06}", "count": rng.randrange(1, 9), "price": round(rng.uniform(1, 99), 2)} for _ in range(3)
        ],
    }


def document(size: int) -> dict[str, list[dict[str, object]]]:
    rng = random.Random(size)
    orders: list[dict[str, object]] = []
    while len(json.dumps({"orders": orders})) < size:
        missing = size - len(json.dumps({"orders": orders}))
        orders += [order(len(orders) + n, rng) for n in range(max(1, missing // 450))]
    return {"orders": orders}


def reordered(value: object) -> object:
    if isinstance(value, dict):
        return {name: reordered(member) for name, member in reversed(value.items())}
    return [reordered(each) for each in value] if isinstance(value, list) else value


def two_changes(value: dict[str, list[dict[str, object]]]) -> object:
    changed: dict[str, list[dict[str, object]]] = json.loads(json.dumps(value))
    orders = changed["orders"]
    orders[len(orders) // 3]["total"] = -1
    orders[2 * len(orders) // 3]["paid"] = "yes"
    return changed


def answer(body: bytes) -> Response:
    return Response(200, (("Content-Type", "application/json"),), body)


def timed(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def ratios(size: int) -> None:
    one = document(size)
    raw = json.dumps(one).encode()
    bodies = {
        "identical bytes": bytes(bytearray(raw)),
        "reordered keys": json.dumps(reordered(one)).encode(),
        "two changes": json.dumps(two_changes(one)).encode(),
    }
    for name, other in bodies.items():
        primary, candidate = answer(raw), answer(other)
        floor = ours = deep = 1e9
        for _ in range(ROUNDS):
            floor = min(floor, timed(lambda o=other: orjson.loads(raw) == orjson.loads(o)))  # type: ignore[misc]
            ours = min(ours, timed(lambda p=primary, c=candidate: compare(p, c)))  # type: ignore[misc]
        for _ in range(3):
            deep = min(deep, timed(lambda o=other: DeepDiff(json.loads(raw), json.loads(o))))  # type: ignore[misc]
        ratio = ours / floor
        kept = "kept" if ratio <= GOALS[name] else "MISSED"
        print(
            f"{len(raw):>7} B  {name:<16} {ours * 1e6:>8.0f} µs  {ratio:5.2f} x floor (goal {GOALS[name]}: {kept})"
            f"  DeepDiff {deep / ours:6.0f} x"
        )


def linear() -> None:
    """Size against time: two documents of which two values differ."""
    limits = Limits(body=1 << 30, seconds=600)
    for size in (1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000):
        one = document(size)
        raw, other = (json.dumps(each).encode() for each in (one, two_changes(one)))
        del one
        floor = timed(lambda r=raw, o=other: orjson.loads(r) == orjson.loads(o))  # type: ignore[misc]
        ours = timed(lambda r=raw, o=other: compare(answer(r), answer(o), limits=limits))  # type: ignore[misc]
        print(f"{len(raw) / 1e6:6.1f} MB  {ours:7.3f} s  {ours / len(raw) * 1e9:6.1f} ns/B  {ours / floor:5.2f} x floor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--linear", action="store_true")
    if parser.parse_args().linear:
        linear()
        return
    gc.disable()
    for size in SIZES.values():
        ratios(size)


if __name__ == "__main__":
    main()
