"""Clean services: each is answered alike by both versions, and each varies by itself in a way of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Callable
from email.utils import formatdate

from world import NAMES, WORDS, Answer, World, order

Service = Callable[[World], Answer]
CLEAN: dict[str, Service] = {}


def clean(name: str) -> Callable[[Service], Service]:
    def register(service: Service) -> Service:
        CLEAN[name] = service
        return service

    return register


def simple(name: str, make: Callable[[World], object]) -> None:
    """An order with one field that varies."""
    CLEAN[name] = lambda w: Answer({**order(w), "value": make(w)})


def ulid(w: World) -> str:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number, text = int(w.now * 1000), ""
    for _ in range(10):
        number, digit = divmod(number, 32)
        text = alphabet[digit] + text
    return text + "".join(w.rng.choice(alphabet) for _ in range(16))


def uuid7(w: World) -> str:
    digits = f"{int(w.now * 1000):012x}7{w.hex(3)}{w.rng.choice('89ab')}{w.hex(15)}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def go_time(w: World) -> str:
    moment = w.when()
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + (f"{moment.microsecond:06d}{w.rng.randrange(1000):03d}".rstrip("0") or "0") + "Z"


def sentence(w: World, least: int = 4, most: int = 12) -> str:
    return " ".join(w.rng.choice(WORDS) for _ in range(w.rng.randint(least, most))).capitalize() + "."


def tick(w: World, name: str, step: int = 1) -> int:
    w.counts[name] += step
    return w.counts[name]


simple("nothing", lambda _: 1)
simple("uuid4", lambda w: w.uuid())
simple("uuid7", uuid7)
simple("ulid", ulid)
simple("hex_32", lambda w: w.hex(32))
simple("hex_12", lambda w: w.hex(12))
simple("base64url_22", lambda w: w.token(22))
simple("base64_44", lambda w: base64.b64encode(w.rng.randbytes(32)).decode())
simple("jwt", lambda w: w.jwt({"sub": f"user-{w.n}", "iat": int(w.now), "exp": int(w.now) + 3600, "jti": w.hex(16)}))
simple("prefixed_id", lambda w: f"req_{w.token(14, 'abcdefghijklmnopqrstuvwxyz0123456789')}")
simple("integer_id", lambda w: w.rng.randrange(10**9, 10**10))
simple("iso_milliseconds", lambda w: w.iso())
simple("iso_seconds", lambda w: w.iso(digits=0))
simple("iso_offset", lambda w: w.when().isoformat(timespec="microseconds"))
simple("iso_trimmed", go_time)
simple("epoch_seconds", lambda w: int(w.now))
simple("epoch_milliseconds", lambda w: int(w.now * 1000))
simple("epoch_float", lambda w: w.now)
simple("http_date", lambda w: formatdate(w.now, usegmt=True))
simple("expires_in_an_hour", lambda w: w.iso(3600))
simple("uptime", lambda w: round(w.now - w.started, 3))
simple("duration", lambda w: round(w.rng.uniform(3, 40), 2))
simple("long_tail", lambda w: round(math.exp(w.rng.gauss(2, 1)), 3))
simple("visits", lambda w: tick(w, f"visits {w.n}"))
simple("sequence", lambda w: tick(w, "sequence", w.rng.randrange(1, 4)))
simple("jitter_1_percent", lambda w: round(1000 * (1 + w.rng.uniform(-0.01, 0.01)), 2))
simple("gauss", lambda w: w.rng.gauss(20, 3))
simple("around_zero", lambda w: round(w.rng.gauss(0, 5), 2))
simple("summation_order", lambda w: 123.456 + w.rng.choice([0, 1, 2, 3]) * 1.4e-14)
simple("one_of_five", lambda w: w.rng.choice(["amber", "basin", "cedar", "delta", "ember"]))
simple("coin", lambda w: w.rng.random() < 0.5)
simple("one_in_ten", lambda w: "slow" if w.rng.random() < 0.1 else "fast")
simple("null_sometimes", lambda w: None if w.rng.random() < 0.3 else w.rng.randrange(100))
simple("shuffled_words", lambda w: w.rng.sample(WORDS[:8], 8))
simple("three_of_twenty", lambda w: w.rng.sample(WORDS[:20], 3))
simple("numbers_of_varying_count", lambda w: [w.rng.randrange(100) for _ in range(w.rng.randint(2, 9))])
simple("sentence", sentence)
simple(
    "template",
    lambda w: (
        f"Processed {w.rng.randrange(1, 50)} rows in {w.rng.uniform(1, 9):.2f} ms at {w.iso(digits=0)} by worker-{w.rng.randrange(8)}"
    ),
)
simple("address", lambda w: f"10.0.{w.rng.randrange(256)}.{w.rng.randrange(256)}:{w.rng.randrange(30000, 60000)}")
simple("person", lambda w: f"{w.rng.choice(NAMES)} {w.rng.choice(WORDS).capitalize()}")
simple("coordinates", lambda w: {"lat": round(52.52 + w.rng.gauss(0, 0.001), 6), "lon": round(13.405 + w.rng.gauss(0, 0.001), 6)})
simple("set_as_text", lambda w: "{" + ", ".join(w.rng.sample(WORDS[:5], 5)) + "}")
simple("cursor", lambda w: base64.b64encode(json.dumps({"after": w.rng.randrange(10**6), "t": int(w.now * 1000)}).encode()).decode())
simple("pod", lambda w: f"web-7d9f8b6c5-{w.rng.choice(['x2k4p', 'q8w7z', 'm3n5b'])}")


@clean("optional_field")
def optional_field(w: World) -> Answer:
    return Answer({**order(w), **({"value": "gift"} if w.rng.random() < 0.5 else {})})


@clean("keys_in_any_order")
def keys_in_any_order(w: World) -> Answer:
    members = list(order(w).items())
    w.rng.shuffle(members)
    return Answer(dict(members))


@clean("shuffled_objects")
def shuffled_objects(w: World) -> Answer:
    offers = [{"id": k, "title": WORDS[k], "score": round(w.rng.uniform(0.4, 0.9), 4)} for k in range(8)]
    w.rng.shuffle(offers)
    return Answer({"offers": offers, "of": w.n})


@clean("ties")
def ties(w: World) -> Answer:
    pair = [{"id": 7, "title": "amber", "score": 5}, {"id": 8, "title": "basin", "score": 5}]
    w.rng.shuffle(pair)
    return Answer({"ranking": [{"id": 1, "title": "cedar", "score": 9}, *pair, {"id": 2, "title": "delta", "score": 1}], "of": w.n})


@clean("by_uuid")
def by_uuid(w: World) -> Answer:
    return Answer(
        {"sessions": {w.uuid(): {"user": w.rng.choice(NAMES), "age": w.rng.randrange(900)} for _ in range(w.rng.randint(2, 5))}, "of": w.n}
    )


@clean("feed")
def feed(w: World) -> Answer:
    times = sorted((w.now - w.rng.uniform(0, 300) for _ in range(w.rng.randint(6, 12))), reverse=True)
    events = [
        {"id": w.uuid(), "at": round(at, 3), "kind": w.rng.choice(["read", "write", "login"]), "by": w.rng.choice(NAMES)} for at in times
    ]
    return Answer({"events": events, "count": len(events), "of": w.n})


@clean("cart")
def cart(w: World) -> Answer:
    lines = [{"name": w.rng.choice(WORDS), "cents": w.rng.randrange(100, 9999)} for _ in range(w.rng.randint(1, 6))]
    return Answer({"lines": lines, "total": sum(line["cents"] for line in lines), "of": w.n})


@clean("link_repeats_id")
def link_repeats_id(w: World) -> Answer:
    made = w.uuid()
    return Answer(
        {**order(w), "id": made, "links": {"self": f"/orders/{made}", "cancel": f"/orders/{made}/cancel"}},
        headers={"Location": f"/orders/{made}"},
    )


def _digest(answer: Answer, body: bytes) -> None:
    answer.headers["ETag"] = f'"{hashlib.md5(body).hexdigest()}"'  # noqa: S324 - what an entity tag is often made of


@clean("digest_of_body")
def digest_of_body(w: World) -> Answer:
    return Answer({**order(w), "nonce": w.hex(16)}, finish=_digest)


@clean("weak_etag")
def weak_etag(w: World) -> Answer:
    return Answer(order(w), headers={"ETag": f'W/"{w.hex(3)}-{w.token(27)}"'})


@clean("session_cookie")
def session_cookie(w: World) -> Answer:
    return Answer(order(w), headers={"Set-Cookie": f"session={w.token(43)}; Path=/; HttpOnly; SameSite=Lax"})


@clean("cookie_with_expiry")
def cookie_with_expiry(w: World) -> Answer:
    return Answer(
        order(w), headers={"Set-Cookie": f"visitor={w.hex(24)}; Expires={formatdate(w.now + 86400, usegmt=True)}; Path=/; Secure"}
    )


@clean("tracing_headers")
def tracing_headers(w: World) -> Answer:
    return Answer(
        order(w),
        headers={
            "X-Request-Id": w.uuid(),
            "Traceparent": f"00-{w.hex(32)}-{w.hex(16)}-01",
            "Server-Timing": f"db;dur={w.rng.uniform(1, 9):.1f}",
        },
    )


@clean("rate_limit")
def rate_limit(w: World) -> Answer:
    left = 5000 - tick(w, "used")
    return Answer(
        order(w),
        headers={"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": str(int(w.now // 3600 + 1) * 3600)},
    )


@clean("rate_limit_shared")
def rate_limit_shared(w: World) -> Answer:
    """Others use it up as well, at each version in their own measure."""
    left = 5000 - tick(w, "used", 1 + (w.rng.random() < 0.2) * w.rng.randrange(4))
    return Answer(order(w), headers={"X-RateLimit-Remaining": str(left)})


@clean("cache_headers")
def cache_headers(w: World) -> Answer:
    born = w.memory.setdefault(f"born {w.n}", w.now)
    if w.now - born > 20:
        born = w.memory[f"born {w.n}"] = w.now
    return Answer(
        order(w), headers={"Age": str(int(w.now - born)), "X-Cache": "MISS" if born == w.now else "HIT", "Cache-Control": "max-age=20"}
    )


@clean("warms_up")
def warms_up(w: World) -> Answer:
    return Answer({**order(w), "cached": tick(w, f"asked {w.n}") > 1})


@clean("generation")
def generation(w: World) -> Answer:
    """Made anew every two seconds, and kept in between."""
    made = w.memory.get("made")
    if made is None or w.now - made[0] > 2:
        made = w.memory["made"] = (w.now, w.uuid())
    return Answer({**order(w), "snapshot": {"at": round(made[0], 3), "seconds_old": round(w.now - made[0], 3)}})


@clean("form_in_html")
def form_in_html(w: World) -> Answer:
    page = (
        f"<!doctype html><html><head><title>Order {w.n}</title><script nonce='{w.token(16)}'>start()</script></head>"
        f"<body><h1>Order {w.n}</h1>"
        f"<p>Served at {w.iso(digits=0)}</p><form method='post'>"
        f"<input type='hidden' name='csrf' value='{w.token(64)}'><button>Pay</button></form></body></html>"
    )
    return Answer(text=page, type="text/html; charset=utf-8")


@clean("feed_in_xml")
def feed_in_xml(w: World) -> Answer:
    entries = "".join(f"<entry><id>urn:uuid:{w.uuid()}</id><title>{WORDS[k]}</title><price>{10 + k}.50</price></entry>" for k in range(4))
    return Answer(text=f"<?xml version='1.0'?><feed><updated>{w.iso()}</updated>{entries}</feed>", type="application/xml")


@clean("log_in_text")
def log_in_text(w: World) -> Answer:
    lines = [f"{w.iso()} INFO worker={w.rng.randrange(4)} request={w.uuid()} took={w.rng.uniform(1, 90):.1f}ms" for _ in range(5)]
    return Answer(text="\n".join(lines) + "\n", type="text/plain; charset=utf-8")


@clean("accepted_or_done")
def accepted_or_done(w: World) -> Answer:
    done = w.rng.random() < 0.5
    return Answer({"job": w.n, "state": "done" if done else "running"}, status=200 if done else 202)


@clean("dashboard")
def dashboard(w: World) -> Answer:
    services = [
        {"name": word, "up": True, "latency": round(w.rng.uniform(1, 50), 1), "requests": tick(w, word, w.rng.randrange(1, 9))}
        for word in WORDS[:12]
    ]
    return Answer(
        {"at": w.iso(), "request": w.uuid(), "services": services, "load": [round(w.rng.uniform(0, 4), 2) for _ in range(3)], "of": w.n}
    )


@clean("recommendations")
def recommendations(w: World) -> Answer:
    chosen = w.rng.sample(range(40), 6)
    return Answer(
        {"for": w.n, "items": [{"id": k, "title": WORDS[k % 26], "reason": w.rng.choice(["popular", "new", "similar"])} for k in chosen]}
    )


@clean("retry_after")
def retry_after(w: World) -> Answer:
    return Answer({"error": "busy", "of": w.n}, status=503, headers={"Retry-After": str(w.rng.randint(1, 5))})
