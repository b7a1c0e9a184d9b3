"""`shadowdiff diff` on access logs: what their lines can tell is judged, and nothing beyond it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.cli import main
from pytest_shadowdiff.model import Exchange, Request, Response
from pytest_shadowdiff.traffic import Capture, Captured
from pytest_shadowdiff.traffic.matching import pairs

Run = Callable[..., tuple[int, str, str]]
ID = "0123456789{:08x}"


def line(path: str, status: int = 200, second: int = 0, tail: str = "", method: str = "GET") -> str:
    return f'10.0.0.1 - - [07/Dec/2020:03:00:{second:02} +0000] "{method} {path} HTTP/1.1" {status} 516 "-" "curl/7.69.1"{tail}\n'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in a folder with two logs, v1.log and v2.log."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def diff(primary: str, candidate: str, *options: str) -> tuple[int, str, str]:
        (tmp_path / "v1.log").write_text(primary)
        (tmp_path / "v2.log").write_text(candidate)
        status = main(["diff", "v1.log", "v2.log", "--jobs", "1", *options])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return diff


def test_equal_statuses_are_partial_and_others_different(run: Run) -> None:
    noise = "[2020-12-07 03:00:00 +0000] [7] [INFO] Booting worker\n"
    status, out, _ = run(noise + line("/a") + line("/b"), line("/a") + noise + line("/b"))
    assert (status, "2 pairs: 2 partial" in out, "body" in out) == (0, True, True)
    status, out, _ = run(line("/a") + line("/b"), line("/a") + line("/b", 500))
    assert (status, "1 different, 1 partial" in out) == (1, True)
    assert "status" in out


def test_ids_decide_over_order(run: Run) -> None:
    def side(*numbers: int) -> str:
        return "".join(line("/n", 200 + number, tail=f' "{ID.format(number)}"') for number in numbers)

    assert "3 pairs: 3 partial" in run(side(1, 2, 3), side(3, 1, 2))[1]
    status, out, _ = run(side(1, 2), side(2))
    assert (status, "1 incomplete, 1 partial" in out) == (1, True)
    retried = line("/n", 503, tail=f' "{ID.format(1)}"') + side(1)
    status, out, _ = run(retried, side(1))
    assert (status, "2 pairs: 2 incomplete" in out, "more than once" in out) == (1, True, True)


def test_what_no_id_tells_apart_has_no_verdict(run: Run) -> None:
    status, out, _ = run(line("/n", 200) + line("/n", 404), line("/n", 404) + line("/n", 200))
    assert (status, "2 pairs: 2 incomplete" in out) == (1, True)
    assert "ambiguous: 2 and 2 requests GET /n within 30 s got different statuses" in out
    one_wrong = run(line("/n") * 3, line("/n") + line("/n", 500) + line("/n"))[1]
    assert "1 different, 2 partial" in one_wrong  # whichever it belongs to
    assert "1 incomplete, 2 partial" in run(line("/n") * 3, line("/n") * 2)[1]


def test_the_lines_of_the_founding_document_do_not_pair(run: Run, data: Path) -> None:
    page = (data / "seed" / "istio-mirroring.md").read_text(encoding="utf-8")
    first, last = sorted(set(re.findall(r"(?m)^127\.0\.0\.1 - - \[.*$", page)))
    status, out, _ = run(first + "\n", last + "\n")
    assert (status, "2 pairs: 2 incomplete" in out) == (1, True)
    assert "1 pair: 1 partial" in run(first + "\n", first + "\n")[1]


@pytest.mark.parametrize("text, options", [
    (json.dumps({"method": "GET", "path": "/a", "response_code": 200}) + "\n" + "{}\n", []),
    ('[2020-12-07T03:00:00.123Z] "GET /a HTTP/1.1" 200 - 0 5 7 6 "-" "curl" "x" "a" "10.0.0.1:80"\n', []),
    (json.dumps({"verb": "GET", "where": {"path": "/a"}, "code": 200}) + "\n",
     ["--log={method = 'verb', path = 'where.path', status = 'code'}"]),
    ('INFO: 127.0.0.1:4 - "GET /a HTTP/1.1" 200 OK\n', [r'--log="(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[0-9.]+" (?P<status>\d{3})']),
])  # fmt: skip
def test_formats(text: str, options: list[str], run: Run) -> None:
    assert "1 pair: 1 partial" in run(text, text, *options)[1]
    assert "1 pair: 1 partial" in run(text, line("/a"), *options, *(["--log=combined"] if options else []))[1]


def test_a_log_beside_an_archive(run: Run, tmp_path: Path) -> None:
    run(line("/a"), line("/a"))
    answer = {"status": 200, "headers": [], "content": {"text": "x"}}
    entry = {"startedDateTime": "2020-12-07T03:00:00Z", "request": {"method": "GET", "url": "http://a/a"}, "response": answer}
    (tmp_path / "v1.har").write_text(json.dumps({"log": {"entries": [entry]}}))
    assert main(["diff", "v1.har", "v2.log", "--log=combined"]) == 0


@pytest.mark.parametrize("text, options, says", [
    ("what is this\n", ["--log=combined"], "v1.log: no line of it is of a request"),
    (line("/a"), ["--log=combine"], "--log: expected one of combined, common, envoy, json"),
    (line("/a"), ["--log=common"] * 3, "3 formats for two captures"),
    (line("/a"), ["--log={method = }"], "--log: cannot be read as TOML"),
    (line("/a"), ["--log=(?P<method>x)("], "is no regular expression"),
    (line("/" + "a" * 40 + "!"), [r"--log=(?P<method>x|y)?(?P<path>(a+)+)$(?P<status>)"], "was stopped: 2 s were not enough"),
])  # fmt: skip
def test_bad_input(text: str, options: list[str], says: str, run: Run) -> None:
    status, _, error = run(text, text, *options)
    assert status == 4
    (only,) = error.splitlines()
    assert says in only


def test_no_control_character_reaches_the_terminal(run: Run) -> None:
    assert "\x1b]" not in run(line("/a\x1b]0;x\x07"), line("/a\x1b]0;x\x07", 500), "-vv")[1]


Lines = st.lists(st.tuples(st.sampled_from([200, 404]), st.sampled_from([1000.0, 1001.0, 2000.0, 0.0])), max_size=8)


@given(Lines, Lines)
def test_no_verdict_hangs_on_the_order_of_lines(primary: list[tuple[int, float]], candidate: list[tuple[int, float]]) -> None:
    def capture(lines: list[tuple[int, float]]) -> Capture:
        made = [Captured(Exchange(Request("GET", "/a"), Response(status, (), b""), moment)) for status, moment in lines]
        return Capture(made, proves_order=False)

    def told(primary: list[tuple[int, float]], candidate: list[tuple[int, float]]) -> list[tuple[int, int]]:
        found = pairs(capture(primary), capture(candidate))
        both = [(pair.primary, pair.candidate) for pair in found]
        return sorted(
            (one.response.status, other.response.status)
            for one, other in both
            if one and other and one.response and other.response and not other.problem
        )

    assert told(primary, candidate) == told(primary[::-1], candidate) == told(primary, candidate[::-1])
