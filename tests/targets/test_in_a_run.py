"""Versions given as commands, in a pytest run: started only where a test asks, and gone whichever way it ends."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

SERVER = f"exec {sys.executable} -m http.server -b 127.0.0.1 {{port}}"


def project(pytester: pytest.Pytester, tests: str, v2: str = SERVER, **more: str) -> None:
    for name, command in {"v1": SERVER, "v2": v2}.items():
        more[name] = f": {{port}}; echo $$ > {name}.pid; sleep 600 & echo $! > {name}-child.pid; {command}"
    rows = [f"{name} = {{ command = ['sh', '-c', '{command}'], ready = '/' }}" for name, command in more.items()]
    pytester.makepyprojecttoml("[tool.shadowdiff.targets]\n" + "\n".join(rows))
    pytester.makepyfile(tests)


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("--shadow-target=v2", "-p", "no:asyncio", "-p", "no:cacheprovider", *options)


def left(folder: Path) -> list[int]:
    """Process ids that the versions wrote down, and that are still there."""
    deadline = time.monotonic() + 60
    while True:
        members = [int(file.read_text(encoding="ascii")) for file in folder.glob("*.pid")]
        alive = [pid for pid in members if _runs(pid)]
        if not alive or time.monotonic() > deadline:
            return alive
        threading.Event().wait(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or ") Z " not in state.read_text(encoding="ascii")


@pytest.mark.parametrize(
    "tests,options,status",
    [
        ("def test_it(shadow):\n    shadow.get('/')", (), 0),
        ("def test_it(shadow):\n    shadow.get('/')\n    assert False", (), 1),
        ("def test_it(shadow):\n    assert False\ndef test_more(shadow): pass", ("-x",), 1),
        ("import pytest\ndef test_it(shadow):\n    shadow.get('/')\n    pytest.exit('enough', 3)", (), 3),
        ("def test_it(shadow):\n    raise KeyboardInterrupt", (), 2),
    ],
    ids=["pass", "failure", "-x", "exit", "Ctrl-C"],
)
def test_nothing_is_left_of_either_version(tests: str, options: tuple[str, ...], status: int, pytester: pytest.Pytester) -> None:
    project(pytester, tests)
    assert run(pytester, *options).ret == status
    assert len(list(pytester.path.glob("*.pid"))) == 4, "both were started, each with a child"
    assert left(pytester.path) == []


@pytest.mark.parametrize("hook", ["pytest_runtest_teardown(item)", "pytest_sessionfinish(session)", "pytest_runtest_logreport(report)"])
def test_an_exception_in_a_hook_leaves_nothing_either(hook: str, pytester: pytest.Pytester) -> None:
    project(pytester, "def test_it(shadow):\n    shadow.get('/')")
    pytester.makeconftest(f"import os\ndef {hook}:\n    if os.path.exists('v1.pid'):\n        raise RuntimeError('of this hook')")
    assert run(pytester).ret != 0
    assert len(list(pytester.path.glob("*.pid"))) == 4
    assert left(pytester.path) == []


def test_nothing_is_started_where_no_test_asks(pytester: pytest.Pytester) -> None:
    project(pytester, "def test_it():\n    pass")
    assert run(pytester).ret == 0
    assert list(pytester.path.glob("*.pid")) == []


def test_only_the_primary_is_started_without_a_candidate(pytester: pytest.Pytester) -> None:
    project(pytester, "def test_it(shadow):\n    assert shadow.get('/').status_code == 200")
    assert pytester.runpytest_subprocess("-p", "no:asyncio").ret == 0
    assert sorted(file.name for file in pytester.path.glob("*.pid")) == ["v1-child.pid", "v1.pid"]
    assert left(pytester.path) == []


def test_a_version_that_dies_at_its_start_is_named_with_its_last_lines_and_no_traceback(pytester: pytest.Pytester) -> None:
    project(pytester, "def test_it(shadow):\n    shadow.get('/')", v2="echo cannot find the database; exit 78")
    done = run(pytester)
    assert done.ret == 1
    said = done.stdout.str()
    assert "Target v2 ended with exit status 78" in said
    assert "cannot find the database" in said
    assert "Traceback" not in said + done.stderr.str()
    assert left(pytester.path) == []


def test_a_version_that_dies_later_is_named_with_its_last_lines(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        """
        import os, signal
        def test_it(shadow):
            shadow.get("/")
            os.kill(int(open("v2.pid").read()), signal.SIGKILL)
            shadow.get("/")
        """,
        v2=f"echo so far so good; echo password=canary-4714; {SERVER}",
    )
    done = run(pytester)
    assert done.ret == 1
    said = done.stdout.str()
    assert "Target v2 ended with signal SIGKILL" in said
    assert "so far so good" in said
    assert "canary" not in said


def test_what_a_version_says_of_secrets_is_not_repeated(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "def test_it(shadow):\n    shadow.get('/')",
        v2="echo Authorization: Bearer canary-4711; echo password=canary-4712; echo http://user:canary-4713@host/; exit 78",
    )
    done = run(pytester, "-vv", "--junitxml=junit.xml")
    assert done.ret == 1
    shown = done.stdout.str() + done.stderr.str() + (pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert "exit status 78" in shown
    assert "canary" not in shown
