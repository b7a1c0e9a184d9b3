from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.processes import ports

RESERVE = """
import sys
from pytest_shadowdiff.processes import ports
ports.FIRST, ports.LAST, ports.TRIES = 23456, 23476, 20
held = [ports.reserve() for _ in range(5)]
print(*[one.port for one in held], flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def few(monkeypatch: pytest.MonkeyPatch, count: int) -> range:
    first = 23_456
    monkeypatch.setattr(ports, "FIRST", first)
    monkeypatch.setattr(ports, "LAST", first + count)
    monkeypatch.setattr(ports, "TRIES", count)
    return range(first, first + count)


def test_parallel_runs_never_get_the_same_port() -> None:
    words = [sys.executable, "-c", RESERVE]
    running = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    given: list[str] = []
    for run in running:
        assert run.stdout is not None
        given += run.stdout.readline().split()
    for run in running:
        run.communicate("\n")
    assert len(given) == len(set(given)) == 20


def test_threads_neither() -> None:
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda _: ports.reserve(), range(40)))
    assert len({one.port for one in held}) == 40
    for one in held:
        one.release()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])  # noqa: S104 - where others listen
def test_what_anybody_listens_on_is_not_given(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port, other = few(monkeypatch, 2)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as listener:
        try:
            listener.bind((address, port))
        except OSError as error:
            pytest.skip(f"nobody can listen on {address} here: {error}")
        listener.listen()
        reserved = ports.reserve()
        assert reserved.port == other
        with pytest.raises(SetupError, match="No free port was found among 2 tried between 23456 and 23458"):
            ports.reserve()
        reserved.release()


def test_a_port_given_back_is_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, 1)
    first = ports.reserve()
    first.release()
    first.release()
    second = ports.reserve()
    assert second.port == first.port
    second.release()


def test_ports_lie_where_the_kernel_gives_none_away() -> None:
    low, high = ports._ephemeral()  # noqa: SLF001 - what the kernel of this machine says
    held = [ports.reserve() for _ in range(20)]
    assert not [one.port for one in held if low <= one.port <= high]
    for one in held:
        one.release()


def test_locks_that_cannot_be_made_are_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    with pytest.raises(SetupError, match=r"the folder of locks for ports cannot be made: No such file or directory\. Set TMPDIR"):
        ports.reserve()
