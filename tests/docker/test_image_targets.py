"""Images as versions: what an error says when one does not come up, and what is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_shadowdiff import targets
from pytest_shadowdiff.containers import Engine, Wanted, leftovers
from pytest_shadowdiff.containers.owners import is_over, labels
from pytest_shadowdiff.errors import SetupError, TargetError
from pytest_shadowdiff.settings import Target

IMAGE = "python:3.11-slim"
SERVE = ("python", "-u", "-m", "http.server", "8000")
GOOD = Target("v2", image=IMAGE, image_command=SERVE, port=8000, ready="/", ready_seconds=30)
RUN = "t1"

LEAVES = """
import os, pathlib, sys
from pytest_shadowdiff.containers import Engine, Wanted
engine = Engine("t2")
wanted = Wanted("v2", "python:3.11-slim", command=("sleep", "600"), network=engine.network())
engine.start(wanted, pathlib.Path(sys.argv[1]))
os.kill(os.getpid(), 9)
"""


def ours(run: str) -> list[str]:
    found = []
    for words in (("ps", "-a"), ("network", "ls")):
        command = ["docker", *words, "--filter", f"label=pytest-shadowdiff.run={run}", "--format", "{{.ID}}"]
        found += subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return found


@pytest.mark.docker
class TestWithAnEngine:
    @pytest.fixture(autouse=True)
    def _nothing_is_left(self) -> Iterator[None]:
        yield
        assert ours(RUN) == []

    def failed(self, target: Target, folder: Path) -> str:
        with pytest.raises(TargetError) as caught:
            targets.start(target, directory=folder, run_id=RUN)
        return str(caught.value)

    def test_it_answers_and_its_output_is_in_a_file(self, tmp_path: Path) -> None:
        started = targets.start(GOOD, directory=tmp_path, run_id=RUN)
        assert started.failure() is None
        assert started.log is not None
        deadline = time.monotonic() + 10
        while "GET / " not in started.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "GET / " in started.log.read_text()
        started.stop()
        started.stop()

    def test_environment_command_and_files_reach_it(self, tmp_path: Path) -> None:
        (tmp_path / "page").mkdir()
        (tmp_path / "page" / "health").write_text("fine")
        shell = 'cd "$WHERE" && exec python -m http.server 8000'
        volume = f"{tmp_path}/page:/page:ro"
        target = replace(GOOD, image_command=("sh", "-c", shell), env={"WHERE": "/page"}, volumes=(volume,), ready="/health")
        targets.start(target, directory=tmp_path, run_id=RUN).stop()

    @pytest.mark.parametrize("pull, said", [("never", 'pull = "never"'), (None, "cannot be pulled")])
    def test_an_image_that_is_not_there(self, tmp_path: Path, pull: str | None, said: str) -> None:
        words = self.failed(replace(GOOD, image="127.0.0.1:1/none/such:9", pull=pull), tmp_path)
        assert "127.0.0.1:1/none/such:9" in words
        assert said in words

    def test_a_crash_at_start(self, tmp_path: Path) -> None:
        crash = ("python", "-c", "import sys; print('no database'); sys.exit(3)")
        words = self.failed(replace(GOOD, image_command=crash), tmp_path)
        assert f"Target v2: the container of {IMAGE} ended with exit status 3" in words
        assert "no database" in words

    def test_a_command_that_is_not_in_the_image(self, tmp_path: Path) -> None:
        words = self.failed(replace(GOOD, image_command=("nothing-of-that-name",)), tmp_path)
        assert IMAGE in words
        assert "nothing-of-that-name" in words

    def test_a_port_that_never_opens(self, tmp_path: Path) -> None:
        shell = "echo waiting for nothing; exec sleep 600"
        words = self.failed(replace(GOOD, image_command=("sh", "-c", shell), ready_seconds=1.0), tmp_path)
        assert "did not answer on its port 8000 within 1 s" in words
        assert IMAGE in words
        assert "waiting for nothing" in words

    def test_a_container_that_is_killed_later_says_so(self, tmp_path: Path) -> None:
        started = targets.start(GOOD, directory=tmp_path, run_id=RUN)
        (container,) = ours(RUN)
        subprocess.run(["docker", "kill", container], capture_output=True, check=True)
        failure = started.failure()
        assert failure is not None
        assert "was killed" in failure
        started.stop()

    def test_what_a_killed_run_left_goes_with_the_next(self, tmp_path: Path) -> None:
        subprocess.run([sys.executable, "-c", LEAVES, str(tmp_path / "log")], capture_output=True, check=False, env={**os.environ})
        assert len(ours("t2")) == 2
        assert {one.run for one in leftovers()} >= {"t2"}
        Engine(RUN).hang_up()
        assert ours("t2") == []

    def test_a_run_that_is_alive_is_left_alone(self, tmp_path: Path) -> None:
        first = Engine(RUN)
        container = first.start(Wanted("v1", IMAGE, command=("sleep", "600"), network=first.network()), tmp_path / "log")
        Engine("t3").hang_up()
        assert len(ours(RUN)) == 2
        container.stop()
        first.remove_network()
        first.hang_up()


def test_an_engine_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(SetupError, match=r"No Docker engine answers at unix://.+none\.sock.*DOCKER_HOST"):
        Engine(RUN)


def test_an_image_needs_its_port(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"say on which port python:3\.11-slim listens, as targets\.v2\.port"):
        targets.start(replace(GOOD, port=None), directory=tmp_path, run_id=RUN)


def test_whether_a_run_is_over_is_told_by_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    alive = labels(RUN)
    assert not is_over(alive)
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert is_over({**alive, "pytest-shadowdiff.pid": str(done.pid)})
    elsewhere = {**alive, "pytest-shadowdiff.place": "another machine"}
    assert not is_over(elsewhere)
    assert is_over({**elsewhere, "pytest-shadowdiff.since": "1000"})
    assert not is_over({})
