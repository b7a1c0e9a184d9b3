"""A version that is an image: started as a container with a port of the engine's choosing, and removed whatever happens."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

from pytest_shadowdiff.containers import Container, Engine, Wanted
from pytest_shadowdiff.containers.owners import PORT, TARGET
from pytest_shadowdiff.errors import SetupError, TargetError
from pytest_shadowdiff.model import Upstream
from pytest_shadowdiff.settings import Target
from pytest_shadowdiff.targets.readiness import until_ready

UNFIT_FOR_FILES = re.compile(r"[^A-Za-z0-9._-]")


class Image:
    """A container of the target's image."""

    def __init__(self, target: Target, engine: Engine, container: Container, inside: int) -> None:
        self._target = target
        self._engine = engine
        self._container = container
        self._inside = inside
        self._port = container.port(inside)
        self._upstream = self._at(engine.hosts[0])

    @property
    def upstream(self) -> Upstream:
        """Where it is reached; final once `wait` has returned."""
        return self._upstream

    @property
    def log(self) -> Path:
        """File that takes its output."""
        return self._container.log

    def wait(self) -> None:
        """Return as soon as it answers.

        Raises:
            TargetError: it ended, or did not answer in time; carries the image and its last lines of output.
        """
        target, container = self._target, self._container
        there, problem = until_ready(target, [self._at(host) for host in self._engine.hosts], container.ended_within)
        ended = container.failure()
        if ended is not None:
            raise TargetError(f"Target {ended}")
        if there is None:
            asked = f"targets.{target.name}.ready" if target.ready else f"targets.{target.name}.port"
            raise TargetError(
                f"Target {target.name}: the container of {target.image} did not answer on its port {self._inside} within "
                f"{target.ready_seconds:g} s ({problem}). Is that what it listens on ({asked})? {container.last_words()}"
            )
        self._upstream = there

    def failure(self) -> str | None:
        """How it ended, where it ended by itself."""
        ended = self._container.failure()
        return None if ended is None else f"Target {ended}"

    def stop(self) -> None:
        """Remove it; safe to call twice."""
        self._container.stop()
        self._engine.hang_up()

    def _at(self, host: str) -> Upstream:
        target = self._target
        return Upstream(target.name, host, self._port, tls=target.tls, host_header=target.host, headers=target.headers)


def launch(target: Target, *, directory: Path, run_id: str) -> Image:
    """Start a container of the target's image.

    Raises:
        TargetError: there is no such image, or it cannot be started.
        SetupError: no engine answers.
    """
    inside = target.port
    if inside is None:
        raise TargetError(f"Target {target.name}: say on which port {target.image} listens, as targets.{target.name}.port.")
    engine = Engine(run_id)
    wanted = Wanted(
        name=target.name,
        image=target.image or "",
        command=target.image_command,
        env=target.env,
        ports=(inside,),
        volumes=target.volumes,
        pull=target.pull or "missing",
        labels={TARGET: target.name, PORT: str(inside)},
    )
    container = engine.start(wanted, _own_file(directory, UNFIT_FOR_FILES.sub("_", target.name)))
    try:
        return Image(target, engine, container, inside)
    except SetupError as error:
        ended = container.failure()
        container.stop()
        raise TargetError(f"Target {ended}" if ended else f"Target {target.name}: {error}") from None
    except BaseException:
        container.stop()
        raise


def _own_file(directory: Path, name: str) -> Path:
    """A file that nobody else writes: one target may be both sides."""
    for number in count(1):
        path = directory / (f"{name}.log" if number == 1 else f"{name}-{number}.log")
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            continue
        return path
    raise AssertionError
