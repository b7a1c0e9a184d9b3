"""What a failing test shows."""

from __future__ import annotations

import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_shadowdiff.model import Difference, Exchange, Pair, Repeat, Request, Response, Verdict
from pytest_shadowdiff.redact import Redactor
from pytest_shadowdiff.report.curl import curl, quoted
from pytest_shadowdiff.report.plain import shown
from pytest_shadowdiff.report.terminal import View, failure, failure_lines
from pytest_shadowdiff.report.text import columns, side_by_side, visible

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MakePair = Callable[..., Pair]
VIEW = View(width=80, primary="v1", candidate="v2", primary_url="http://127.0.0.1:8001", candidate_url="http://127.0.0.1:8002")
TOTAL = Difference("$.total", "type_changed", 12.5, "12.5")


def test_a_difference_in_full(pair: MakePair) -> None:
    primary, candidate = ({"total": total, "items": [1, 2, 3]} for total in (12.5, "12.5"))
    one = pair(primary, candidate, TOTAL, request=Request("GET", "/orders/1?full=1", [("accept", "text/json"), ("host", "x")]))
    control = one.primary
    text = failure(
        [
            replace(
                one,
                id="7f3a",
                reason="$.total: the same in each answer of the primary",
                control=control,
                repeats=(Repeat(control, one.candidate),) * 7,
            )
        ],
        VIEW,
    )
    assert (
        text
        == """\
GET /orders/{id}: v2 means something else than v1

  GET /orders/1?full=1                                                 pair 7f3a

  $.total  type_changed
    v1  12.5
    v2  "12.5"
    the same in each answer of the primary

  equal:     status 200, 1 header, 3 of 4 values in the body
  asked:     v1 7 times more, v2 7 times more

  v1:
    curl -i 'http://127.0.0.1:8001/orders/1?full=1' -H 'accept: text/json'
  v2:
    curl -i 'http://127.0.0.1:8002/orders/1?full=1' -H 'accept: text/json'

  if this means nothing, in pyproject.toml:
    [[tool.shadowdiff.rules]]
    endpoint = "GET /orders/{id}"
    ignore = ["$.total"]"""
    )


def test_values_that_differ_late_are_shown_where_they_do(pair: MakePair) -> None:
    long = "lorem ipsum " * 50
    text = failure([pair({}, {}, Difference("$.text", "value_changed", f"{long}fox{long}", f"{long}dog{long}"))], VIEW)
    one, other, pointer = text.splitlines()[5:8]
    at = one.index("fox")
    assert other[at : at + 3] == "dog"
    assert pointer[at : at + 3] == "^^^"
    assert max(map(columns, (one, other, pointer))) <= 80


@pytest.mark.parametrize("verbosity, shows, hides", [
    (-1, ['$.total: 12.5 → "12.5"'], ["curl", "[[tool"]),
    (0, ["curl", "[[tool"], ["request:", "taken for noise"]),
    (1, ["curl", "taken for noise", "$.ts"], ["request:"]),
    (2, ["request:", '"total": 12.5', "in detail", "root['b']"], []),
])  # fmt: skip
def test_verbosity(pair: MakePair, verbosity: int, shows: list[str], hides: list[str]) -> None:
    deep = Difference("$.deep", "value_changed", {"a": 1, "b": 1}, {"a": 1, "b": 2})
    one = pair({"total": 12.5}, {"total": "12.5"}, TOTAL, deep, noise=(Difference("$.ts", "value_changed", 1, 2),))
    text = failure([one], replace(VIEW, verbosity=verbosity))
    assert all(each in text for each in shows)
    assert not any(each in text for each in hides)


def test_pairs_that_say_the_same_are_counted(pair: MakePair) -> None:
    other = pair({}, {}, Difference("$.other", "missing", 1, None))
    text = failure([*(pair({}, {}, TOTAL) for _ in range(40)), other], VIEW)
    assert text.count("$.total  type_changed") == 1
    assert text.count("$.other  missing") == 1
    assert "(not there)" in text
    assert "and 39 more pairs differ" in text


def test_a_write_says_that_it_had_no_control(pair: MakePair) -> None:
    one = pair({}, {}, TOTAL, request=Request("POST", "/orders", [], b"a=1"))
    assert "no control: POST is not asked twice" in failure([one], VIEW)


