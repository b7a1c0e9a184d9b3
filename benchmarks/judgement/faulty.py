"""Seeded faults: a clean service, and what the candidate does wrong on top of it.

A fault returns whether it showed in this answer, so that a run in which it never showed to a caller is not counted as missed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from clean import CLEAN, Service, tick
from world import WORDS, Answer, World

Break = Callable[[World, Answer], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault.

    Attributes:
        base: the clean service under it.
        at: how the paths begin at which it counts as found.
        spread: only a distribution shows it.
    """

    name: str
    base: Service
    change: Break
    at: tuple[str, ...]
    spread: bool = False


FAULTS: dict[str, Fault] = {}


def fault(name: str, base: str, *at: str, spread: bool = False) -> Callable[[Break], Break]:
    def register(change: Break) -> Break:
        FAULTS[name] = Fault(name, CLEAN[base], change, at, spread)
        return change

    return register


def put(name: str, base: str, path: str, make: Callable[[World, Any], Any], *at: str, rate: float = 1.0, spread: bool = False) -> None:
    """A member of the document that the candidate answers otherwise; `rate` is how often."""
    *around, last = path.split(".")

    def change(w: World, answer: Answer) -> bool:
        if rate < 1 and w.rng.random() >= rate:
            return False
        inner = answer.doc
        for step in around:
            inner = inner[int(step) if step.isdigit() else step]
        key: Any = int(last) if last.isdigit() else last
        before = json.dumps(inner[key]) if not isinstance(inner, dict) or key in inner else None
        inner[key] = make(w, inner[key] if before is not None else None)
        return json.dumps(inner[key]) != before

    FAULTS[name] = Fault(name, CLEAN[base], change, at or (f"$.{path.split('.', maxsplit=1)[0]}",), spread)


def head(name: str, base: str, header: str, make: Callable[[World, str], str | None]) -> None:
    """A header that the candidate sends otherwise, or no more."""

    def change(w: World, answer: Answer) -> bool:
        before = answer.headers.pop(header)
        after = make(w, before)
        if after is not None:
            answer.headers[header] = after
        return after != before

    FAULTS[name] = Fault(name, CLEAN[base], change, (f"header:{header.lower()}",))


# In a resource that does not vary.
put("number_changed", "nothing", "total", lambda _, v: v + 1)
put("cent_off", "nothing", "total", lambda _, v: round(v + 0.01, 2))
put("text_changed", "nothing", "notes", lambda _, __: "Leave at the gate")
put("boolean_flipped", "nothing", "customer", lambda _, v: {**v, "vip": not v["vip"]})
put("null_for_value", "nothing", "notes", lambda _, __: None)
put("value_for_null", "nothing", "discount", lambda _, __: 0)
put("number_as_text", "nothing", "number", lambda _, v: str(v))
put("rounded", "nothing", "balance", lambda _, v: round(v))
put("sign_lost", "nothing", "balance", lambda _, v: abs(v))
put("large_integer_rounded", "nothing", "reference", lambda _, v: int(float(v)))
put("text_cut", "nothing", "notes", lambda _, v: v[:10])
put("case_changed", "nothing", "status", lambda _, v: v.upper())
put("trailing_blank", "nothing", "notes", lambda _, v: v + " ")
put("mojibake", "nothing", "customer", lambda _, v: {**v, "name": v["name"].encode().decode("latin-1")})
put("escaped_for_html", "nothing", "customer", lambda _, v: {**v, "name": v["name"].replace("<", "&lt;").replace(">", "&gt;")})
put("hour_shifted", "nothing", "placed", lambda _, v: v.replace("T09", "T10"))
put("date_format", "nothing", "placed", lambda _, v: v.replace("Z", "+00:00"))
put("element_lost", "nothing", "items", lambda _, v: v[:-1])
put("element_twice", "nothing", "items", lambda _, v: [*v, v[0]])
put("elements_reversed", "nothing", "items", lambda _, v: v[::-1])
put("list_emptied", "nothing", "tags", lambda _, __: [])
put("list_unwrapped", "nothing", "tags", lambda _, v: v[0])
put("deep_value", "nothing", "audit.trail.1.by.role", lambda _, __: "admin", "$.audit")
put("one_element_changed", "nothing", "items.3.price", lambda _, v: round(v * 1.1 + 1, 2), "$.items")
put("new_dice", "nothing", "notes", lambda w, _: w.hex(8))
put("new_order", "nothing", "tags", lambda w, v: w.rng.sample(v, len(v)))


