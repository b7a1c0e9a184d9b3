"""A free port for a child that binds it itself, handed over so that nobody else gets it in between.

Who else could take it? A socket that asks for any port: the kernel hands those out of its ephemeral range, so ours lie
below it. Another run or worker of ours: each port is under a lock of the file system for as long as the child lives. A
server that was given that very number: rare, and seen, since the child then says that the address is in use.
"""

from __future__ import annotations

import errno
import os
import random
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pytest_shadowdiff.errors import SetupError

FIRST, LAST = 20_000, 30_000  # above well-known services, below Kubernetes' node ports and the usual ephemeral ranges
TRIES = 500


@dataclass(frozen=True, slots=True)
class Reservation:
    """A port that no other run of this user gets until `release`.

    Attributes:
        lock: the open file that holds the lock.
    """

    port: int
    lock: IO[bytes]

    @property
    def descriptor(self) -> int:
        """Held open by the child's supervisor too, it keeps the lock of a killed run until the child has ended."""
        return self.lock.fileno()

    def release(self) -> None:
        """Give it back; safe to call twice."""
        self.lock.close()


def reserve() -> Reservation:
    """A port that is free on all addresses of this machine, locked.

    Raises:
        SetupError: there is none, or the locks' folder cannot be used.
    """
    folder = _folder()
    low, high = _ephemeral()
    ports = [port for port in range(FIRST, LAST) if not low <= port <= high] or range(FIRST, LAST)
    for port in random.SystemRandom().sample(ports, TRIES):
        lock = _locked(folder / str(port))
        if lock is None:
            continue
        if _free(port):
            return Reservation(port, lock)
        lock.close()
    raise SetupError(f"No free port was found among {TRIES} tried between {FIRST} and {LAST}. End what listens there.")


def _ephemeral() -> tuple[int, int]:
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
        return int(low), int(high)
    except (OSError, ValueError):
        return 49_152, 65_535  # IANA's, as macOS has it


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"shadowdiff-ports-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = folder.lstat().st_uid
    except OSError as error:
        raise SetupError(f"{folder}: the folder of locks for ports cannot be made: {error.strerror}. Set TMPDIR to one that can.") from None
    if owner != os.getuid():
        raise SetupError(f"{folder}: belongs to another user, so its locks cannot be trusted. Set TMPDIR to a folder of your own.")
    return folder


def _locked(file: Path) -> IO[bytes] | None:
    import fcntl

    lock = file.open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _free(port: int) -> bool:
    """Whether nobody is bound to it on any address, in either family."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - bound to look, never listening
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
        except OSError as error:
            if family == socket.AF_INET6 and error.errno != errno.EADDRINUSE:
                continue  # no IPv6 here
            return False
    return True
