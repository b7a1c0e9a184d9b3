"""The other forms of a report: each is whole, escapes what it holds, and is made from a JSON report as well as from a run."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import lxml.html
import pytest

from pytest_shadowdiff import report
from pytest_shadowdiff.errors import SettingsError, ShadowError
from pytest_shadowdiff.model import Difference, Pair, Request, Verdict
from pytest_shadowdiff.report import FORMATS, html, require, write
from pytest_shadowdiff.report.outline import RunRecord, stored
from pytest_shadowdiff.settings import Report

MakePair = Callable[..., Pair]
RunOf = Callable[..., RunRecord]
EVIL = "</script><script>alert(1)</script>\u202e\x1b[31m|`x`\n::error::x%0A"


@pytest.fixture
def run(pair: MakePair, run_of: RunOf) -> RunRecord:
    one = pair({"total": 12.5}, {"total": "12.5"}, Difference("$.total", "type_changed", 12.5, "12.5"), id="first")
    evil = pair(
        {"x": EVIL}, {"x": EVIL}, Difference(f"$['{EVIL}']", "value_changed", EVIL, "a"), id=EVIL, test=EVIL,
        request=Request("GET", f"/{EVIL}", [(EVIL, EVIL)]), endpoint=f"GET /{EVIL}",
    )  # fmt: skip
    reason = f"candidate: no answer of the candidate {EVIL}"
    late = replace(pair({}, None, id="late", verdict=Verdict.INCOMPLETE, reason=reason), candidate=None)
    return run_of(one, evil, late, pair({}, {}, id="fine"))


@pytest.mark.parametrize("form", [name for name, file in FORMATS.items() if file])
def test_a_report_made_again_is_the_same(form: str, run: RunRecord, tmp_path: Path) -> None:
    write(Report("json"), run, tmp_path)
    write(Report(form, tmp_path / "first"), run, tmp_path)
    write(Report(form, tmp_path / "again"), stored(tmp_path / "shadowdiff-report.json"), tmp_path)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "first").read_bytes()
    assert (tmp_path / "first").stat().st_size > 500


@pytest.fixture
def page(run: RunRecord, tmp_path: Path) -> lxml.html.HtmlElement:
    write(Report("html"), run, tmp_path)
    return lxml.html.document_fromstring((tmp_path / "shadowdiff-report.html").read_text(), parser=lxml.html.HTMLParser(encoding="utf-8"))


def test_the_page_shows_what_differs(page: lxml.html.HtmlElement) -> None:
    shown = page.xpath("//details/@data-verdict")
    assert sorted(shown) == ["different", "different", "incomplete", "same"]
    assert page.xpath("//details[.//code='$.total']//mark/text()") == ["12.5", '"12.5"']
    assert page.xpath("//input[@type='checkbox']/@value") == ["different", "incomplete", "same"]


def test_the_page_runs_nothing_but_its_own_script(page: lxml.html.HtmlElement) -> None:
    (script,) = page.xpath("//script")
    (style,) = page.xpath("//style")
    policy = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert policy.startswith("default-src 'none'")
    for source, element in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(sha256(element.text.encode()).digest()).decode()
        assert f"{source} 'sha256-{digest}'" in policy
    assert not page.xpath("//*[@src or @href or @style or @*[starts-with(name(), 'on')]]")


def test_no_control_character_is_in_any_report(run: RunRecord, tmp_path: Path) -> None:
    for form, file in FORMATS.items():
        if file and form != "json":
            write(Report(form), run, tmp_path)
            text = (tmp_path / file).read_text()
            assert not [character for character in text if character != "\n" and unicodedata.category(character) in {"Cc", "Cf", "Cs"}]


def test_a_large_run_is_listed_in_part(pair: MakePair, run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "LISTED", 5)
    monkeypatch.setattr(html, "WHOLE", 2)
    pairs = [pair({}, {}) for _ in range(6)] + [pair({}, {}, Difference("$.x", "missing", 1, None)) for _ in range(4)]
    write(Report("html"), run_of(*pairs), tmp_path)
    page = lxml.html.document_fromstring((tmp_path / "shadowdiff-report.html").read_text())
    assert page.xpath("//details/@data-verdict") == ["different"] * 4 + ["same"]
    assert page.xpath("count(//details[.//pre])") == 2
    assert page.xpath("//p[contains(., 'and 5 more')]")


def test_markdown(run: RunRecord, tmp_path: Path) -> None:
    write(Report("markdown"), run, tmp_path)
    text = (tmp_path / "shadowdiff-report.md").read_text()
    assert "4 pairs by the mirror local: **2 different**, **1 incomplete**, 1 same." in text
    assert '| `$.total` | type_changed | `12.5` | `"12.5"` |' in text
    assert 'ignore = ["$.total"]' in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", line)) for line in tables[:4]} == {7}
    assert "<script>" not in re.sub(r"(`+)(?: .*? |[^`]*)\1", "", text.partition("```toml")[0])


def test_har(run: RunRecord, tmp_path: Path) -> None:
    write(Report("har"), run, tmp_path)
    entries = json.loads((tmp_path / "shadowdiff-report.har").read_text())["log"]["entries"]
    assert len(entries) == 7
    first = entries[0]
    assert first["request"]["url"] == "http://shadowdiff.invalid/orders/0"
    assert first["response"]["content"]["text"] == '{"total": 12.5}'
    assert first["comment"] == "primary (v1) of pair first: different"
    assert first["time"] == pytest.approx(10)


@pytest.fixture
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "summary.md").write_text("before\n")
    return tmp_path / "summary.md"


def test_github(run: RunRecord, tmp_path: Path, summary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = write(Report("github"), run, tmp_path)
    assert str(summary) in line
    assert summary.read_text().startswith("before\n# v2 against v1\n")
    said = capsys.readouterr().out.splitlines()
    commands = [each for each in said if each.startswith("::")]
    assert commands[0].startswith("::error file=tests/test_orders.py,title=GET /orders/{id}%3A different::")
    assert "$.total (type_changed)" in commands[0]
    assert len(commands) == 2  # two tests, however many lines and commands their names try to begin
    assert not [each for each in said if "%0A" in each]


def test_github_elsewhere(run: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert "GITHUB_STEP_SUMMARY is not set" in write(Report("github"), run, tmp_path)
    assert "::error" in capsys.readouterr().out


@pytest.mark.parametrize("content, says", [
    (None, "cannot be read"), ("{", "is no JSON"), ("[]", "is no report of a run"), ('{"schema": 1}', "is no report of a run"),
    ('{"schema": 2, "summary": {}, "endpoints": [], "findings": [], "pairs": []}', "reads schema 1"),
])  # fmt: skip
def test_what_is_no_report(content: str | None, says: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ShadowError, match=f"run.json.*{says}"):
        stored(file)


def test_what_is_not_installed_is_said_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    require("html")
    monkeypatch.setattr(report, "find_spec", lambda _: None)
    require("json")
    with pytest.raises(SettingsError, match=r"html needs jinja2, which is not installed: pip install 'pytest-shadowdiff\[html\]'"):
        require("html")