@fault("member_lost", "nothing", "$.discount")
def member_lost(_: World, answer: Answer) -> bool:
    del answer.doc["discount"]
    return True


@fault("member_gained", "nothing", "$.debug")
def member_gained(_: World, answer: Answer) -> bool:
    answer.doc["debug"] = {"sql": "select 1"}
    return True


@fault("member_renamed", "nothing", "$.balance", "$.Balance")
def member_renamed(_: World, answer: Answer) -> bool:
    answer.doc = {("Balance" if key == "balance" else key): value for key, value in answer.doc.items()}
    return True


@fault("status_500", "nothing", "status")
def status_500(_: World, answer: Answer) -> bool:
    answer.status, answer.doc = 500, {"error": "internal"}
    return True


@fault("status_201", "nothing", "status")
def status_201(_: World, answer: Answer) -> bool:
    answer.status = 201
    return True


@fault("not_found_for_some", "nothing", "status")
def not_found_for_some(w: World, answer: Answer) -> bool:
    if w.n % 4 != 3:
        return False
    answer.status, answer.doc = 404, {"error": "no such order"}
    return True


@fault("another_resource", "nothing", "$.")
def another_resource(w: World, answer: Answer) -> bool:
    w.n += 1
    answer.doc = CLEAN["nothing"](w).doc
    w.n -= 1
    return True


@fault("body_empty", "nothing", "body", "$", "header:content-type")
def body_empty(_: World, answer: Answer) -> bool:
    answer.doc = None
    return True


@fault("body_is_html", "nothing", "body", "header:content-type", "$")
def body_is_html(_: World, answer: Answer) -> bool:
    answer.text, answer.type = "<html><body>It works</body></html>", "text/html"
    return True


@fault("media_type", "nothing", "header:content-type")
def media_type(_: World, answer: Answer) -> bool:
    answer.type = "text/plain"
    return True


