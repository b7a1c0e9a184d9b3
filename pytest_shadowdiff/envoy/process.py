"""An Envoy process on this machine: started, waited for, and ended whatever happens."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pytest_shadowdiff.envoy import admin
from pytest_shadowdiff.envoy.binary import Binary
from pytest_shadowdiff.envoy.configuration import Configuration
from pytest_shadowdiff.errors import MirrorError, SetupError
from pytest_shadowdiff.processes import Child, ended_how, last_lines

START_SECONDS = 30.0
LOOK_SECONDS = 0.01
MOST_WORKERS = 4
MOST_CONNECTIONS = 2000


def spare_connections() -> int:
    """How many of the descriptors that a process of ours may open are for a version that hangs."""
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if allowed == resource.RLIM_INFINITY else max(64, min(MOST_CONNECTIONS, allowed // 4))


class Process:
    """An Envoy that runs, or ran.

    Args:
        directory: private; its configuration and its log go there.
    """

    def __init__(self, binary: Binary, configuration: Configuration, directory: Path) -> None:
        self.log = directory / "envoy.log"
        self._binary = binary
        self._directory = directory
        self._admin_file = directory / "envoy-admin"
        self._configuration = configuration
        self._child: Child | None = None
        self.admin = ("", 0)
        self.entry = ("", 0)

    def start(self) -> None:
        """Start it, and return when it listens.

        Raises:
            SetupError: it cannot be started, refuses its configuration, or does not listen in time.
        """
        file = self._directory / "envoy.json"
        file.touch(mode=0o600)
        file.write_text(self._configuration.text(), encoding="utf-8")
        try:
            self._child = Child(self._words(file), log=self.log, cwd=self._directory)
        except OSError as error:
            raise SetupError(f"{self._binary.path} cannot be started: {error}") from None
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            self._check(deadline)
            self._child.wait(LOOK_SECONDS)

    def failure(self) -> str | None:
        """How it ended by itself; None while it runs."""
        status = None if self._child is None else self._child.poll()
        if status is None:
            return None
        return f"Envoy ended with {ended_how(status)}; its last words:\n{self._last_words()}"

    def stop(self) -> None:
        """End it; safe to call twice."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _words(self, file: Path) -> list[str]:
        workers = max(1, min(MOST_WORKERS, os.cpu_count() or 1))
        return [
            str(self._binary.path),
            *("--config-path", str(file)),
            *("--admin-address-path", str(self._admin_file)),
            *("--concurrency", str(workers)),
            *("--log-level", "warning"),
            *("--file-flush-interval-msec", "20"),  # what the routes did is read from the access log
            "--disable-hot-restart",  # it would take shared memory and a socket of a fixed name
        ]

    def _listens(self) -> bool:
        try:
            host, _, port = self._admin_file.read_text(encoding="ascii").strip().rpartition(":")
        except FileNotFoundError:
            return False
        if not port:
            return False
        self.admin = (host.strip("[]"), int(port))
        try:
            entry = admin.listening(self.admin, "entry") if admin.is_ready(self.admin) else None
        except MirrorError:
            return False
        self.entry = entry or self.entry
        return entry is not None

    def _check(self, deadline: float) -> None:
        ended = self.failure()
        if ended is not None:
            self.stop()
            raise SetupError(f"{self._binary.path} (Envoy {self._binary.version}) did not start. {ended}")
        if time.monotonic() > deadline:
            words = self._last_words()
            self.stop()
            raise SetupError(f"Envoy did not listen within {START_SECONDS:g} s; its last words:\n{words}")

    def _last_words(self) -> str:
        return "\n".join(f"  {line}" for line in last_lines(self.log)) or "  (none)"
