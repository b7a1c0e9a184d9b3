"""Lines of a file that is still written, and expressions that never end."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.errors import MirrorError, SettingsError
from pytest_shadowdiff.logs import formats
from pytest_shadowdiff.logs.lines import CUT, LONGEST, Assembler, Follower
from pytest_shadowdiff.logs.moments import moment
from pytest_shadowdiff.logs.regex import Matcher


def test_what_was_there_before_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old\n")
    follower = Follower(log)
    follower.start()
    with log.open("ab") as file:
        file.write(b"new\npart")
    assert list(follower.read()) == [b"new"]
    with log.open("ab") as file:
        file.write(b"ial\r\n")
    assert list(follower.read()) == [b"partial"]
    follower.close()


def test_a_file_that_appears_later_is_read_from_its_start(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "log")
    follower.start()
    assert list(follower.read()) == []
    (tmp_path / "log").write_bytes(b"first\n")
    assert list(follower.read()) == [b"first"]
    follower.close()


def test_rotation_loses_no_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"")
    follower = Follower(log)
    follower.start()
    with log.open("ab") as file:
        file.write(b"before\n")
    log.replace(tmp_path / "log.1")
    log.write_bytes(b"after\n")
    assert list(follower.read()) == [b"before", b"after"]
    follower.close()


def test_a_file_emptied_in_its_place_is_read_anew(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a long line that was there\n")
    follower = Follower(log)
    follower.start()
    log.write_bytes(b"new\n")
    assert list(follower.read()) == [b"new"]
    follower.close()


@pytest.mark.parametrize("size", [CUT - 1, CUT, CUT + 1, 2 * CUT, 3 * CUT + 7])
def test_a_line_that_was_cut_is_whole_again(size: int) -> None:
    line = b"x" * size
    pieces = [line[at : at + CUT] for at in range(0, size, CUT)]
    cut = b"".join(piece + b"\n" for piece in pieces) + (b"\n" if size % CUT == 0 else b"") + b"next\n"
    assert [one for one in Assembler().feed(cut) if one] == [line, b"next"]


def test_a_line_without_an_end_costs_no_memory() -> None:
    assembler = Assembler()
    for _ in range(20):
        assert list(assembler.feed(b"x" * LONGEST)) == []
    assert list(assembler.feed(b"\nnext\n")) == [b"next"]
    assert assembler.left_out == 1


def test_an_expression_that_never_ends_is_stopped_and_named() -> None:
    matcher = Matcher(r"(?P<method>(x+x+)+y)(?P<path>.)(?P<status>.)", "targets.v1.log")
    with pytest.raises(MirrorError, match=r"targets\.v1\.log: .*\(x\+x\+\)\+y.* was stopped"):
        matcher("x" * 5000)
    matcher.close()


@pytest.mark.parametrize("pattern, words", [("(", "is no regular expression"), ("(?P<method>.)", "has no group path and none status")])
def test_a_wrong_expression_is_refused(pattern: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Matcher(pattern, "targets.v1.log")


@given(st.text())
def test_no_line_breaks_a_format(line: str) -> None:
    for name in formats.NAMES:
        read = formats.by_name(name)(line)
        assert read is None or 100 <= read.status < 600


@given(st.text(alphabet='[]" \\-/:0123456789GETHP.+abc', max_size=200))
def test_no_line_that_looks_like_a_log_breaks_a_format(line: str) -> None:
    for prefix in ("", '1 - - [07/Dec/2020:03:00:37 +0000] "GET / HTTP/1.1" 200 5', "[2020-12-07T02:54:26.000Z] "):
        for name in formats.NAMES:
            formats.by_name(name)(prefix + line)


@pytest.mark.parametrize("name", formats.NAMES)
@pytest.mark.parametrize("unit", ['"', "\\", '" "', "[", " ", "a ", '\\"', "1 "])
def test_a_hostile_line_is_read_in_time(name: str, unit: str) -> None:
    read = formats.by_name(name)
    for prefix in (
        "",
        "[2020-12-07T02:54:26.000Z] ",
        '1 - - [07/Dec/2020:03:00:37 +0000] "',
        '1 - - [07/Dec/2020:03:00:37 +0000] "GET / HTTP/1.1" 200 5 "',
    ):
        read(prefix + unit * (200_000 // len(unit)))


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("[07/Dec/2020:03:00:37 +0000]", 1607310037.0),
        ("07/Dec/2020:05:00:37 +0200", 1607310037.0),
        ("06/Dec/2020:22:00:37 -0500", 1607310037.0),
        ("2020-12-07T03:00:37Z", 1607310037.0),
        ("2020-12-07T03:00:37.250Z", 1607310037.25),
        ("2020-12-07 04:00:37,5 +01:00", 1607310037.5),
        ("1607310037", 1607310037.0),
        ("1607310037.5", 1607310037.5),
        ("1607310037500", 1607310037.5),
        ("2020-12-07 03:00:37", None),
        ("31/Feb/2020:03:00:37 +0000", None),
        ("07/Foo/2020:03:00:37 +0000", None),
        ("yesterday", None),
    ],
)
def test_times_with_a_zone_are_known_and_without_are_not(text: str, seconds: float | None) -> None:
    assert moment(text) == seconds


@given(st.text(alphabet="0123456789/:+-.,TZ DecJan", max_size=40))
def test_no_time_breaks_the_reader(text: str) -> None:
    assert moment(text) is None or isinstance(moment(text), float)
