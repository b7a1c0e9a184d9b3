"""The JSON report holds what its schema says, redacted, at any size."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pytest_shadowdiff.errors import ShadowError
from pytest_shadowdiff.model import Difference, Exchange, Pair, Request, Response
from pytest_shadowdiff.redact import Redactor
from pytest_shadowdiff.report import pair_record, write
from pytest_shadowdiff.report.outline import RunRecord, read_records
from pytest_shadowdiff.report.plain import BODY_LIMIT
from pytest_shadowdiff.settings import Report

MakePair = Callable[..., Pair]
RunOf = Callable[..., RunRecord]


def test_the_schema(pair: MakePair, run_of: RunOf, tmp_path: Path) -> None:
    one = pair({"total": 1}, {"total": "1"}, Difference("$.total", "type_changed", 1, "1"), id="a")
    line = write(Report("json"), run_of(one, pair({}, {}), replace(pair({}, {}), candidate=None)), tmp_path)
    file = tmp_path / "shadowdiff-report.json"
    assert str(file) in line
    report = json.loads(file.read_text())
    assert {name: report[name] for name in ("schema", "primary", "candidate", "mirror")} == {
        "schema": 1, "primary": "v1", "candidate": "v2", "mirror": "local",
    }  # fmt: skip
    assert report["summary"] == {
        "pairs": 3, "same": 2, "noise": 0, "accepted": 0, "partial": 0, "different": 1, "incomplete": 0, "skipped": 0,
    }  # fmt: skip
    (endpoint,) = report["endpoints"]
    assert endpoint["endpoint"] == "GET /orders/{id}"
    assert (endpoint["pairs"], endpoint["different"]) == (3, 1)
    assert endpoint["fields"] == [{"path": "$.total", "kind": "type_changed", "count": 1, "control_count": 0}]
    assert endpoint["latency"]["primary"]["p50"] == pytest.approx(0.01, rel=0.02)
    assert report["findings"] == []
    first = report["pairs"][0]
    assert first["id"] == "a"
    assert first["request"] == {"method": "GET", "url": "/orders/0", "headers": [["accept", "application/json"]], "body": None}
    assert first["primary"]["body"] == '{"total": 1}'
    assert first["primary"]["seconds"] == 0.01
    assert first["differences"] == [{"path": "$.total", "kind": "type_changed", "primary": 1, "candidate": "1"}]
    assert first["control"] is None
    assert report["pairs"][2]["candidate"] is None


def test_a_run_without_pairs(run_of: RunOf, tmp_path: Path) -> None:
    write(Report("json", tmp_path / "new" / "x.json"), run_of(), tmp_path)
    assert json.loads((tmp_path / "new" / "x.json").read_text())["pairs"] == []


def test_a_place_that_cannot_be_written(run_of: RunOf, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ShadowError, match=r"json report cannot be written to .*file/x.json: .*--shadow-report"):
        write(Report("json", tmp_path / "file" / "x.json"), run_of(), tmp_path)


def _record(body: bytes, *headers: tuple[str, str]) -> dict[str, object]:
    request = Request("GET", "/")
    exchange = Exchange(request, Response(200, headers, body), 0.0)
    record: dict[str, object] = pair_record(Pair("1", None, request, exchange), Redactor(key=b""))["primary"]
    return record


def test_bodies() -> None:
    assert _record("Zoë".encode())["body"] == "Zoë"
    assert _record("Zoë".encode("latin-1"), ("content-type", "text/plain; charset=latin-1"))["body"] == "Zoë"
    assert _record(b"\xff\x00")["body"] == {"base64": "/wA="}
    assert _record(b"")["body"] == ""
    assert _record(gzip.compress(b'{"token": "abc"}'), ("Content-Encoding", "gzip"))["body"] == '{"token": "[redacted]"}'
    broken = _record(b"no gzip, and a secret", ("content-encoding", "gzip"))
    assert (broken["body"], broken["cut"]) == ("", 21)


def test_content_codings_are_taken_off() -> None:
    import brotli  # type: ignore[import-untyped]
    import zstandard

    plain = b'{"secret": "canary", "n": [1, 2, 3]}'
    codings = {"br": brotli.compress, "zstd": zstandard.ZstdCompressor().compress, "deflate": zlib.compress, "gzip": gzip.compress}
    for coding, compress in codings.items():
        record = _record(compress(plain), ("content-encoding", coding))
        assert record["body"] == '{"secret": "[redacted]", "n": [1, 2, 3]}'
    assert "redacted" in str(_record(gzip.compress(brotli.compress(plain)), ("content-encoding", "br, gzip"))["body"])
    broken_off = gzip.compress(plain * 5000, compresslevel=0)[:70_000]
    assert str(_record(broken_off, ("content-encoding", "gzip"))["body"]).startswith('{"secret": "[redacted]"')
    unknown = _record(plain, ("content-encoding", "aes128gcm"))
    assert (unknown["body"], unknown["cut"]) == ("", len(plain))


def test_long_bodies_are_cut_between_characters_and_behind_no_half_secret() -> None:
    text = "é" * BODY_LIMIT
    record = _record(text.encode())
    assert record["body"] == "é" * (BODY_LIMIT // 2)
    assert record["cut"] == BODY_LIMIT
    secret = "canary" * 30
    record = _record((" " * (BODY_LIMIT - 40) + f'{{"password": "{secret}"}}').encode())
    assert "canary" not in str(record["body"])
    bomb = gzip.compress(b"0" * 50_000_000)
    assert _record(bomb, ("content-encoding", "gzip"))["cut"] == 50_000_000 - BODY_LIMIT


@pytest.mark.parametrize("value, held", [
    (Decimal("1.50"), 1.5), (Decimal("1.00000000000000000001"), "1.00000000000000000001"), (float("nan"), "nan"), (2**70, 2**70),
    (b"ab", {"base64": "YWI="}), ((1, 2), [1, 2]), ("\ud800", "\ud800"), (None, None), (True, True),
])  # fmt: skip
def test_values(pair: MakePair, redactor: Redactor, value: object, held: object) -> None:
    record = pair_record(pair({}, {}, Difference("$.x", "value_changed", value, 0)), redactor)
    assert json.loads(json.dumps(record, allow_nan=False))["differences"][0]["primary"] == held


def test_huge_values_are_bounded(pair: MakePair, redactor: Redactor) -> None:
    nested: object = 1
    for _ in range(400):
        nested = [nested]
    values = (list(range(10**5)), "x" * 10**6, {str(number): number for number in range(10**5)}, nested)
    record = pair_record(pair({}, {}, *(Difference("$.x", "missing", value, None) for value in values)), redactor)
    assert len(json.dumps(record)) < 50_000


def test_a_line_that_was_not_finished_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1}\n{"id": 2')
    (tmp_path / "b.jsonl").write_text('{"id": 3}\n')
    assert [record["id"] for record in read_records([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])] == [1, 3]
