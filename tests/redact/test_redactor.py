"""Secrets by name, by form and by value; what is no secret stays as it is."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.model import Difference, Exchange, Pair, Request, Response
from pytest_shadowdiff.redact import Redactor, secret_values

CANARY = "canary-4f9c1d"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"

PARTS = f"""--B\r
Content-Disposition: form-data; name=doc; filename="a.json"\r
Content-Type: application/json\r
\r
{{"secret": "{CANARY}"}}\r
--B--\r
"""


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(key=b"test")


@pytest.mark.parametrize(
    "name, value, kept",
    [
        ("Authorization", f"Bearer {CANARY}", "Bearer "),
        ("proxy-authorization", f"Basic {CANARY}", "Basic "),
        ("Authorization", CANARY, ""),
        ("Cookie", f"theme={CANARY}; sid={CANARY}", "sid="),
        ("Set-Cookie", f"sid={CANARY}; Path=/; HttpOnly", "; Path=/; HttpOnly"),
        ("X-Api-Key", CANARY, ""),
        ("X-Amz-Security-Token", CANARY, ""),
        ("X-CSRFToken", CANARY, ""),
        ("Location", f"https://user:{CANARY}@host.example/x", "@host.example/x"),
        ("Location", f"/login?next=/a&access_token={CANARY}#top", "#top"),
        ("Location", f"/done#id_token={CANARY}&x=1", "&x=1"),
        ("Referer", f"https://host.example/?q=%7B%22password%22%3A%22{CANARY}%22%7D", "https://host.example/?q="),
        ("Referer", f"https://host.example/?next=https%3A%2F%2Fu%3A{CANARY}%40other.example%2F", "https://host.example/?next="),
        ("Link", f'<https://host.example/?page=2&api_key={CANARY}>; rel="next"', 'rel="next"'),
    ],
)
def test_headers(redactor: Redactor, name: str, value: str, kept: str) -> None:
    ((shown_name, shown),) = redactor.headers([(name, value)])
    assert shown_name == name
    assert CANARY not in shown
    assert "[redacted:" in shown
    assert kept in shown


@pytest.mark.parametrize(
    "name, value",
    [
        ("ETag", '"5d41402abc4b2a76b9719d911017c592"'),
        ("Content-Type", "application/json; charset=utf-8"),
        ("WWW-Authenticate", 'Basic realm="staff"'),
        ("Location", "/orders/1?full=1&state=open&key=price"),
        ("X-Token-Count", "12"),
        ("Vary", "Authorization, Cookie"),
        ("Access-Control-Allow-Headers", "Authorization, X-Api-Key"),
        ("Set-Cookie", "sid=; Max-Age=0"),
    ],
)
def test_headers_without_a_secret_stay(redactor: Redactor, name: str, value: str) -> None:
    assert redactor.headers([(name, value)]) == ((name, value),)


@pytest.mark.parametrize(
    "kind, body",
    [
        ("application/json", json.dumps({"user": {"credentials": {"a": [CANARY, {"b": CANARY}]}}})),
        ("application/json", json.dumps({"clientSecret": CANARY, "api_key": CANARY, "auth": CANARY})),
        ("application/json", json.dumps({"log": json.dumps({"inner": json.dumps({"password": CANARY})})})),
        ("application/json", f'{{"p\\u0061ssword": "{CANARY}"}}'),
        ("application/json", f'{{"password": "{CANARY}'),
        ("text/plain", f'{{"token": "{CANARY}"}}\n{{"token": "{CANARY}"}}\n'),
        ("application/json", json.dumps({"url": f"https://u:{CANARY}@host.example/?sig={CANARY}"})),
        ("application/json", json.dumps({"headers": {"Cookie": f"a={CANARY}", "Authorization": f"Basic {CANARY}"}})),
        ("application/x-www-form-urlencoded", f"user=me&password={CANARY}&new%5Fpassword={CANARY}"),
        ("text/plain", f"user=me&password={CANARY}"),
        ("multipart/form-data; boundary=B", f'--B\r\nContent-Disposition: form-data; name="password"\r\n\r\n{CANARY}\r\n--B--\r\n'),
        ('multipart/form-data; boundary="B"', PARTS),
        ("text/html", f'<input type="hidden" value="{CANARY}" name="csrf_token">'),
        ("text/html", f'<input name=q type=password value={CANARY}><meta content="{CANARY}" name="csrf-token">'),
        ("text/html", f'<script>window.config = {{"apiKey": "{CANARY}", token: \'{CANARY}\'}}</script>'),
        ("application/xml", f'<u><ns:Password hint="no">{CANARY}</ns:Password><item key="secret" value="{CANARY}"/></u>'),
        ("application/xml", f"<u><password><![CDATA[{CANARY}]]></password><token>\n  {CANARY}\n</token></u>"),
        ("text/csv", f'name,password,note\r\nme,{CANARY},x\r\nyou,"{CANARY},""2""",y\r\n'),
        ("text/csv; header=present", f"name;api_key\nme;{CANARY}"),
        ("text/plain", f"connecting with password={CANARY} as postgres://u:{CANARY}@db/x"),
        ("message/http", f"TRACE / HTTP/1.1\r\nAuthorization: Bearer {CANARY}1\r\nX-Api-Key: {CANARY}\r\n"),
        ("text/plain", f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY.replace('-', '')}\n-----END RSA PRIVATE KEY-----"),
    ],
)
def test_bodies(redactor: Redactor, kind: str, body: str) -> None:
    shown = redactor.body(body.encode(), [("Content-Type", kind)]).decode()
    assert CANARY not in shown
    assert CANARY.replace("-", "") not in shown
    assert "[redacted:" in shown


