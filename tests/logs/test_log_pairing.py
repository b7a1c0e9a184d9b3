"""Which line is of which request: with ids never a wrong one, without none beyond what the log can tell."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_shadowdiff.backends import TapPlan
from pytest_shadowdiff.errors import MirrorError, SettingsError
from pytest_shadowdiff.logs.formats import Line
from pytest_shadowdiff.logs.pairing import Expected, Found, Pairing, Read
from pytest_shadowdiff.model import Point, Request, Role
from pytest_shadowdiff.settings import Settings, Target
from pytest_shadowdiff.spool import Opened, Reader, Seen, Skipped, Writer
from pytest_shadowdiff.tap.logs import LogsTap

T = 1_600_000_000.0


def expected(pair: str, started: float, target: str = "/x", method: str = "GET") -> Expected:
    return Expected(pair, method, target, T + started)


def read(at: float, status: int = 200, target: str = "/x", time: float | None = None, ids: tuple[str, ...] = ()) -> Read:
    return Read(Line("GET", target, status, ids, time=None if time is None else T + time), T + at)


def decided(requests: Sequence[Expected], lines: Sequence[Read], prefix: str = "") -> dict[str, int | str]:
    """What each request came to: a status, or the first word of why none can be said."""
    pairing = Pairing(prefix)
    for request in requests:
        pairing.expect(request)
    found: list[Found] = [one for line in lines if (one := pairing.take(line))]
    found += pairing.decide()
    return {one.expected.pair: one.read.line.status if one.read else one.problem.partition(":")[0] for one in found}


def test_one_request_and_one_line() -> None:
    assert decided([expected("a", 0)], [read(0.1, 201)]) == {"a": 201}


def test_another_method_or_path_is_a_strangers() -> None:
    assert decided([expected("a", 0, method="POST")], [read(0.1)]) == {}
    assert decided([expected("a", 0)], [read(0.1, target="/y")]) == {}


def test_a_line_from_before_is_a_strangers() -> None:
    assert decided([expected("a", 10)], [read(10.1, 500, time=3), read(10.2, 200, time=10)]) == {"a": 200}


def test_requests_one_after_the_other_are_told_apart_by_order() -> None:
    assert decided([expected("a", 0), expected("b", 1)], [read(0.5, 200), read(1.5, 500)]) == {"a": 200, "b": 500}


def test_requests_at_once_that_got_one_status_are_told() -> None:
    assert decided([expected("a", 0), expected("b", 0.1)], [read(0.5), read(0.5)]) == {"a": 200, "b": 200}


def test_requests_at_once_that_got_two_are_ambiguous() -> None:
    assert decided([expected("a", 0), expected("b", 0.1)], [read(0.5, 200), read(0.5, 500)]) == {"a": "ambiguous", "b": "ambiguous"}


def test_a_strangers_line_that_looks_alike_makes_it_ambiguous() -> None:
    assert decided([expected("a", 0)], [read(0.5), read(0.6)]) == {"a": "ambiguous"}


def test_a_lost_line_among_several_is_ambiguous_and_a_lone_one_missing() -> None:
    assert decided([expected("a", 0), expected("b", 0.1)], [read(0.5)]) == {"a": "ambiguous", "b": "ambiguous"}
    assert decided([expected("a", 0)], []) == {}


def test_queries_tell_apart_where_the_log_shows_them() -> None:
    requests = [expected("a", 0, "/x?n=1"), expected("b", 0, "/x?n=2")]
    assert decided(requests, [read(0.1, 500, "/x?n=2"), read(0.1, 200, "/x?n=1")]) == {"a": 200, "b": 500}
    assert decided(requests, [read(0.1, 500), read(0.1, 200)]) == {"a": "ambiguous", "b": "ambiguous"}
    assert decided(requests, [read(0.1), read(0.1)]) == {"a": 200, "b": 200}


def test_escapes_and_a_prefix_of_the_version_are_seen_through() -> None:
    assert decided([expected("a", 0, "/~x/%7ey")], [read(0.1, target="/api/%7Ex/~y")], prefix="/api") == {"a": 200}


def test_an_id_decides_whatever_the_path_says() -> None:
    lines = [read(0.2, 500, "/rewritten", ids=("b",)), read(0.1, 200, "/rewritten", ids=("a",)), read(0.1, 404)]
    assert decided([expected("a", 0), expected("b", 0)], lines) == {"a": 200, "b": 500}


def test_an_id_of_two_requests_tells_nothing() -> None:
    pairing = Pairing()
    pairing.expect(Expected("a", "GET", "/x", T, ("same",)))
    pairing.expect(Expected("b", "GET", "/y", T, ("same",)))
    assert pairing.take(read(0.1, ids=("same",))) is None


def test_lines_of_one_id_are_attempts_in_turn() -> None:
    pairing = Pairing()
    pairing.expect(expected("a", 0))
    found = [pairing.take(read(at, ids=("a",))) for at in (0.1, 0.2, 0.3)]
    assert [one and one.attempt for one in found] == [0, 1, 2]


def test_a_request_that_was_skipped_may_have_a_line_or_none() -> None:
    for lines, want in (([read(0.1), read(0.2)], 200), ([read(0.2)], "ambiguous")):
        pairing = Pairing()
        pairing.expect(expected("a", 0))
        pairing.expect(expected("b", 0.05))
        pairing.may_be_missing("a")
        for line in lines:
            pairing.take(line)
        assert pairing.complete()
        told = {one.expected.pair: one.read.line.status if one.read else one.problem.partition(":")[0] for one in pairing.decide()}
        assert told["b"] == want


class Stage:
    """The tap `logs` between log files and a spool, both of which the test writes."""

    def __init__(self, folder: Path, log: str | dict[str, str]) -> None:
        self.folder = folder
        self.logs: dict[Role, Path] = {"primary": folder / "v1.log", "candidate": folder / "v2.log"}
        targets = {role: Target(role, url="http://127.0.0.1:1", log=log) for role in self.logs}
        settings = Settings(targets["primary"], targets["candidate"], timeout=1.0)
        points = {role: Point(role, role, log=path) for role, path in self.logs.items()}
        for path in self.logs.values():
            path.write_bytes(b"")
        self.relay = Writer(folder / "spool", "relay")
        self.tap = LogsTap(TapPlan(settings, "run", folder / "spool", points))
        self.tap.start()

    def open(self, pair: str, target: str, at: float) -> None:
        self.relay.append(Opened(pair, "test", Request("GET", target), at, ("primary", "candidate")))

    def log(self, role: Role, lines: Sequence[str]) -> None:
        with self.logs[role].open("a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))

    def seen(self) -> dict[tuple[str, Role], Seen]:
        self.tap.settle()
        self.tap.stop()
        return {(event.pair, event.role): event for event in Reader(self.folder / "spool").events() if isinstance(event, Seen)}


def combined(target: str, status: int, pair: str = "-") -> str:
    return f'127.0.0.1 - - [01/Jan/2100:00:00:00 +0000] "GET {target} HTTP/1.1" {status} 5 "-" "curl" "{pair}"'


@pytest.mark.parametrize("shown", [True, False], ids=["with-ids", "without-ids"])
def test_two_thousand_requests_at_once_among_strangers(tmp_path: Path, *, shown: bool) -> None:
    chance = random.Random(7)
    stage = Stage(tmp_path, "combined")
    status: dict[tuple[str, Role], int] = {}
    lines: dict[Role, list[str]] = {"primary": [], "candidate": []}
    for number in range(2000):
        pair, target = f"pair-{number:05}", f"/item/{number % 500}"
        stage.open(pair, target, 1.0)
        for role in stage.logs:
            status[pair, role] = chance.choice([200, 200, 200, 404])
            lines[role].append(combined(target, status[pair, role], pair if shown else "-"))
    for role, written in lines.items():
        strangers = [combined(f"/item/{chance.randrange(500)}", 200, "other" if shown else "-") for _ in range(400)]
        mixed = written + strangers
        chance.shuffle(mixed)
        stage.log(role, mixed)
    seen = stage.seen()
    judged = {key: event.exchange.response for key, event in seen.items() if event.exchange.response is not None}
    if shown:
        assert judged.keys() == status.keys()
        assert all(response.status == status[key] for key, response in judged.items())
    else:
        assert all(response.status == status[key] for key, response in judged.items())
        assert all("ambiguous" in event.exchange.problem for key, event in seen.items() if key not in judged)
        assert len(judged) < len(status)
    assert all(event.exchange.not_seen == {"headers", "body", "trailers"} for event in seen.values())


def test_a_copy_that_never_came_is_no_line(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "combined")
    stage.open("a", "/x", 1.0)
    stage.log("primary", [combined("/x", 200)])
    assert stage.seen().keys() == {("a", "primary")}


def test_what_was_skipped_does_not_hold_up(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "combined")
    stage.open("a", "/x", 1.0)
    stage.relay.append(Skipped("a", "a write"))
    stage.log("primary", [combined("/x", 200)])
    assert ("a", "candidate") not in stage.seen()


def test_an_expression_that_never_ends_ends_the_watch_by_name(tmp_path: Path) -> None:
    stage = Stage(tmp_path, r"(?P<method>(x+x+)+y)(?P<path>.)(?P<status>.)")
    stage.log("primary", ["x" * 4000])
    with pytest.raises(MirrorError, match=r"targets\.primary\.log: .* was stopped"):
        stage.tap.settle()
    stage.tap.stop()


@pytest.mark.parametrize(
    "log, words", [(None, r"targets\.v1\.log is missing: .* combined, common, envoy, json"), ("combined", r"targets\.v1: .* Give log_file")]
)
def test_a_log_that_is_not_declared_is_asked_for(tmp_path: Path, log: str | None, words: str) -> None:
    point = Point("primary", "v1", log=tmp_path / "v1.log" if log is None else None)
    settings = Settings(Target("v1", url="http://127.0.0.1:1", log=log))
    with pytest.raises(SettingsError, match=words):
        LogsTap(TapPlan(settings, "run", tmp_path, {"primary": point}))


def test_control_is_asked_only_where_the_log_is_declared_to_show_ids(tmp_path: Path) -> None:
    for log, asks in (
        ("combined", False),
        ({"method": "m", "path": "p", "status": "s", "id": "i"}, True),
        (r"(?P<id>.)(?P<method>.)(?P<path>.)(?P<status>.)", True),
    ):
        folder = tmp_path / str(abs(hash(str(log))))
        folder.mkdir()
        stage = Stage(folder, log)
        assert stage.tap.asks() is asks
        stage.tap.stop()