def test_a_rule_names_places_but_not_all_elements(pair: MakePair) -> None:
    differences = [
        Difference("$.items[3].price", "value_changed", 1, 2),
        Difference("$.items[4].price", "value_changed", 1, 2),
        Difference("$.items[5]", "missing", {}, None),
        Difference("$.tags", "reordered", [1, 2], [2, 1]),
        Difference("$['a\"b\\\\c\u202e']", "value_changed", 1, 2),
    ]
    text = failure([pair({}, {}, *differences)], VIEW)
    (rule,) = tomllib.loads(text[text.index("[[tool") :])["tool"]["shadowdiff"]["rules"]
    assert rule["ignore"] == ["$.items[*].price", "$.items[5]", "$['a\"b\\\\c\u202e']"]
    assert rule["unordered"] == ["$.tags"]


def test_an_incomplete_pair(pair: MakePair) -> None:
    one = pair({"a": 1}, None, verdict=Verdict.INCOMPLETE, reason="candidate: No answer from the candidate within 10 s")
    text = failure([replace(one, candidate=None)], VIEW)
    assert "GET /orders/{id}: no verdict" in text
    assert "why:       No answer from the candidate within 10 s" in text
    assert "--shadow-timeout" in text
    assert "v1:        status 200, 8 bytes after 0.010 s" in text
    assert "v2:        no answer was seen" in text


@given(st.text(), st.text(), st.integers(0, 2))
def test_no_control_character_reaches_the_terminal(one: str, other: str, verbosity: int) -> None:
    evil = f"\x1b]0;x\x07\u202e\x9b{one}"
    request = Request("GET", f"/{evil}", [("x-evil", evil)], evil.encode("utf-8", "replace"))
    exchange = Exchange(request, Response(200, [(evil, evil)], f"{evil}\x00".encode("utf-8", "replace")), 0.0)
    differences = (Difference(f"$['{evil}']", "value_changed", evil, {other: evil}), Difference(evil, "missing", {other: evil}, {evil: 1}))
    pair = Pair("1", None, request, exchange, exchange, endpoint=evil, verdict=Verdict.DIFFERENT, reason=evil, differences=differences)
    text = failure([shown(pair, Redactor()).pair], replace(VIEW, verbosity=verbosity, primary=evil))
    assert not [character for character in text if character != "\n" and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


@given(st.text(), st.text(), st.integers(20, 100))
def test_lines_side_by_side_fit(one: str, other: str, width: int) -> None:
    shown_one, shown_other, pointer = side_by_side(visible(one), visible(other), width)
    assert max(map(columns, (shown_one, shown_other, pointer))) <= width
    assert (visible(one) == visible(other)) <= (shown_one == shown_other)


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_word_for_the_shell(text: str) -> None:
    printed = subprocess.run(["bash", "-c", f"printf %s {quoted(text)}"], capture_output=True, check=True).stdout
    assert printed == text.encode()


def test_curl() -> None:
    command = curl(
        Request("POST", "/a?x=[1]", [("Host", "a"), ("Content-Length", "3"), ("X-Empty", ""), ("X", "it's")], b'{"a":\n"\x1b"}'),
        "http://h:1",
    )
    assert command == "curl -i -g 'http://h:1/a?x=[1]' -H 'X-Empty;' -H 'X: it'\"'\"'s' --data-raw $'{\"a\":\\n\"\\x1b\"}'"
    assert curl(Request("HEAD", "/"), "http://h:1") == "curl -I http://h:1/"
    assert "-X PUT" in curl(Request("PUT", "/", (), b"1"), "http://h:1")
    assert "3 bytes" in curl(Request("POST", "/", (), b"\xff\x00\xff"), "http://h:1")


def test_colours_say_which_side_a_line_is_of(pair: MakePair) -> None:
    lines = {line.text.strip(): dict(line.markup) for line in failure_lines([pair({}, {}, TOTAL)], VIEW)}
    assert lines["v1  12.5"] == {"green": True}
    assert lines['v2  "12.5"'] == {"red": True}
    assert lines["GET /orders/{id}: v2 means something else than v1"] == {"red": True, "bold": True}