@pytest.mark.parametrize("template", ["see {} there", "<p>{}</p>", '{{"a": "{}"}}', "/path/{}/x", "a={}&b=1"])
def test_a_jwt_is_found_anywhere(redactor: Redactor, template: str) -> None:
    shown = redactor.text(template.format(JWT))
    assert not any(part in shown for part in JWT.split("."))


def test_layout_numbers_and_duplicate_keys_stay(redactor: Redactor) -> None:
    body = b'{ "a" : 1.0, "a": 1e400,\n\t"token": "x", "total_tokens": 5, "token_type": "bearer", "session": {"theme": "dark"} '
    shown = redactor.body(body, [("content-type", "application/json")])
    assert shown == body.replace(b'"x"', f'"{redactor.mark("x")}"'.encode())


def test_charsets(redactor: Redactor) -> None:
    text = json.dumps({"password": CANARY, "name": "Zoë"}, ensure_ascii=False)
    for charset in ("utf-8", "utf-16", "iso-8859-1", "utf-8-sig"):
        shown = redactor.body(text.encode(charset), [("content-type", f"application/json; charset={charset}")])
        assert json.loads(shown) == {"password": redactor.mark(CANARY), "name": "Zoë"}


def test_two_secrets_that_differ_still_do(redactor: Redactor) -> None:
    shown = redactor.difference(Difference("$.user['accessToken']", "value_changed", "one", "two"))
    assert shown.primary != shown.candidate
    assert shown == redactor.difference(Difference("$.user['accessToken']", "value_changed", "one", "two"))
    assert Redactor().mark("one") != Redactor().mark("one")
    assert Redactor(key=b"").mark("one") == "[redacted]"


@pytest.mark.parametrize(
    "path, value",
    [
        ("$.secrets.db[0]", CANARY),
        ("$.user", {"name": "me", "pin": 123456, "token": {"value": CANARY}}),
        ("header:set-cookie", f"sid={CANARY}; Path=/"),
        ("header:set-cookie[sid]", CANARY),
        ("header:x-api-key", CANARY),
        ("header:location", f"https://u:{CANARY}@host.example/"),
        ("body", f"… password={CANARY} …"),
        ("/user/password/text()", CANARY),
    ],
)
def test_values_by_path(redactor: Redactor, path: str, value: object) -> None:
    shown = json.dumps(redactor.value(path, value))
    assert CANARY not in shown
    assert "123456" not in shown


def _pair(target: str, headers: list[tuple[str, str]], body: str, *differences: Difference) -> Pair:
    request = Request("GET", target, headers)
    exchange = Exchange(request, Response(200, [("content-type", "application/json")], body.encode()), 0.0)
    return Pair("id-1", None, request, primary=exchange, candidate=exchange, differences=differences)


