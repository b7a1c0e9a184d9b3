"""`shadowdiff diff` on two archives: paired, judged, shown and reported as a run is."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.cli import main
from pytest_shadowdiff.model import Exchange, Request, Response
from pytest_shadowdiff.report import FORMATS
from pytest_shadowdiff.traffic import Capture, Captured, read
from pytest_shadowdiff.traffic.matching import pairs

Entry = dict[str, Any]
Run = Callable[..., tuple[int, str, str]]


def entry(url: str, document: object = None, second: int = 0, **given: Any) -> Entry:
    text = document if isinstance(document, str) else json.dumps(document)
    return {
        "startedDateTime": f"2026-01-01T10:00:{second:02}.5+01:00",
        "time": 12.5,
        "request": {
            "method": given.get("method", "GET"), "url": url, "httpVersion": "HTTP/2",
            "headers": [{"name": name, "value": value} for name, value in given.get("request_headers", {":authority": "x"}).items()],
            **({"postData": given["post"]} if "post" in given else {}),
        },
        "response": {
            "status": given.get("status", 200), "httpVersion": "h2",
            "headers": [{"name": "content-type", "value": "application/json"}, *given.get("headers", [])],
            "content": given.get("content", {"size": len(text), "mimeType": "application/json", "text": text}),
        },
    }  # fmt: skip


def archive(path: Path, *entries: Entry) -> Path:
    path.write_text(json.dumps({"log": {"version": "1.2", "creator": {}, "entries": entries}}))
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in a folder with two archives, v1.har and v2.har."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def diff(primary: list[Entry], candidate: list[Entry], *options: str) -> tuple[int, str, str]:
        archive(tmp_path / "v1.har", *primary)
        archive(tmp_path / "v2.har", *candidate)
        status = main(["diff", "v1.har", "v2.har", "--jobs", "1", *options])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return diff


def test_same(run: Run) -> None:
    status, out, _ = run([entry("https://a.example/x?b=1", {"n": 1, "m": 2})], [entry("http://b.example:80/x?b=1", '{"m": 2, "n": 1.0}')])
    assert status == 0
    assert "1 pair: 1 same" in out


def test_different(run: Run) -> None:
    status, out, _ = run([entry("https://a.example/orders/1", {"total": 1})], [entry("https://b.example/orders/1", {"total": "1"})])
    assert status == 1
    assert "GET /orders/{id}: v2 means something else than v1" in out
    assert 'v1  1\n    v2  "1"' in out
    assert "curl -i https://a.example/orders/1" in out
    assert 'ignore = ["$.total"]' in out


def test_rules_of_the_configuration(run: Run, tmp_path: Path) -> None:
    rule = '[[{}rules]]\nendpoint = "GET /orders/{{id}}"\nignore = ["$.total"]\n'
    sides = [entry("http://a/orders/1", {"total": 1})], [entry("http://a/orders/1", {"total": 2})]
    (tmp_path / "pyproject.toml").write_text(rule.format("tool.shadowdiff."))
    status, out, _ = run(*sides)
    assert (status, "silenced nothing" in out) == (0, False)
    assert "rules[1]: silenced nothing (GET /orders/{id}): is it still needed?" in run(sides[0], sides[0])[1]
    (tmp_path / "other.toml").write_text(rule.format("").replace("total", "other"))
    assert run(*sides, "--config=other.toml")[0] == 1


def test_acceptances_beside_the_configuration(run: Run, tmp_path: Path) -> None:
    from pytest_shadowdiff import acceptances
    from pytest_shadowdiff.model import Difference

    found = acceptances.record((), [("GET /x", Difference("$.total", "value_changed", 1, 2))], secret=lambda _: False)
    acceptances.save(tmp_path / acceptances.FILE_NAME, tuple(found))
    status, out, _ = run([entry("http://a/x", {"total": 1})], [entry("http://a/x", {"total": 2})])
    assert (status, "1 accepted" in out) == (0, True)
    status, out, _ = run([entry("http://a/x", {"total": 1})], [entry("http://a/x", {"total": 3})])
    assert (status, "let nothing through (GET /x, $.total)" in out) == (1, True)


def test_a_request_on_one_side_only_has_no_verdict(run: Run) -> None:
    both = entry("http://a/x", {})
    status, out, _ = run([both, entry("http://a/y", {})], [both])
    assert status == 1
    assert "2 pairs: 1 incomplete, 1 same" in out
    assert "the capture of the candidate has no such request" in out
    assert "the capture of the primary has no such request" in run([both], [both, entry("http://a/y", {})])[1]


def test_nothing_at_all(run: Run) -> None:
    status, out, _ = run([], [])
    assert status == 1
    assert "Nothing was compared" in out


def test_what_an_archive_does_not_hold(run: Run) -> None:
    without = entry("http://a/x", content={"size": 17, "mimeType": "application/json"})
    status, out, _ = run([without], [without])
    assert status == 0
    assert "1 pair: 1 partial" in out
    assert "not seen: body" in out
    failed = entry("http://a/y", status=0, content={"size": 0})
    failed["response"]["_error"] = "net::ERR_CONNECTION_REFUSED"
    status, out, _ = run([entry("http://a/y", {})], [failed])
    assert status == 1
    assert "net::ERR_CONNECTION_REFUSED" in out
    assert "1 skipped" in run([entry("http://a/ws", status=101)], [entry("http://a/ws", status=101)])[1]


def test_bodies(run: Run) -> None:
    raw = {"size": 3, "mimeType": "image/png", "encoding": "base64", "text": base64.b64encode(b"\x89PN").decode()}
    zipped = [{"name": "Content-Encoding", "value": "gzip"}, {"name": "Content-Length", "value": "999"}]
    one, other = entry("http://a/p", content=raw), entry("http://a/p", content={**raw, "text": base64.b64encode(b"\x89PM").decode()})
    assert run([one], [one])[0] == 0
    assert run([one], [other])[0] == 1
    assert run([entry("http://a/z", {"a": 1}, headers=zipped)], [entry("http://a/z", {"a": 1}, headers=zipped)])[0] == 0


def test_order_and_ids(run: Run) -> None:
    first, second = entry("http://a/n", {"n": 1}, 1), entry("http://a/n", {"n": 2}, 2)
    assert run([first, second], [second, first])[0] == 0  # by the time at which they began, not by their place in the file
    by_id = [
        [entry("http://a/n", {"n": n}, n, request_headers={"X-Shadowdiff-Id": f"id-{n}"}) for n in order] for order in ((1, 2), (2, 1))
    ]
    for number, one in enumerate(by_id[1]):
        one["startedDateTime"] = f"2026-01-01T10:00:0{number}Z"
    assert run(*by_id)[0] == 0
    assert run(by_id[0], [entry("http://a/n", {"n": n}, n) for n in (1, 2)])[0] == 0  # ids on one side alone tell nothing
    queries = [[entry(f"http://a/n?t={side}{n}", {"n": n}, n) for n in (1, 2)] for side in "ab"]
    assert "2 pairs: 2 same" in run(*queries)[1]


def test_reports_and_secrets(run: Run, tmp_path: Path) -> None:
    canary = "canary-5b1d77"
    one, other = (
        entry(
            f"http://me:{canary}@a/x?token={canary}", {"password": f"{canary}{n}", "n": n}, method="POST",
            post={"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "secret", "value": canary}]},
        )
        for n in (1, 2)
    )  # fmt: skip
    status, out, _ = run([one], [other], *(f"--report={form}" for form in FORMATS), "-vv")
    assert status == 1
    files = [tmp_path / name for name in FORMATS.values() if name]
    assert all(file.name in out for file in files)
    assert canary not in out
    assert not [file for file in files if canary in file.read_text()]
    report = json.loads((tmp_path / "shadowdiff-report.json").read_text())
    assert (report["primary"], report["candidate"], report["summary"]["different"]) == ("v1", "v2", 1)
    assert report["pairs"][0]["request"]["body"] == f"secret={report['pairs'][0]['request']['url'].partition('token=')[2]}"


def test_many_pairs_on_all_cores(tmp_path: Path) -> None:
    def side(wrong: int) -> list[Entry]:
        return [entry(f"http://a/orders/{number}", {"id": number, "ok": number != wrong}, number % 60) for number in range(1000)]

    archive(tmp_path / "v1.har", *side(-1))
    archive(tmp_path / "v2.har", *side(777))
    reports = {}
    for jobs in ("1", "2"):
        command = [sys.executable, "-c", "from pytest_shadowdiff.cli import main; raise SystemExit(main())"]
        options = ["diff", "v1.har", "v2.har", "--jobs", jobs, f"--report=json:{jobs}.json"]
        done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "1000 pairs: 1 different, 999 same" in done.stdout
        reports[jobs] = json.loads((tmp_path / f"{jobs}.json").read_text())
    assert reports["1"] == reports["2"]
    assert [pair["request"]["url"] for pair in reports["1"]["pairs"] if pair["verdict"] == "different"] == ["/orders/777"]


@pytest.mark.parametrize("content, says", [
    ("", "no capture that is known"), ("<a/>", "no capture that is known"), ("{", "is no JSON"), ("{}", "no list log.entries"),
    ('{"log": {"entries": [{}]}}', r"log.entries\[0\]: 'request' is missing"),
    ('{"log": {"entries": [1]}}', r"log.entries\[0\]"),
    (json.dumps({"log": {"entries": [{**entry("http://a/", {}), "startedDateTime": "now"}]}}), "'now' is no time"),
    (json.dumps({"log": {"entries": [entry("http://a/", content={"text": "é", "encoding": "base64"})]}}), "said to be base64"),
])  # fmt: skip
def test_what_is_no_archive(content: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.har").write_text(content)
    assert main(["diff", str(tmp_path / "x.har"), str(tmp_path / "x.har")]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("shadowdiff diff: ")
    assert re.search(says, line)


@pytest.mark.parametrize("options, says", [
    (["--report=htm"], "Allowed: github, har, html"), (["--config=none.toml"], "no such file"), (["--jobs=x"], "invalid int"),
    ([], "required: PRIMARY"),
])  # fmt: skip
def test_bad_options(
    options: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    archive(tmp_path / "a.har")
    files = ["a.har", "a.har"] if options else []
    try:
        status = main(["diff", *files, *options])
    except SystemExit as ended:
        status = int(ended.code or 0)
    assert status == 4
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("url, target", [
    ("http://a.example/x%2Fy?q=%20#f", "/x%2Fy?q=%20"), ("https://u:p@a:1", "/"), ("http://a?q=1", "/?q=1"),
    ("/relative?u=http://b/c", "/relative?u=http://b/c"),
])  # fmt: skip
def test_targets_stay_as_they_were_written(url: str, target: str, tmp_path: Path) -> None:
    (captured,) = read(archive(tmp_path / "x.har", entry(url, {}))).exchanges
    assert captured.exchange.request.target == target


Numbers = st.lists(st.tuples(st.sampled_from(["/a", "/a?x=1", "/a?x=2", "/b"]), st.sampled_from([None, None, "1", "2", "3"])))


@given(Numbers, Numbers)
def test_every_exchange_is_in_one_pair(primary: list[tuple[str, str | None]], candidate: list[tuple[str, str | None]]) -> None:
    def capture(side: str, requests: list[tuple[str, str | None]]) -> Capture:
        made = (Exchange(Request("GET", target), Response(200, (), f"{side}{n}".encode()), n) for n, (target, _) in enumerate(requests))
        return Capture([Captured(exchange, name) for exchange, (_, name) in zip(made, requests, strict=True)])

    found = pairs(capture("p", primary), capture("c", candidate))
    seen = [side.response.body for pair in found for side in (pair.primary, pair.candidate) if side and side.response]
    assert sorted(seen) == sorted([f"p{n}".encode() for n in range(len(primary))] + [f"c{n}".encode() for n in range(len(candidate))])
    both = [(pair.primary, pair.candidate) for pair in found if all(side and side.response for side in (pair.primary, pair.candidate))]
    named = [{at for at, (_, name) in enumerate(side) if name} for side in (primary, candidate)]
    unnamed = [(one.request.target, other.request.target) for one, other in both if one and other and one.started not in named[0]]
    assert all(one[:2] == other[:2] for one, other in unnamed)
