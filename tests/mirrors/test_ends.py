"""Somebody kills pytest, Envoy, a container or the engine in the middle of a run: a clear end, and nothing of ours is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest

from tests.midway import COMMANDS, IMAGES
from tests.mirrors.conftest import needs_envoy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.midway import Midway, Running

ENVOY, DOCKER = "--shadow-mirror=envoy", "--shadow-mirror=docker"

ENGINE = """
import os, socket, sys, threading
def pump(source, sink):
    try:
        while block := source.recv(65536):
            sink.sendall(block)
    except OSError:
        pass
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
if sys.argv[1] == "tcp":
    listener = socket.create_server(("127.0.0.1", 0))
    place = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
else:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(50)
    place = f"unix://{sys.argv[1]}"
print(place, flush=True)
while True:
    near, _ = listener.accept()
    far = socket.socket(socket.AF_UNIX)
    far.connect("/var/run/docker.sock")
    threading.Thread(target=pump, args=(near, far), daemon=True).start()
    threading.Thread(target=pump, args=(far, near), daemon=True).start()
"""
"""An engine that the test itself can end: all that it is asked, the real one answers."""


class OwnEngine:
    """A Docker engine of the test's own, so that it can be killed, in a network namespace of its own, so that it disturbs nobody."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self.within = ("nsenter", f"--net=/run/netns/{folder.name}")
        self.process: subprocess.Popen[bytes] | None = None
        self.killed = False

    def start(self) -> None:
        """Return when it answers; the test is skipped where it cannot be started."""
        program = which("dockerd")
        if program is None or which("ip") is None or which("nsenter") is None or os.geteuid() != 0:
            pytest.skip("an engine of the test's own needs the programs dockerd, ip and nsenter, and root")
        subprocess.run(["ip", "netns", "add", self.folder.name], capture_output=True, check=False)
        subprocess.run([*self.within, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
        places = ["--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/docker.pid"]
        with (self.folder / "log").open("ab") as log:
            words = [*self.within, program, "-H", self.host, *places]
            self.process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 30
        while subprocess.run(["docker", "-H", self.host, "info"], capture_output=True, check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"an engine of the test's own cannot be started here: {(self.folder / 'log').read_text()[-300:]}")
            time.sleep(0.1)
        self.killed = False

    def load(self, *images: str) -> None:
        """Give it images of the machine's engine."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
            subprocess.run(["docker", "-H", self.host, "load"], stdin=saved.stdout, capture_output=True, check=True)

    def kill(self) -> None:
        """As a crash ends it: its containers run on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.killed = True

    def close(self) -> None:
        """End it with all that it runs; one that was killed is started again for that."""
        if self.killed:
            self.start()
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
        while not subprocess.run(["umount", self.folder / "data"], capture_output=True, check=False).returncode:
            pass  # an engine mounts its data once each time it is started
        subprocess.run(["ip", "netns", "del", self.folder.name], capture_output=True, check=False)


@pytest.fixture
def engine() -> Iterator[OwnEngine]:
    """Not started yet; in a folder with a short name, since it makes sockets there."""
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    made = OwnEngine(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


def ours(running: Running, *engine: str) -> list[str]:
    """Containers and networks of a run."""
    found = []
    for words in (("ps", "-a"), ("network", "ls")):
        command = ["docker", *engine, *words, "--filter", f"label=pytest-shadowdiff.pid={running.process.pid}", "--format", "{{.ID}}"]
        found += subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return found


@needs_envoy
def test_envoy_is_killed(midway: Midway) -> None:
    running = midway(COMMANDS, ENVOY)
    os.kill(running.pid(r"envoy --config-path"), signal.SIGKILL)
    running.go()
    output = running.end()
    assert running.process.returncode == 1
    assert "Envoy ended with signal SIGKILL" in output
    assert running.wait_until_gone() == {}
    verdicts = running.verdicts()
    assert (verdicts["first"], verdicts["second"], verdicts["third"]) == ("same", "same", "incomplete")
    assert verdicts["last"] == "same", "a new mirror for the next test"


@needs_envoy
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_pytest_is_ended_and_envoy_goes_with_it(midway: Midway, number: int) -> None:
    running = midway(COMMANDS, ENVOY)
    running.process.send_signal(number)
    running.end()
    assert running.wait_until_gone() == {}


@pytest.mark.docker
def test_a_killed_run_is_swept_up_by_the_next(midway: Midway) -> None:
    running = midway(IMAGES, DOCKER)
    assert len(ours(running)) == 4
    running.process.kill()
    running.end()
    running.wait_until_gone()
    assert len(ours(running)) == 4
    following = midway(IMAGES, DOCKER)
    following.go()
    following.end()
    assert following.process.returncode == 0
    assert ours(running) == ours(following) == []


@pytest.mark.docker
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_end_leaves_no_container(midway: Midway, number: int) -> None:
    running = midway(IMAGES, DOCKER)
    running.process.send_signal(number)
    running.end()
    assert ours(running) == []


@pytest.mark.docker
@pytest.mark.parametrize("name, said", [("envoyproxy/envoy", "container of envoyproxy/envoy"), ("v2", "v2")])
def test_a_container_is_killed(midway: Midway, name: str, said: str) -> None:
    running = midway(IMAGES, DOCKER)
    wanted = f"label=pytest-shadowdiff.target={name}" if name == "v2" else "ancestor=envoyproxy/envoy:v1.40.0"
    found = subprocess.run(["docker", "ps", "-q", "--filter", wanted], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["docker", "kill", *found], capture_output=True, check=True)
    running.go()
    output = running.end()
    assert running.process.returncode == 1
    assert said in output
    assert "was killed" in output
    assert running.verdicts()["third"] == "incomplete"
    assert ours(running) == []


@contextmanager
def passed_on(place: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """What passes requests on to the machine's engine, and its name as `DOCKER_HOST`."""
    with subprocess.Popen([sys.executable, "-c", ENGINE, place], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.docker
def test_the_engine_goes_away(midway: Midway, tmp_path: Path) -> None:
    with passed_on(str(tmp_path / "engine.sock")) as (engine, host):
        running = midway(IMAGES, DOCKER, DOCKER_HOST=host)
        engine.kill()
        engine.wait()
    running.go()
    output = running.end()
    assert "Traceback" not in output
    assert running.verdicts()["second"] == "same"
    assert set(running.verdicts().values()) <= {"same", "incomplete"}
    following = midway(IMAGES, DOCKER)
    following.go()
    following.end()
    assert following.process.returncode == 0
    assert ours(running) == ours(following) == []


@pytest.mark.docker
def test_an_engine_elsewhere_is_reached_by_tcp(midway: Midway) -> None:
    with passed_on("tcp") as (_, host):
        running = midway(IMAGES, DOCKER, DOCKER_HOST=host)
        published = ["docker", "ps", "--filter", f"label=pytest-shadowdiff.pid={running.process.pid}", "--format", "{{.Ports}}"]
        ports = subprocess.run(published, capture_output=True, text=True, check=True).stdout
        running.go()
        output = running.end()
    assert "0.0.0.0:" in ports, "at a host elsewhere, loopback would be out of reach"
    assert running.process.returncode == 0, output
    assert running.verdicts() == dict.fromkeys(("first", "second", "third", "last"), "same")
    assert ours(running) == []


@pytest.mark.docker
@pytest.mark.slow
def test_the_engine_is_killed(midway: Midway, engine: OwnEngine) -> None:
    engine.start()
    engine.load("python:3.11-slim", "envoyproxy/envoy:v1.40.0")
    midway.within = engine.within
    running = midway(IMAGES, DOCKER, DOCKER_HOST=engine.host)
    assert len(ours(running, "-H", engine.host)) == 4
    engine.kill()
    running.go()
    output = running.end()
    assert running.process.returncode == 1
    assert "Traceback" not in output
    assert "engine" in output
    verdicts = running.verdicts()
    assert (verdicts["first"], verdicts["second"]) == ("same", "same"), running.report()
    assert set(verdicts.values()) <= {"same", "incomplete"}
    assert running.wait_until_gone() == {}
    assert running.files() == []
    engine.start()
    following = midway(IMAGES, DOCKER, DOCKER_HOST=engine.host)
    following.go()
    following.end()
    assert following.process.returncode == 0
    assert ours(running, "-H", engine.host) == ours(following, "-H", engine.host) == []