def test_a_secret_is_one_wherever_else_it_stands_in_the_pair(redactor: Redactor) -> None:
    pair = _pair(
        f"/check/{CANARY}?q={CANARY}",
        [("Authorization", "Basic dXNlcjpjYW5hcnktNGY5YzFk"), ("X-Note", f"I am {CANARY}")],
        f'{{"echo": "{CANARY}", "seen": "dXNlcjpjYW5hcnktNGY5YzFk", "other": "kept"}}',
        Difference("$.echo", "value_changed", f"{CANARY}", "nothing"),
        Difference("body", "body_changed", f"…{CANARY[4:]} and", f"so {CANARY[:8]}…"),
    )
    shown = repr(redactor.pair(pair))
    for fragment in (CANARY, "dXNlcjpjYW5hcnkt", CANARY[4:], CANARY[:8]):
        assert fragment not in shown
    assert "kept" in shown
    assert "id-1" in shown


def test_what_a_version_calls_secret_never_blots_out_our_own_words(redactor: Redactor) -> None:
    body = '{"token": "header", "secret": "value_changed"}'
    pair = _pair("/", [], body, Difference("header:x-note", "value_changed", "a", "b"), Difference("$.a", "value_changed", "header", ""))
    first, second = redactor.pair(pair).differences
    assert (first.path, first.kind) == ("header:x-note", "value_changed")
    assert second.kind == "value_changed"
    assert "redacted" in str(second.primary)


def test_configured_secrets() -> None:
    redactor = Redactor(secrets=[f"Bearer {CANARY}", "päss wörd/1"])
    for text in (f"Bearer {CANARY}", CANARY, "p%C3%A4ss%20w%C3%B6rd%2F1", "päss wörd/1", json.dumps("päss wörd/1")):
        assert "redacted" in redactor.text(f"<{text}>")
        assert text.strip('"') not in redactor.text(f"<{text}>")


def test_the_hook_comes_first_and_may_decline() -> None:
    asked = []

    def hook(name: str, value: object) -> object | None:
        asked.append((name, value))
        return {"ssn": "***", "token": "(a token)", "x-plain": "shown"}.get(name.lower())

    redactor = Redactor(hook, key=b"")
    assert (
        redactor.body(b'{"ssn": 123456789, "token": "a", "secret": "b"}', [])
        == b'{"ssn": "***", "token": "(a token)", "secret": "[redacted]"}'
    )
    assert redactor.headers([("X-Plain", "a"), ("Cookie", "token=1; b=2")]) == (
        ("X-Plain", "shown"),
        ("Cookie", "token=(a token); b=[redacted]"),
    )
    assert redactor.url("/?ssn=1&token=x") == "/?ssn=%2A%2A%2A&token=%28a%20token%29"
    assert ("ssn", 123456789) in asked


def test_more_names() -> None:
    redactor = Redactor(names=["IBAN"], key=b"")
    assert redactor.body(b'{"iban": "DE1", "x": {"iban": ["DE2"]}}', []) == b'{"iban": "[redacted]", "x": {"iban": ["[redacted]"]}}'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_twice_is_once(document: object) -> None:
    redactor = Redactor(key=b"test")
    text = json.dumps(document)
    once = redactor.body(text.encode(), [("content-type", "application/json")])
    assert redactor.body(once, [("content-type", "application/json")]) == once
    if isinstance(document, (dict, list)):
        json.loads(once)


@given(
    st.binary(),
    st.sampled_from(["", "text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/csv"]),
)
def test_any_bytes_pass(body: bytes, kind: str) -> None:
    assert isinstance(Redactor().body(body, [("content-type", kind)]), bytes)


Names = st.sampled_from(
    ["password", "X-Api-Key", "accessToken", "CLIENT_SECRET", "session_id", "set-cookie", "db.password", "authToken", "Token"]
)
Scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


@given(st.data(), st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_a_secret_below_a_name_is_gone_however_deep(data: st.DataObject, around: str) -> None:
    document: object = {data.draw(Names): f"{around}{CANARY}{around}"}
    for wrap in data.draw(st.lists(st.sampled_from(["list", "object", "string"]), max_size=6)):
        if wrap == "list":
            document = [data.draw(Scalars), document]
        elif wrap == "object":
            document = {data.draw(st.text(max_size=4)): document, "other": data.draw(Scalars)}
        elif json.dumps(document).count("\\\\") < 8:
            document = {"log": json.dumps(document)}
    shown = Redactor(key=b"").body(json.dumps(document).encode(), [("content-type", "application/json")])
    assert CANARY.encode() not in shown
    json.loads(shown)


HOSTILE = (
    b"<token>" + b" " * 1_000_000, b"<a>" * 300_000,
       b"eyJ" * 300_000, b"://a@" * 200_000, b"?a=" + b"%25" * 300_000, b"<input " * 150_000, b'password="' * 100_000, b"{" * 1_000_000,
    b'"' * 1_000_000, b'{"token' + b"\\" * 1_000_000, b"&" * 300_000, b'{"token":' * 50_000, b"a&token" * 100_000, b"<token>" * 150_000,
    b"-----BEGIN PRIVATE KEY-----" * 40_000,
)  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:8]))
@pytest.mark.parametrize("kind", ["text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"])
def test_hostile_bodies_take_linear_time(kind: str, body: bytes, redactor: Redactor) -> None:
    """A pattern that backtracks would take hours for these."""
    assert isinstance(redactor.body(body, [("content-type", kind)]), bytes)