# In what varies.
put("uuid_version", "uuid4", "value", lambda w, _: w.uuid(1))
put("uuid_same_for_all", "uuid4", "value", lambda _, __: "5f0c6a3e-9b1d-4c7e-8a2f-3d4e5f6a7b8c")
put("uuid_nil", "uuid4", "value", lambda _, __: "00000000-0000-0000-0000-000000000000")
put("uuid_without_dashes", "uuid4", "value", lambda _, v: v.replace("-", ""))
put("uuid_in_capitals", "uuid4", "value", lambda _, v: v.upper())
put("uuid_became_number", "uuid4", "value", lambda w, _: w.rng.randrange(10**6))
put("uuid_became_null", "uuid4", "value", lambda _, __: None)
put("uuid7_became_4", "uuid7", "value", lambda w, _: w.uuid(4))
put("ulid_in_small", "ulid", "value", lambda _, v: v.lower())
put("hex_shorter", "hex_32", "value", lambda _, v: v[:30])
put("hex_became_base64", "hex_32", "value", lambda w, _: w.token(32))
put("token_became_hex", "base64url_22", "value", lambda w, _: w.hex(22))
put(
    "jwt_without_signature",
    "jwt",
    "value",
    lambda w, _: w.jwt({"sub": f"user-{w.n}", "iat": int(w.now), "exp": int(w.now) + 3600, "jti": w.hex(16)}, "none"),
)
put("jwt_claim_lost", "jwt", "value", lambda w, _: w.jwt({"sub": f"user-{w.n}", "iat": int(w.now), "exp": int(w.now) + 3600}))
put(
    "jwt_wrong_subject",
    "jwt",
    "value",
    lambda w, _: w.jwt({"sub": "user-x", "iat": int(w.now), "exp": int(w.now) + 3600, "jti": w.hex(16)}),
)
put(
    "jwt_lives_longer",
    "jwt",
    "value",
    lambda w, _: w.jwt({"sub": f"user-{w.n}", "iat": int(w.now), "exp": int(w.now) + 36000, "jti": w.hex(16)}),
)
put("prefix_changed", "prefixed_id", "value", lambda _, v: v.replace("req_", "rq_"))
put("prefix_lost", "prefixed_id", "value", lambda _, v: v.removeprefix("req_"))
put("id_as_text", "integer_id", "value", lambda _, v: str(v))
put("time_zone_written_otherwise", "iso_milliseconds", "value", lambda _, v: v.replace("Z", "+00:00"))
put("milliseconds_lost", "iso_milliseconds", "value", lambda _, v: v[:-5] + "Z")
put("local_time_as_utc", "iso_seconds", "value", lambda w, _: w.iso(7200, 0))
put("clock_stuck", "iso_milliseconds", "value", lambda w, v: w.memory.setdefault("stuck", v))
put("year_before", "iso_offset", "value", lambda _, v: str(int(v[:4]) - 1) + v[4:])
put("seconds_became_milliseconds", "epoch_seconds", "value", lambda _, v: v * 1000)
put("epoch_became_text", "epoch_milliseconds", "value", lambda w, _: w.iso())
put("expires_sooner", "expires_in_an_hour", "value", lambda w, _: w.iso(1800))
put("date_of_other_format", "http_date", "value", lambda w, _: w.iso(digits=0))
put("number_10_percent_more", "jitter_1_percent", "value", lambda _, v: round(v * 1.1, 2))
put("number_without_decimals", "jitter_1_percent", "value", lambda _, v: round(v))
put("number_negative", "jitter_1_percent", "value", lambda _, v: -v)
put("number_zero_at_times", "jitter_1_percent", "value", lambda _, __: 0, rate=0.3)
put("unit_changed", "duration", "value", lambda _, v: round(v * 1000, 2))
put("unit_of_long_tail", "long_tail", "value", lambda _, v: round(v * 1e6, 3))
put("counter_stuck", "visits", "value", lambda _, __: 3)
put("counts_twice", "visits", "value", lambda w, _: tick(w, f"visits {w.n}"))
put("error_beyond_rounding", "summation_order", "value", lambda _, v: v + 0.001)
put("value_out_of_set", "one_of_five", "value", lambda _, __: "unknown")
put("set_in_capitals", "one_of_five", "value", lambda _, v: v.capitalize())
put("coin_as_text", "coin", "value", lambda _, v: str(v).lower())
put("always_null", "uuid4", "value", lambda _, __: None, rate=0.5)
put("shuffled_one_lost", "shuffled_words", "value", lambda _, v: v[:-1])
put("shuffled_one_changed", "shuffled_words", "value", lambda _, v: ["wrong" if word == "cedar" else word for word in v])
put("sample_of_two", "three_of_twenty", "value", lambda _, v: v[:2])
put("sample_repeats", "three_of_twenty", "value", lambda _, v: [v[0], v[0], v[2]])
put("numbers_as_text", "numbers_of_varying_count", "value", lambda _, v: [str(each) for each in v])
put("numbers_negative", "numbers_of_varying_count", "value", lambda _, v: [-each - 1 for each in v])
put("sentence_empty", "sentence", "value", lambda _, __: "")
put("sentence_undefined", "sentence", "value", lambda _, __: "undefined")
put("sentence_escaped", "sentence", "value", lambda _, v: v.replace(" ", "&#32;"))
put("template_word", "template", "value", lambda _, v: v.replace("rows", "records"))
put("template_unfilled", "template", "value", lambda _, __: "Processed %d rows in %.2f ms at %s by worker-%d")
put("template_number_lost", "template", "value", lambda w, v: v.replace("ms", "s"))
put("address_without_port", "address", "value", lambda _, v: v.partition(":")[0])
put("person_without_surname", "person", "value", lambda _, v: v.split()[0])
put("coordinates_swapped", "coordinates", "value", lambda _, v: {"lat": v["lon"], "lon": v["lat"]})
put("cursor_as_json", "cursor", "value", lambda w, _: json.dumps({"after": w.rng.randrange(10**6)}))


