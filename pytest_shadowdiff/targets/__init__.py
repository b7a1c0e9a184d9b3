"""Targets: how a version is reached, or started and ended. What it answers is never looked at here.

A way is one module with a function `launch(target, *, directory, run_id) -> Started` and one line in `WAYS`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from pytest_shadowdiff.errors import SettingsError, SetupError

if TYPE_CHECKING:
    from pytest_shadowdiff.model import Upstream
    from pytest_shadowdiff.settings import Target

WAYS: Mapping[str, str] = {
    "url": "pytest_shadowdiff.targets.url",
    "command": "pytest_shadowdiff.targets.command",
    "image": "pytest_shadowdiff.targets.image",
}


class Started(Protocol):
    """A version that was launched, and that is ours to end."""

    @property
    def upstream(self) -> Upstream:
        """Where it is reached; final once `wait` has returned."""

    @property
    def log(self) -> Path | None:
        """File that takes its output; None where it is not ours to see."""

    def wait(self) -> None:
        """Return as soon as it answers.

        Raises:
            TargetError: it ended, or did not answer in time; carries its last lines of output.
        """

    def failure(self) -> str | None:
        """How it ended (name, exit status, last lines); None while it runs, or where that is not ours to know."""

    def stop(self) -> None:
        """End it with all that it started; safe to call twice."""


def way(target: Target) -> str:
    """The one of `WAYS`' names (or `workload`) by which this target is reached."""
    return next(name for name in ("url", "command", "image", "workload") if getattr(target, name) is not None)


def check(targets: Sequence[Target]) -> None:
    """Look whether what these targets need on this machine is here; nothing is started.

    Raises:
        SettingsError: it is not; the message says how to get it.
    """
    images = [target for target in targets if target.image is not None]
    for target in images:
        if target.port is None:
            raise SettingsError(f"Target {target.name}: say on which port {target.image} listens, as targets.{target.name}.port.")
    if images:
        from pytest_shadowdiff.containers import answers

        try:
            answers()
        except SetupError as error:
            raise SettingsError(f"Target {images[0].name} is an image: {error}") from None


def launch(target: Target, *, directory: Path, run_id: str) -> Started:
    """Begin to start it, and do not wait until it answers.

    Args:
        directory: private to the run; its output goes there.

    Raises:
        TargetError: it could not be started.
        SetupError: nothing here starts such a target.
    """
    name = way(target)
    if name not in WAYS:
        raise SetupError(f"Target {target.name}: a version given by {name} is started by nobody; its mirror finds it.")
    started: Started = import_module(WAYS[name]).launch(target, directory=directory, run_id=run_id)
    return started


def start(target: Target, *, directory: Path, run_id: str) -> Started:
    """Start it, and return when it answers.

    Raises:
        TargetError: it did not start, ended, or never answered; nothing of it is left.
    """
    return start_all([target], directory=directory, run_id=run_id)[0]


def start_all(targets: Sequence[Target], *, directory: Path, run_id: str) -> list[Started]:
    """Start all of them at once, and return when all answer.

    Raises:
        TargetError: one did not start, ended, or never answered; nothing of any is left.
    """
    started: list[Started] = []
    with _all_or_none(started):
        for target in targets:
            started.append(launch(target, directory=directory, run_id=run_id))  # noqa: PERF401 - each is ours to end as soon as it is there
        for one in started:
            one.wait()
    return started


def stop_all(started: Sequence[Started]) -> None:
    """End all of them at once: a container takes a moment to go."""
    ends = [Thread(target=one.stop, name="shadowdiff-end") for one in started]
    for end in ends:
        end.start()
    for end in ends:
        end.join()


@contextlib.contextmanager
def _all_or_none(started: list[Started]) -> Iterator[None]:
    try:
        yield
    except BaseException:  # Ctrl-C as well
        stop_all(started)
        raise
