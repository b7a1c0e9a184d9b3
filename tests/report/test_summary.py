"""The summary of a run: it adds up, and says what was compared and what was not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.findings import Finding
from pytest_shadowdiff.model import Difference, Exchange, Pair, Request, Response, Verdict
from pytest_shadowdiff.redact import Redactor
from pytest_shadowdiff.report.summary import SAMPLES, Summary
from pytest_shadowdiff.report.terminal import summary_lines

MakePair = Callable[..., Pair]


def _text(summary: Summary, width: int = 80, verbosity: int = 0) -> str:
    return "\n".join(text for text, _ in summary_lines(summary, width=width, verbosity=verbosity))


def _pairs(kinds: list[tuple[str, str]]) -> list[Pair]:
    made = []
    for number, (verdict, path) in enumerate(kinds):
        request = Request("GET", f"/{verdict}")
        exchange = Exchange(request, Response(200, (), b""), 0.0, 0.01)
        difference = Difference(path, "value_changed", 1, 2)
        made.append(
            Pair(
                str(number),
                "t",
                request,
                exchange,
                exchange,
                endpoint=f"GET /{path}",
                verdict=Verdict(verdict),
                reason="why",
                differences=(difference,) if verdict == "different" else (),
                noise=(difference,) if verdict == "noise" else (),
            )
        )
    return made


def _summary(pairs: list[Pair]) -> Summary:
    summary = Summary(Redactor(key=b""))
    for pair in pairs:
        summary.add(pair)
    return summary


@given(
    st.lists(st.tuples(st.sampled_from([str(verdict) for verdict in Verdict]), st.sampled_from(["$.a", "$.b[3].c", "header:x"]))), st.data()
)
def test_parts_add_up_in_any_order(kinds: list[tuple[str, str]], data: st.DataObject) -> None:
    pairs = _pairs(kinds)
    whole = _summary(pairs)
    parts: list[list[Pair]] = [[], [], []]
    for pair in pairs:
        parts[data.draw(st.integers(0, 2))].append(pair)
    merged = Summary(Redactor(key=b""))
    for part in data.draw(st.permutations(parts)):
        merged.merge(Summary.from_dict(json.loads(json.dumps(_summary(part).to_dict()))))
    assert merged.verdicts == whole.verdicts
    assert merged.endpoints == whole.endpoints
    assert merged.reasons == whole.reasons
    assert merged.pairs == sum(verdict != "skipped" for verdict, _ in kinds)
    for verdict in ("different", "incomplete"):
        assert sum(each.verdict == verdict for each in merged.samples) == min(SAMPLES, whole.verdicts[verdict])


def test_fields_are_counted_by_place(pair: MakePair, redactor: Redactor) -> None:
    summary = Summary(redactor)
    summary.add(pair({}, {}, *(Difference(f"$.items[{number}].price", "value_changed", 1, 2) for number in range(5))))
    summary.add(pair({}, {}, verdict=Verdict.NOISE, noise=(Difference("$.items[7].price", "value_changed", 1, 2),)))
    (fields,) = (endpoint.fields for endpoint in summary.endpoints.values())
    ((key, field),) = fields.items()
    assert key == ("$.items[*].price", "value_changed")
    assert (field.count, field.control_count) == (2, 1)


def test_the_lines(pair: MakePair, redactor: Redactor) -> None:
    summary = Summary(redactor)
    request = Request("PUT", "/orders/9")
    late = "candidate: No answer from the candidate for GET /orders/{} (id {}) within 10 s; does its tap see any traffic?"
    summary.add(pair({}, {}, Difference("$.total", "type_changed", 1, "1")))
    for number in range(2):
        missing = pair({}, {}, verdict=Verdict.INCOMPLETE)
        path = missing.request.target
        summary.add(replace(missing, reason=late.format(path.removeprefix("/orders/"), missing.id), test=f"t{number}"))
    summary.add(pair({}, {}, request=request, verdict=Verdict.SKIPPED, reason="PUT is not mirrored: no test permits it"))
    summary.add(pair({}, {}, endpoint="GET /" + "long/" * 40))
    text = _text(summary)
    assert "4 pairs: 1 different, 2 incomplete, 1 same; 1 skipped, not compared" in text
    assert "GET /orders/{id}: 1 of 3 pairs differ" in text
    assert 'ignore = ["$.total"]' in text
    assert "2 x No answer from the candidate within 10 s; does its tap see any" in text
    assert "1 x PUT is not mirrored: no test permits it" in text
    assert max(map(len, text.splitlines())) <= 80


def test_quiet(pair: MakePair, redactor: Redactor) -> None:
    summary = Summary(redactor)
    summary.add(pair({}, {}))
    assert _text(summary, verbosity=-1) == "1 pair: 1 same"


def test_what_the_tap_did_not_see(pair: MakePair, redactor: Redactor) -> None:
    summary = Summary(redactor)
    one = pair({}, {}, verdict=Verdict.PARTIAL)
    assert one.primary
    summary.add(replace(one, primary=replace(one.primary, not_seen=frozenset({"body", "headers"}))))
    assert "not seen: body of 1, headers of 1 pairs" in _text(summary)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_many_endpoints_fit(pair: MakePair, redactor: Redactor, width: int) -> None:
    summary = Summary(redactor)
    for number in range(40):
        summary.add(pair({}, {}, endpoint=f"GET /service/with/a/rather/long/name/{number}/and/日本語"))
    text = _text(summary, width)
    assert "and 28 more endpoints" in text
    assert "more endpoints" not in _text(summary, width, verbosity=1)


def test_many_endpoints_that_differ_are_counted(pair: MakePair, redactor: Redactor) -> None:
    summary = Summary(redactor)
    for number in range(30):
        summary.add(pair({}, {}, Difference("$.total", "missing", 1, None), endpoint=f"GET /{number:02}"))
    text = _text(summary)
    assert text.count("if that means nothing") == 10
    assert "and 20 more endpoints differ" in text
    assert _text(summary, verbosity=1).count("if that means nothing") == 30


def test_pairs_of_no_test_are_named(pair: MakePair, redactor: Redactor) -> None:
    summary = Summary(redactor)
    difference = Difference("$.total", "missing", 1, None)
    summary.add(pair({}, {}, difference, id="ours"))
    assert "ours" not in _text(summary)
    summary.add(pair({}, {}, difference, id="strange", test=None))
    assert "different   strange  GET /orders/1" in _text(summary)
    assert "different   ours  GET /orders/0  tests/test_orders.py::test_get" in _text(summary, verbosity=1)


def test_findings_fail_the_counts(pair: MakePair, redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = Summary(redactor)
    summary.add(pair({}, {}))
    what = "null in 1 of 50 answers of the primary and in 20 of 50 of the candidate"
    found = Finding("GET /ads", "$.slot", what, 0.00012, {"token": "abcdef"}, {})
    monkeypatch.setattr(summary.statistics, "findings", lambda: [found])
    summary.add(pair({}, {}))
    lines = list(summary_lines(summary, width=60))
    assert lines[0] == ("2 pairs: 2 same; 1 finding", {"red": True, "bold": True})
    assert "  GET /ads $.slot: null in 1 of 50 answers of the primary" in [text for text, _ in lines]
    assert summary.findings()[0].primary == {"token": "[redacted]"}
