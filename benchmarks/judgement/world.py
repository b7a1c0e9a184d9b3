"""The world that a service of the bench lives in: its clock, its dice, its memory. All of it follows from one seed."""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from typing import Any

from pytest_shadowdiff.model import Response

Json = Any


@dataclass(slots=True)
class Answer:
    """What a service says, before it goes on the wire; faults change it there."""

    doc: Json = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    type: str = "application/json"
    finish: Callable[[Answer, bytes], None] | None = None
    """Sets what depends on the body's bytes (a digest), after all else."""

    def response(self, now: float) -> Response:
        if self.text is not None:
            body = self.text.encode()
        else:
            body = b"" if self.doc is None else json.dumps(self.doc, ensure_ascii=False).encode()
        if self.finish is not None:
            self.finish(self, body)
        headers = [
            ("Server", "bench"),
            ("Date", formatdate(now, usegmt=True)),
            ("Content-Type", self.type),
            ("Content-Length", str(len(body))),
        ]
        return Response(self.status, [*headers, *self.headers.items()], body)


class Clock:
    """Simulated time, shared by both versions; only the traffic moves it."""

    def __init__(self, start: float) -> None:
        self.now = start

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class World:
    """One running version."""

    def __init__(self, seed: str, clock: Clock) -> None:
        self.rng = random.Random(seed)
        self.clock = clock
        self.started = clock.now - 1000
        self.counts: Counter[str] = Counter()
        self.memory: dict[str, Any] = {}
        self.n = 0
        """The number of the resource that is asked for."""

    @property
    def now(self) -> float:
        return self.clock.now

    def fixed(self, *what: object) -> random.Random:
        """Dice that both versions throw alike: what a resource is, and not how it is answered."""
        return random.Random(f"{self.n} {what}")

    def uuid(self, version: int = 4) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=version))

    def hex(self, length: int) -> str:
        return "".join(self.rng.choice("0123456789abcdef") for _ in range(length))

    def token(self, length: int, alphabet: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") -> str:
        return "".join(self.rng.choice(alphabet) for _ in range(length))

    def when(self, after: float = 0.0) -> datetime:
        return datetime.fromtimestamp(self.now, timezone.utc) + timedelta(seconds=after)

    def iso(self, after: float = 0.0, digits: int = 3) -> str:
        moment = self.when(after)
        fraction = f"{moment.microsecond:06d}"[:digits]
        return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if digits else "") + "Z"

    def jwt(self, claims: dict[str, Any], algorithm: str = "HS256") -> str:
        def part(value: bytes) -> str:
            return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

        header = part(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
        return f"{header}.{part(json.dumps(claims).encode())}.{part(self.rng.randbytes(32))}"


NAMES = (
    "Ada",
    "Alan",
    "Barbara",
    "Claude",
    "Donald",
    "Edsger",
    "Frances",
    "Grace",
    "John",
    "Kathleen",
    "Leslie",
    "Margaret",
    "Niklaus",
    "Radia",
)
WORDS = [
    "amber",
    "basin",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbor",
    "island",
    "jungle",
    "kettle",
    "lagoon",
    "meadow",
    "nectar",
    "orchid",
    "prairie",
    "quartz",
    "river",
    "summit",
    "tundra",
    "umbra",
    "valley",
    "willow",
    "xenon",
    "yonder",
    "zephyr",
]


def order(w: World) -> dict[str, Json]:
    """A resource without any noise."""
    dice = w.fixed("order")
    items = [
        {
            "sku": f"SKU-{dice.randrange(1000):04d}-{k}",
            "name": dice.choice(WORDS),
            "quantity": dice.randrange(1, 9),
            "price": dice.randrange(100, 9999) / 100,
        }
        for k in range(5)
    ]
    return {
        "number": 1000 + w.n,
        "customer": {
            "name": f"{dice.choice(NAMES)} Émile <{dice.choice(WORDS)}>",
            "email": f"c{w.n}@example.com",
            "vip": dice.random() < 0.5,
        },
        "status": dice.choice(["open", "paid", "shipped"]),
        "total": round(sum(item["price"] * item["quantity"] for item in items), 2),
        "placed": f"2024-0{1 + w.n % 9}-11T09:30:00Z",
        "balance": -12.5 - w.n,
        "discount": None,
        "reference": 9007199254740993 + 2 * w.n,
        "notes": "Leave at the door",
        "tags": dice.sample(WORDS, 4),
        "items": items,
        "audit": {"trail": [{"step": k, "by": {"name": dice.choice(NAMES), "role": "clerk"}} for k in range(3)]},
    }
