"""A version that is a command here: started with a port of its own, and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from pytest_shadowdiff.errors import TargetError
from pytest_shadowdiff.model import Upstream
from pytest_shadowdiff.processes import CONTROLS, Child, ended_how, last_lines
from pytest_shadowdiff.processes.ports import Reservation, reserve
from pytest_shadowdiff.settings import Target
from pytest_shadowdiff.targets.readiness import until_ready

PORT = "{port}"
ADDRESSES = ("127.0.0.1", "::1")
PORT_TRIES = 3
WORDS_SHOWN = 300
UNFIT_FOR_FILES = re.compile(r"[^\w.-]")
IN_USE = re.compile(r"address.{0,40}in use|EADDRINUSE|port.{0,40}(?:in use|already allocated)", re.IGNORECASE)


class Command:
    """A command that runs, or ran."""

    def __init__(self, target: Target, log: Path) -> None:
        """Start it; it does not have to answer yet.

        Raises:
            TargetError: it cannot be run.
        """
        self.log = log
        self._target = target
        self._stopped = False
        self._try = _begin(target, log)
        self._upstream = self._try.upstreams[0]

    @property
    def upstream(self) -> Upstream:
        """Where it is reached; final once `wait` has returned."""
        return self._upstream

    def wait(self) -> None:
        """Return as soon as it answers; where somebody else has taken its port, start it again on another.

        Raises:
            TargetError: it ended, or did not answer in time; carries its last lines of output.
        """
        for again in range(PORT_TRIES):
            if again:
                self._try.end()
                self._try = _begin(self._target, self.log)
            there, problem = until_ready(self._target, self._try.upstreams, self._ended_within)
            if self._try.child.poll() is None:
                if there is None:
                    raise TargetError(self._not_ready(problem))
                self._upstream = there
                return
            if self._try.port is None or not any(map(IN_USE.search, last_lines(self.log))):
                break
        raise TargetError(self.failure())

    def failure(self) -> str | None:
        """How it ended, where it ended by itself."""
        status = None if self._stopped else self._try.child.poll()
        if status is None:
            return None
        return f"Target {self._target.name} ended with {ended_how(status)}: {_words(self._target)}\n{_output(self.log)}"

    def stop(self) -> None:
        """End it with all that it started; safe to call twice."""
        self._stopped = self._stopped or self._try.child.poll() is None
        self._try.end()

    def _ended_within(self, seconds: float) -> bool:
        return self._try.child.wait(seconds) is not None

    def _not_ready(self, problem: str) -> str:
        name, seconds = self._target.name, self._target.ready_seconds
        return (
            f"Target {name} runs, but was not ready within {seconds:g} s ({problem}): {_words(self._target)}\n"
            f"Does it listen on {{port}}? Is ready in targets.{name} a path of it, and ready_seconds long enough?\n{_output(self.log)}"
        )


@dataclass(frozen=True, slots=True)
class _Try:
    """One start of the command, on one port."""

    child: Child
    upstreams: Sequence[Upstream]
    port: Reservation | None

    def end(self) -> None:
        self.child.stop()
        if self.port is not None:
            self.port.release()


def launch(target: Target, *, directory: Path, run_id: str) -> Command:
    """Start the target's command, its output in the directory.

    Raises:
        TargetError: it cannot be run.
    """
    del run_id
    return Command(target, _log(directory, UNFIT_FOR_FILES.sub("_", target.name)))


def _log(directory: Path, name: str) -> Path:
    """A file of its own for the output: one target may be started twice, as primary and as candidate."""
    for number in count(1):
        path = directory / (f"{name}.log" if number == 1 else f"{name}-{number}.log")
        with contextlib.suppress(FileExistsError):
            path.touch(mode=0o600, exist_ok=False)
            break
    return path


def _begin(target: Target, log: Path) -> _Try:
    reserved = reserve() if target.port is None else None
    port = target.port if reserved is None else reserved.port
    try:
        child = Child(
            [word.replace(PORT, str(port)) for word in target.command or ()],
            log=log,
            env=_environment(target.env, str(port)),
            cwd=target.cwd,
            held=() if reserved is None else (reserved.descriptor,),
        )
    except BaseException as error:
        if reserved is not None:
            reserved.release()
        if isinstance(error, OSError):
            raise TargetError(_not_run(target, error)) from None
        raise
    upstreams = [
        Upstream(target.name, address, port or 0, tls=target.tls, host_header=target.host, headers=target.headers) for address in ADDRESSES
    ]
    return _Try(child, upstreams, reserved)


def _environment(given: Mapping[str, str], port: str) -> dict[str, str]:
    """Ours, without what pytest leaves there (a version must not know the test that starts it), and what its target adds."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return {"PYTHONUNBUFFERED": "1", **ours, **{name: value.replace(PORT, port) for name, value in given.items()}}


def _not_run(target: Target, error: OSError) -> str:
    where = f" in {target.cwd}" if target.cwd else ""
    return (
        f"Target {target.name} cannot be started{where}: {_words(target)}: {error.strerror}. "
        f"Mend targets.{target.name}.command, its cwd, or the PATH on which its program is looked up."
    )


def _words(target: Target) -> str:
    words = CONTROLS.sub("?", shlex.join(target.command or ()))
    return words if len(words) <= WORDS_SHOWN else f"{words[:WORDS_SHOWN]}…"


def _output(log: Path) -> str:
    lines = last_lines(log)
    return "Its last lines:\n" + "\n".join(f"  {line}" for line in lines) if lines else "It wrote nothing."
