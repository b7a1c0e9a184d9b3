"""Pairs, as a run hands them to the reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from pytest_shadowdiff.model import Difference, Exchange, Pair, Request, Response, Verdict
from pytest_shadowdiff.redact import Redactor
from pytest_shadowdiff.report import pair_record
from pytest_shadowdiff.report.outline import RunRecord
from pytest_shadowdiff.report.summary import Summary

MakePair = Callable[..., Pair]


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(key=b"")


@pytest.fixture
def pair() -> MakePair:
    """A pair of two JSON documents; whatever else it has is given by name."""
    numbers = iter(range(1000))

    def make(primary: object = None, candidate: object = None, *differences: Difference, **given: Any) -> Pair:
        number = next(numbers)
        request = given.pop("request", Request("GET", f"/orders/{number}", [("accept", "application/json")]))

        def exchange(document: object) -> Exchange:
            response = Response(200, [("content-type", "application/json")], json.dumps(document).encode())
            return Exchange(request, response, 1000.0 + number, 0.01)

        whole: Mapping[str, Any] = {
            "id": f"id-{number}",
            "test": "tests/test_orders.py::test_get",
            "request": request,
            "primary": exchange(primary),
            "candidate": exchange(candidate),
            "endpoint": f"{request.method} /orders/{{id}}",
            "verdict": Verdict.DIFFERENT if differences else Verdict.SAME,
            "differences": differences,
        }
        return Pair(**{**whole, **given})

    return make


@pytest.fixture
def run_of(redactor: Redactor) -> Callable[..., RunRecord]:
    """A finished run of some pairs."""

    def make(*pairs: Pair) -> RunRecord:
        summary = Summary(redactor)
        for each in pairs:
            summary.add(each)

        def records() -> Iterator[dict[str, Any]]:
            return (pair_record(each, redactor) for each in pairs)

        return RunRecord("v1", "v2", "local", summary, records)

    return make
