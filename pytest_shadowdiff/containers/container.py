"""One container: what is wanted of it, and what became of it."""

from __future__ import annotations

import contextlib
import io
import tarfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.processes import last_lines

if TYPE_CHECKING:
    from docker.models.containers import Container as Raw

KILLED = 137
LOG_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A container to be.

    Attributes:
        name: what it is to us, for messages.
        command: the words of its command; None for the image's own.
        ports: TCP ports that are to be reached from here.
        volumes: as Docker's option `--volume` takes them.
        pull: "missing", "always" or "never".
        files: put into it before it starts, by their absolute paths.
        network: name of a network; "host" for the engine's own.
        labels: more than those of the run.
    """

    name: str
    image: str
    command: Sequence[str] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    ports: Sequence[int] = ()
    volumes: Sequence[str] = ()
    pull: str = "missing"
    files: Mapping[str, bytes] = field(default_factory=dict)
    network: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class Container:
    """A container that was started.

    Args:
        log: file that takes its output.
    """

    def __init__(self, raw: Raw, wanted: Wanted, log: Path) -> None:
        self.log = log
        self.wanted = wanted
        self._raw = raw
        self._stopped = False
        self._follower = threading.Thread(target=self._follow, name=f"shadowdiff-log-{wanted.name}", daemon=True)
        self._follower.start()

    @property
    def id(self) -> str:
        """The engine's id of it."""
        return str(self._raw.id)

    def port(self, inside: int) -> int:
        """The port at the engine's host that leads to a port inside.

        Raises:
            SetupError: it is not published, or the container is gone.
        """
        from docker.errors import DockerException

        try:
            self._raw.reload()
        except (DockerException, OSError) as error:
            raise SetupError(f"{self.wanted.name}: its container cannot be asked for its ports: {error}") from None
        found = self._raw.ports.get(f"{inside}/tcp")
        if not found:
            raise SetupError(f"{self.wanted.name}: port {inside} is not published. {self.failure() or ''}".strip())
        return int(found[0]["HostPort"])

    def read(self, path: str) -> bytes | None:
        """A file inside; None while there is none."""
        from docker.errors import DockerException

        try:
            blocks, _ = self._raw.get_archive(path)
            with tarfile.open(fileobj=io.BytesIO(b"".join(blocks))) as archive:
                member = archive.extractfile(archive.getmembers()[0])
                return None if member is None else member.read()
        except (DockerException, OSError, tarfile.TarError):
            return None

    def failure(self) -> str | None:
        """How it ended by itself, with its last lines; None while it runs."""
        state = self._state()
        if self._stopped or state.get("Status") in ("created", "running", "restarting", "paused"):
            return None
        status = state.get("ExitCode")
        how = f"ended with exit status {status}" if state else "is gone, or its engine no longer answers"
        if state.get("OOMKilled"):
            how = "was killed: it ran out of memory"
        elif status == KILLED:
            how = "was killed (exit status 137)"
        if state.get("Error"):
            how = f"{how} ({state['Error']})"
        return f"{self.wanted.name}: the container of {self.wanted.image} {how}. {self.last_words()}"

    def last_words(self) -> str:
        """Its last lines of output, for a message."""
        self._follower.join(LOG_SECONDS if not self._running() else 0.0)
        lines = last_lines(self.log)
        return "Its last lines:\n" + "\n".join(f"  {line}" for line in lines) if lines else "It wrote nothing."

    def ended_within(self, seconds: float) -> bool:
        """Wait so many seconds, less if it ends; whether it did."""
        deadline = time.monotonic() + seconds
        while self._running():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(0.05, left))
        return True

    def stop(self) -> None:
        """Remove it; safe to call twice."""
        if self._stopped:
            return
        self._stopped = True
        remove(self._raw)
        self._follower.join(LOG_SECONDS)

    def _running(self) -> bool:
        return self._state().get("Status") in ("created", "running", "restarting", "paused")

    def _state(self) -> dict[str, Any]:
        from docker.errors import DockerException

        try:
            self._raw.reload()
        except (DockerException, OSError):
            return {}
        state: dict[str, Any] = self._raw.attrs.get("State") or {}
        return state

    def _follow(self) -> None:
        from docker.errors import DockerException

        with contextlib.suppress(DockerException, OSError, ValueError, AttributeError), self.log.open("ab") as file:
            for block in self._raw.logs(stream=True, follow=True):
                file.write(block)
                file.flush()


def remove(raw: Raw) -> bool:
    """Remove a container and its anonymous volumes; whether it is gone."""
    from docker.errors import DockerException, NotFound

    try:
        raw.remove(force=True, v=True)
    except NotFound:
        return True
    except (DockerException, OSError) as error:
        return "already in progress" in str(error)
    return True


def archive_of(files: Mapping[str, bytes]) -> bytes:
    """Files as a tar archive that is unpacked at the root."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()
