"""The relay's process: it starts fast, says how it ended, leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from pytest_shadowdiff.errors import MirrorError
from pytest_shadowdiff.spool import Opened, Reader, Seen
from tests.relay.conftest import OK, PATIENCE, Lab

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def gone(pid: int) -> bool:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            status = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if status == "Z":
            return True
        time.sleep(0.01)
    return False


def test_stop_is_idempotent_and_leaves_no_process(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version())
    setup.exchange(GET)
    pid = setup.relay.pid
    assert pid is not None
    assert setup.relay.failure() is None
    setup.relay.stop()
    setup.relay.stop()
    assert gone(pid)
    assert setup.relay.failure() is None


def test_a_killed_relay_says_so_and_loses_nothing_that_was_seen(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version())
    for _ in range(20):
        setup.exchange(GET)
    setup.seen("candidate", 20)
    setup.seen("primary", 20)
    pid = setup.relay.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert setup.relay.failure() == f"the relay (pid {pid}) was ended by signal 9"
    with pytest.raises(MirrorError, match=rf"the relay \(pid {pid}\) was ended by signal 9"):
        setup.relay.open_entry("next")
    setup.relay.close_entry("t")
    setup.relay.stop()
    events = list(Reader(setup.spool).events(final=True))
    assert sum(isinstance(event, Opened) for event in events) == 20
    assert sum(isinstance(event, Seen) for event in events) == 40


def test_a_relay_that_is_stuck_is_killed(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version())
    pid = setup.relay.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    setup.relay.stop()
    assert gone(pid)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_relay_ends_with_the_process_that_started_it(tmp_path: Path, number: signal.Signals) -> None:
    code = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from pytest_shadowdiff.model import Upstream
        from pytest_shadowdiff.relay import Relay, Routing
        from pytest_shadowdiff.settings import Limits
        there = Upstream("v", "127.0.0.1", 9)
        relay = Relay(Routing(there, there, there, there), directory=Path(sys.argv[1]), run_id="r", timeout=1, limits=Limits())
        relay.start()
        print(relay.pid, flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "spool")], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(number)
        parent.wait(PATIENCE)
    assert gone(pid)


def test_callers_folder_and_environment_do_not_reach_the_process(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asyncio.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    setup = lab.mirror(lab.version(), lab.version())
    assert setup.exchange(GET) == OK


def test_a_version_that_is_killed_in_the_middle_is_named(lab: Lab) -> None:
    primary, candidate = lab.version(), lab.version(name="v2")
    setup = lab.mirror(primary, candidate)
    setup.exchange(GET)
    setup.seen("candidate")
    candidate.stop()
    assert setup.exchange(GET) == OK
    assert setup.seen("candidate", 2)[1].exchange.problem


def test_files_are_the_owners_alone(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version())
    setup.exchange(GET)
    setup.seen("candidate")
    assert {path.stat().st_mode & 0o777 for path in setup.spool.iterdir()} == {0o600}
    assert setup.spool.stat().st_mode & 0o777 == 0o700


def test_a_closed_entry_takes_no_more_and_finishes_what_it_has(lab: Lab) -> None:
    held = threading.Event()

    def script(peer: object) -> None:
        peer.request()  # type: ignore[attr-defined]
        held.wait(PATIENCE)
        peer.send(OK)  # type: ignore[attr-defined]

    setup = lab.mirror(lab.version(script), lab.version())
    busy, idle = setup.caller(), setup.caller()
    busy.send(GET)
    setup.opened()
    setup.relay.close_entry("t")
    assert idle.read_to_end() == b""
    with pytest.raises(ConnectionRefusedError):
        setup.caller()
    held.set()
    assert busy.read_to_end() == OK
    assert not setup.seen("primary")[0].exchange.problem


def test_entries_are_apart(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), lab.version())
    other = setup.relay.open_entry("u")
    assert other != setup.url
    setup.exchange(GET)
    peer = setup.caller(int(other.rpartition(":")[2]))
    peer.send(GET)
    peer.read(len(OK))
    assert [event.test for event in setup.opened(2)] == ["t", "u"]


def test_fifty_threads_at_once(lab: Lab) -> None:
    def echo(request: bytes) -> bytes:
        path = request.split(b" ")[1]
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path)

    from tests.relay.conftest import serve

    setup = lab.mirror(lab.version(serve(echo)), lab.version(serve(echo)))
    wrong: list[bytes] = []

    def caller(thread: int) -> None:
        peer = setup.caller()
        for number in range(20):
            request = f"GET /{thread}/{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            peer.send(request)
            if peer.read(len(echo(request))) != echo(request):
                wrong.append(request)

    threads = [threading.Thread(target=caller, args=(thread,)) for thread in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    for seen in setup.seen("candidate", 1000) + setup.seen("primary", 1000):
        assert seen.exchange.response is not None
        assert seen.exchange.response.body.decode() == seen.exchange.request.target