@fault("beside_the_noise", "dashboard", "$.services")
def beside_the_noise(_: World, answer: Answer) -> bool:
    answer.doc["services"][4]["up"] = False
    return True


@fault("noisy_number_of_one_element", "dashboard", "$.services")
def noisy_number_of_one_element(_: World, answer: Answer) -> bool:
    answer.doc["services"][4]["latency"] *= -1
    return True


@fault("shuffled_object_changed", "shuffled_objects", "$.offers")
def shuffled_object_changed(_: World, answer: Answer) -> bool:
    next(offer for offer in answer.doc["offers"] if offer["id"] == 5)["title"] = "wrong"
    return True


@fault("shuffled_object_lost", "shuffled_objects", "$.offers")
def shuffled_object_lost(_: World, answer: Answer) -> bool:
    answer.doc["offers"] = [offer for offer in answer.doc["offers"] if offer["id"] != 5]
    return True


@fault("ranking_wrong", "ties", "$.ranking")
def ranking_wrong(_: World, answer: Answer) -> bool:
    answer.doc["ranking"].append(answer.doc["ranking"].pop(0))
    return True


@fault("names_of_other_shape", "by_uuid", "$.sessions")
def names_of_other_shape(w: World, answer: Answer) -> bool:
    answer.doc["sessions"] = {w.hex(32): value for value in answer.doc["sessions"].values()}
    return True


@fault("members_of_other_type", "by_uuid", "$.sessions")
def members_of_other_type(_: World, answer: Answer) -> bool:
    for session in answer.doc["sessions"].values():
        session["age"] = str(session["age"])
    return True


@fault("feed_unsorted", "feed", "$.events")
def feed_unsorted(w: World, answer: Answer) -> bool:
    w.rng.shuffle(answer.doc["events"])
    return True


@fault("feed_member_lost", "feed", "$.events")
def feed_member_lost(_: World, answer: Answer) -> bool:
    for event in answer.doc["events"]:
        del event["by"]
    return True


@fault("feed_count_off", "feed", "$.count")
def feed_count_off(_: World, answer: Answer) -> bool:
    answer.doc["count"] += 1
    return True


@fault("feed_empty", "feed", "$.events", "$.count")
def feed_empty(_: World, answer: Answer) -> bool:
    answer.doc["events"], answer.doc["count"] = [], 0
    return True


@fault("total_off", "cart", "$.total")
def total_off(w: World, answer: Answer) -> bool:
    answer.doc["total"] += answer.doc["lines"][0]["cents"]
    return True


@fault("link_to_another", "link_repeats_id", "$.links")
def link_to_another(w: World, answer: Answer) -> bool:
    answer.doc["links"]["cancel"] = f"/orders/{w.uuid()}/cancel"
    return True


@fault("location_to_another", "link_repeats_id", "header:location")
def location_to_another(w: World, answer: Answer) -> bool:
    answer.headers["Location"] = f"/orders/{w.uuid()}"
    return True


@fault("digest_of_something_else", "digest_of_body", "header:etag")
def digest_of_something_else(w: World, answer: Answer) -> bool:
    def finish(late: Answer, _: bytes) -> None:
        late.headers["ETag"] = f'"{w.hex(32)}"'

    answer.finish = finish
    return True


