"""Somebody ends pytest, the relay or a version in the middle of a run: a clear end, nothing left, nothing that was seen lost."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.midway import COMMANDS

if TYPE_CHECKING:
    from tests.midway import Midway


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 2), (signal.SIGTERM, 143)])
def test_pytest_is_asked_to_end(midway: Midway, number: int, status: int) -> None:
    running = midway(COMMANDS)
    running.process.send_signal(number)
    output = running.end()
    assert running.process.returncode == status
    assert running.wait_until_gone() == {}
    assert running.files() == []
    assert list(running.verdicts()) == ["first", "second"]
    assert "Traceback" not in output
    assert "2 pairs: 2 same" in output
    assert ("ended by SIGTERM" in output) is (number == signal.SIGTERM)


def test_pytest_is_killed(midway: Midway) -> None:
    running = midway(COMMANDS)
    running.process.kill()
    running.end()
    assert running.wait_until_gone() == {}


def test_the_relay_is_killed(midway: Midway) -> None:
    running = midway(COMMANDS)
    os.kill(running.pid("relay/__main__"), signal.SIGKILL)
    running.go()
    output = running.end()
    assert running.process.returncode == 1
    assert "relay" in output
    assert running.wait_until_gone() == {}
    assert [name for name, verdict in running.verdicts().items() if verdict == "same"] == ["first", "second", "last"]
    assert "test_last PASSED" in output


def test_what_watches_over_the_candidate_is_killed(midway: Midway) -> None:
    running = midway(COMMANDS)
    os.kill(running.supervisor(r"version\.py v2"), signal.SIGKILL)
    running.go()
    running.end()
    assert running.wait_until_gone() == {}


def test_the_candidate_is_killed(midway: Midway) -> None:
    running = midway(COMMANDS)
    os.kill(running.pid(r"version\.py v2"), signal.SIGKILL)
    running.go()
    output = running.end()
    assert running.process.returncode == 1
    assert running.verdicts() == {"first": "same", "second": "same", "third": "incomplete", "last": "incomplete"}
    assert "v2" in output
    assert "SIGKILL" in output
    assert running.wait_until_gone() == {}


def test_the_primary_is_killed(midway: Midway) -> None:
    running = midway(COMMANDS)
    os.kill(running.pid(r"version\.py v1"), signal.SIGKILL)
    running.go()
    output = running.end()
    assert running.process.returncode == 1
    assert "test_second FAILED" in output
    assert {pair["verdict"] for pair in running.report()["pairs"][:2]} == {"same"}
    assert running.wait_until_gone() == {}