def test_secrets_of_an_environment() -> None:
    environment = {"API_TOKEN": "one-token", "DB_URL": "postgres://me:two@db/x", "MODE": "three-fast", "DB_PASSWORD": "four"}
    assert sorted(secret_values(environment)) == ["four", "me:two", "one-token"]


def test_bytes_that_name_a_secret_are_left_out(redactor: Redactor) -> None:
    packed = b"\x82\xa4user\xa2me\xa8password\xae" + CANARY.encode() + b"\xff"
    shown = redactor.body(packed, [("content-type", "application/msgpack")])
    assert CANARY.encode() not in shown
    image = bytes(range(256)) * 200
    assert redactor.body(image, [("content-type", "image/png")]) == image


@pytest.mark.parametrize("rest", [f'"{CANARY}', f"{'x' * 200_000}{CANARY}", f"\0{CANARY}", f'a"b{CANARY}', CANARY])
def test_tables_that_are_none(redactor: Redactor, rest: str) -> None:
    assert CANARY.encode() not in redactor.body(f"password,x\n{rest}".encode(), [("content-type", "text/csv")])


NAMES = re.findall(
    r"\S+",
    """
    password passwd pwd passphrase secret clientSecret token authorization cookie Set-Cookie credential jwt apikey X-Api-Key private_key
    access-key csrf xsrf otp totp bearer signing_key session_id sessionKey auth_code security-code verification_code client_assertion
    SAMLResponse code_verifier X-Amz-Signature X-Goog-Credential SharedAccessSignature connectionString JSESSIONID PHPSESSID auth sid
    connect.sid sig signature session sess pass pin cvv cvc assertion authentication x-ms-client-principal recovery_code
    """,
)
TOKENS = (
    *(f"gh{kind}_{'a1' * 18}" for kind in "pousr"),
    "github_pat_" + "a1" * 20,
    "glpat-" + "a1" * 10,
    "xoxb-" + "1a" * 10,
    "sk_live_" + "a1" * 10,
    "rk-proj-" + "a1" * 10,
    "pk_test_" + "a1" * 10,
    "AKIA" + "A1" * 8,
    "ASIA" + "A1" * 8,
    "AIza" + "a1" * 17 + "b",
    "Bearer abc123",
    "Basic YTpiYzEyMw==",
    "Negotiate YII123456",
    "NTLM TlRMTVNTUAAB",
)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_known_in_every_place(redactor: Redactor, name: str) -> None:
    ((_, header),) = redactor.headers([(name, CANARY)])
    document = redactor.body(json.dumps({name: CANARY}).encode(), [("content-type", "application/json")]).decode()
    form = redactor.body(f"{name}={CANARY}".encode(), [("content-type", "application/x-www-form-urlencoded")]).decode()
    texts = [redactor.url(f"/x?{name}={CANARY}"), redactor.text(f"the {name}: {CANARY}"), str(redactor.value(f"$['{name}']", CANARY))]
    assert not [text for text in (header, document, form, *texts) if CANARY in text and name.lower() not in ("cookie", "set-cookie")]


@pytest.mark.parametrize("token", TOKENS)
def test_tokens_of_known_form(redactor: Redactor, token: str) -> None:
    assert token.rpartition(" ")[2] not in redactor.text(f"it is {token} here")


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY password "canary">',
        "<!ENTITY % api_key 'canary'>",
        '<!ATTLIST user token CDATA "canary">',
        '<!ENTITY password SYSTEM "canary">',
    ],
)
def test_what_a_document_type_declares(declared: str) -> None:
    text = f"<!DOCTYPE o [{declared}]><o/>"
    assert "canary" not in Redactor().text(text)
    assert "canary" not in str(Redactor().difference(Difference("doctype", "value_changed", text, declared)))
    assert "canary" in Redactor().text(text.replace("password", "colour").replace("api_key", "size").replace("token", "shape"))
