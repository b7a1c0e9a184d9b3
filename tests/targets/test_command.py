"""A version given as a command: what is left of it after every kind of end, and what is said when it does not start."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from pytest_shadowdiff import targets
from pytest_shadowdiff.errors import TargetError
from pytest_shadowdiff.settings import Target
from pytest_shadowdiff.targets import Started

SERVER = (sys.executable, "-m", "http.server", "-b", "127.0.0.1", "{port}")
ANSWERS = """
import http.server, sys
port, *statuses = map(int, sys.argv[1:])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Target], Started]]:
    begun: list[Started] = []

    def start(target: Target) -> Started:
        begun.append(targets.start(target, directory=tmp_path, run_id="run"))
        return begun[-1]

    yield start
    for one in begun:
        one.stop()


@pytest.fixture
def failure(tmp_path: Path) -> Callable[[Target], str]:
    def failure(target: Target) -> str:
        with pytest.raises(TargetError) as caught:
            targets.start(target, directory=tmp_path, run_id="run")
        return str(caught.value)

    return failure


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return sys.platform != "linux"


def soon(true: Callable[[], object], seconds: float = 60.0) -> bool:
    """Whether it becomes true; a bound on waiting for what other processes do, not a measure of how fast."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.01)
    return True


def pids(folder: Path, count: int) -> list[int]:
    assert soon(lambda: len([file for file in folder.glob("*.pid") if file.read_text(encoding="ascii")]) >= count)
    return [int(file.read_text(encoding="ascii")) for file in folder.glob("*.pid")]


def family(tmp_path: Path, *, session: str = "", trap: str = "") -> tuple[str, ...]:
    """A command whose shell starts a child, and a server in the end; `session` detaches the child, `trap` makes it stubborn."""
    child = f"{session} sh -c '{trap} echo $$ > child.pid; while :; do sleep 60; done'"
    server = f"exec {sys.executable} -m http.server -b 127.0.0.1 {{port}}"
    return ("sh", "-c", f"cd {tmp_path}; echo $$ > shell.pid; {child} & {server}")


def test_it_answers_on_a_port_of_its_own_and_is_gone_after(start: Callable[[Target], Started]) -> None:
    v1, v2 = start(Target("v1", command=SERVER)), start(Target("v2", command=SERVER))
    assert v1.upstream.port != v2.upstream.port
    with urlopen(f"http://127.0.0.1:{v2.upstream.port}/") as answer:
        assert answer.status == 200
    v2.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", v2.upstream.port))
    assert v1.failure() is None
    assert v2.failure() is None, "we ended it: that is no failure"


def test_the_same_target_started_twice_has_two_logs(start: Callable[[Target], Started]) -> None:
    first, second = start(Target("a/b", command=SERVER)), start(Target("a/b", command=SERVER))
    assert first.log is not None
    assert second.log is not None
    assert first.log.parent == second.log.parent
    assert first.log != second.log


def test_its_callers_host_reaches_it_unless_the_target_says_otherwise(start: Callable[[Target], Started]) -> None:
    assert start(Target("v1", command=SERVER)).upstream.host_header is None
    named = start(Target("v2", command=SERVER, host="shop.example", headers=(("x-a", "b"),))).upstream
    assert (named.host_header, tuple(named.headers)) == ("shop.example", (("x-a", "b"),))


def test_the_port_may_stand_in_the_environment(start: Callable[[Target], Started]) -> None:
    words = ("sh", "-c", f'exec {sys.executable} -m http.server -b 127.0.0.1 "$PORT"')
    assert start(Target("v1", command=words, env={"PORT": "{port}"})).failure() is None


def test_environment_and_folder_are_the_targets(
    start: Callable[[Target], Started], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "kept")
    words = ("sh", "-c", f'pwd; echo "$SAID $OURS ${{PYTEST_CURRENT_TEST:-no test}}"; exec {" ".join(SERVER)}')
    started = start(Target("v1", command=words, env={"SAID": "hello"}, cwd=tmp_path))
    assert started.log is not None
    said = started.log.read_text(encoding="utf-8")
    assert said.startswith(f"{tmp_path.resolve()}\nhello kept no test\n")


def answering(*statuses: int) -> tuple[str, ...]:
    """A command that answers with these, one after the other; the last one from then on."""
    return (sys.executable, "-c", ANSWERS, "{port}", *map(str, statuses))


def test_it_is_ready_when_it_answers_with_anything_below_500(start: Callable[[Target], Started]) -> None:
    assert start(Target("v1", command=answering(404), ready="/there?deep=1")).failure() is None
    started = start(Target("v2", command=answering(503, 500, 200), ready="/up"))
    assert started.log is not None
    said = re.findall(r'"GET (\S+) HTTP/1.1" (\d+)', started.log.read_text(encoding="utf-8"))
    assert said == [("/up", "503"), ("/up", "500"), ("/up", "200")]


def test_one_that_never_answers_well_says_what_it_answered(failure: Callable[[Target], str]) -> None:
    said = failure(Target("v2", command=answering(500), ready="/up", ready_seconds=5))
    assert "Target v2 runs, but was not ready within 5 s (GET /up was answered with 500)" in said
    assert '"GET /up HTTP/1.1" 500' in said, "its last lines"


@pytest.mark.parametrize(
    "script,how",
    [("exit 3", "exit status 3"), ("kill -9 $$", "signal SIGKILL"), ("exit 0", "exit status 0")],
)
def test_one_that_ends_at_once_shows_name_status_and_last_lines(script: str, how: str, failure: Callable[[Target], str]) -> None:
    said = failure(Target("v2", command=("sh", "-c", f"for i in $(seq 50); do echo line $i; done; {script}")))
    assert f"Target v2 ended with {how}: sh -c" in said
    assert said.endswith("line 49\n  line 50")
    assert "line 30\n" not in said


def test_what_it_wrote_reaches_nobodys_terminal_raw(failure: Callable[[Target], str]) -> None:
    said = failure(Target("v2", command=("printf", r"\033[31mred\033[0m \033]0;title\007 \001\200 {port}")))
    assert re.sub(r"[^\x00-\x1f\x7f-\x9f]", "", said.replace("\n", "")) == ""
    assert "red " in said


def test_gigabytes_of_output_are_not_read(failure: Callable[[Target], str]) -> None:
    said = failure(Target("v2", command=("sh", "-c", "head -c 300000000 /dev/zero; printf '\\nthe end\\n'; exit 1")))
    assert "the end" in said
    assert len(said) < 30_000


def test_a_program_that_is_not_there_is_one_clear_error(failure: Callable[[Target], str], tmp_path: Path) -> None:
    said = failure(Target("v2", command=("no-such-server", "{port}"), cwd=tmp_path))
    assert said == (
        f"Target v2 cannot be started in {tmp_path}: no-such-server '{{port}}': No such file or directory. "
        "Mend targets.v2.command, its cwd, or the PATH on which its program is looked up."
    )
    assert "Permission denied" in failure(Target("v2", command=(str(tmp_path), "{port}")))
    assert "No such file" in failure(Target("v2", command=SERVER, cwd=tmp_path / "nowhere"))


def test_one_that_dies_later_says_so(start: Callable[[Target], Started]) -> None:
    started = start(Target("v2", command=("sh", "-c", f"echo my pid is $$; exec {' '.join(SERVER)}")))
    assert started.failure() is None
    assert started.log is not None
    os.kill(int(started.log.read_text(encoding="utf-8").split()[3]), signal.SIGSEGV)
    assert soon(started.failure)
    assert "Target v2 ended with signal SIGSEGV" in (started.failure() or "")
    started.stop()
    assert "signal SIGSEGV" in (started.failure() or ""), "it stays true after it was cleaned up"


def test_a_port_that_somebody_took_in_between_is_tried_again_on_another(start: Callable[[Target], Started], tmp_path: Path) -> None:
    server = f"exec {sys.executable} -m http.server -b 127.0.0.1 {{port}}"
    thief = (
        f"test -e thief || {{ touch thief; echo {{port}} > stolen; echo 'OSError: [Errno 98] Address already in use'; exit 1; }}; {server}"
    )
    started = start(Target("v1", command=("sh", "-c", thief), cwd=tmp_path))
    assert started.failure() is None
    assert int((tmp_path / "stolen").read_text(encoding="ascii")) != started.upstream.port


def test_one_that_says_the_address_is_in_use_each_time_is_given_up(failure: Callable[[Target], str]) -> None:
    assert "Address already in use" in failure(Target("v1", command=("sh", "-c", "echo {port}: Address already in use; exit 1")))


def test_two_start_at_once_and_none_is_left_where_one_fails(tmp_path: Path) -> None:
    good = Target("v1", command=("sh", "-c", f"echo $$ > {tmp_path}/v1.pid; exec {' '.join(SERVER)}"))
    with pytest.raises(TargetError, match="Target v2 ended with exit status 4"):
        targets.start_all([good, Target("v2", command=("sh", "-c", "exit 4"))], directory=tmp_path, run_id="run")
    assert not any(map(alive, (int(file.read_text(encoding="ascii") or 0) or 1 << 22 for file in tmp_path.glob("*.pid"))))


@pytest.mark.parametrize(
    "session",
    ["", pytest.param("setsid", marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to a subreaper"))],
)
def test_its_children_end_with_it_even_those_that_ignore_sigterm(session: str, start: Callable[[Target], Started], tmp_path: Path) -> None:
    started = start(Target("v1", command=family(tmp_path, session=session, trap='trap "" TERM;')))
    members = pids(tmp_path, 2)
    assert all(map(alive, members))
    started.stop()
    assert not any(map(alive, members))
    started.stop()


PARENT = """
import pathlib, sys
from pytest_shadowdiff import targets
from pytest_shadowdiff.settings import Target
folder = pathlib.Path(sys.argv[1])
targets.start(Target("v1", command=tuple(sys.argv[2:])), directory=folder, run_id="run")
print("ready", flush=True)
sys.stdin.readline()
raise SystemExit("a hook failed")
"""


@pytest.mark.parametrize("end", ["kill -9", "SIGTERM", "Ctrl-C", "exception"])
def test_nothing_is_left_however_the_run_ends(end: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", PARENT, str(tmp_path), *family(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        members = pids(tmp_path, 2)
        if end == "exception":
            parent.stdin.write("\n")
            parent.stdin.flush()
        else:
            parent.send_signal({"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}[end])
        parent.wait()
    assert soon(lambda: not any(map(alive, members)))


def test_a_fork_of_the_run_does_not_keep_it_alive(tmp_path: Path) -> None:
    fork = PARENT.replace("sys.stdin.readline()", "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nos.kill(os.getpid(), 9)")
    with subprocess.Popen(
        [sys.executable, "-c", fork, str(tmp_path), *family(tmp_path)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        members = pids(tmp_path, 2)
        assert soon(lambda: not any(map(alive, members)))
        os.killpg(parent.pid, signal.SIGKILL)


def test_its_supervisor_may_die_and_it_still_ends(start: Callable[[Target], Started], tmp_path: Path) -> None:
    words = ("sh", "-c", f"echo $PPID > {tmp_path}/supervisor; echo $$ > {tmp_path}/own.pid; exec {' '.join(SERVER)}")
    started = start(Target("v1", command=words))
    os.kill(int((tmp_path / "supervisor").read_text(encoding="ascii")), signal.SIGKILL)
    assert soon(started.failure)
    assert soon(lambda: not any(map(alive, pids(tmp_path, 1))))


def test_ctrl_c_while_it_is_waited_for_leaves_nothing(tmp_path: Path) -> None:
    never = ("sh", "-c", f"echo $$ > {tmp_path}/own.pid; exec sleep 600; : {{port}}")
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), *never], stderr=subprocess.DEVNULL) as parent:
        members = pids(tmp_path, 1)
        parent.send_signal(signal.SIGINT)
        assert parent.wait(60) != 0
    assert soon(lambda: not any(map(alive, members)))