head("etag_lost", "weak_etag", "ETag", lambda *_: None)
head("etag_unquoted", "weak_etag", "ETag", lambda _, v: v.replace('"', ""))
head("http_only_lost", "session_cookie", "Set-Cookie", lambda _, v: v.replace("; HttpOnly", ""))
head("cookie_lost", "session_cookie", "Set-Cookie", lambda *_: None)
head("cookie_shorter", "session_cookie", "Set-Cookie", lambda w, _: f"session={w.token(20)}; Path=/; HttpOnly; SameSite=Lax")
head(
    "cookie_expires_later",
    "cookie_with_expiry",
    "Set-Cookie",
    lambda w, v: f"{v.partition(';')[0]}; Expires={formatdate(w.now + 864000, usegmt=True)}; Path=/; Secure",
)
head("request_id_lost", "tracing_headers", "X-Request-Id", lambda *_: None)
head("limit_changed", "rate_limit", "X-RateLimit-Limit", lambda *_: "1000")
head("remaining_stuck", "rate_limit", "X-RateLimit-Remaining", lambda *_: "4999")
head("cache_shorter", "cache_headers", "Cache-Control", lambda *_: "no-store")
head("retry_after_lost", "retry_after", "Retry-After", lambda *_: None)


def replaced(name: str, base: str, old: str, new: str) -> None:
    @fault(name, base, "/", "$", "body", "line", "text")
    def change(_: World, answer: Answer) -> bool:
        before = answer.text or ""
        answer.text = before.replace(old, new)
        return answer.text != before


replaced("html_heading", "form_in_html", "<h1>Order", "<h1>Invoice")
replaced("html_token_gone", "form_in_html", "name='csrf'", "name='token'")
replaced("xml_price", "feed_in_xml", "12.50", "12.05")
replaced("xml_element_gone", "feed_in_xml", "<title>basin</title>", "")
replaced("log_level", "log_in_text", "INFO", "DEBUG")

# Now and then.
put("one_in_five_wrong", "nothing", "total", lambda _, __: 0, rate=0.2)
put("one_in_twenty_wrong", "nothing", "total", lambda _, __: 0, rate=0.05)
put("one_in_ten_null", "uuid4", "value", lambda _, __: None, rate=0.1)


@fault("one_in_five_500", "nothing", "status")
def one_in_five_500(w: World, answer: Answer) -> bool:
    if w.rng.random() >= 0.2:
        return False
    answer.status, answer.doc = 500, {"error": "internal"}
    return True


# What only a distribution shows.
put("coin_unfair", "coin", "value", lambda w, _: w.rng.random() < 0.85, spread=True)
put("one_in_ten_became_four", "one_in_ten", "value", lambda w, _: "slow" if w.rng.random() < 0.4 else "fast", spread=True)
put("one_value_never", "one_of_five", "value", lambda w, _: w.rng.choice(WORDS[1:5]), spread=True)
put("more_nulls", "null_sometimes", "value", lambda w, _: None if w.rng.random() < 0.65 else w.rng.randrange(100), spread=True)
put("never_null", "null_sometimes", "value", lambda w, _: w.rng.randrange(100), spread=True)
put("slower_durations", "duration", "value", lambda _, v: round(v * 1.6, 2), spread=True)
put("colder", "gauss", "value", lambda _, v: v - 3, spread=True)
put("longer_lists", "numbers_of_varying_count", "value", lambda w, v: [*v, *(w.rng.randrange(100) for _ in range(3))], spread=True)


@fault("optional_field_rarer", "optional_field", "$.value", spread=True)
def optional_field_rarer(w: World, answer: Answer) -> bool:
    if "value" in answer.doc and w.rng.random() < 0.6:
        del answer.doc["value"]
    return True


@fault("fewer_done", "accepted_or_done", "status", "$.state", spread=True)
def fewer_done(w: World, answer: Answer) -> bool:
    if w.rng.random() < 0.7:
        answer.status, answer.doc["state"] = 202, "running"
    return True
