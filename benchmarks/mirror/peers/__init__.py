"""Mirrors that are measured: each is a function that makes one run between two versions, and says what it recorded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path


class MissingError(Exception):
    """This peer cannot run here; the text says what is missing."""


@dataclass(frozen=True)
class Running:
    """A mirror that runs.

    Attributes:
        pids: of the processes that mirror and record.
        recorded: how many pairs are recorded, decoded and brought together by now; None where it records nothing.
        readers: pids of those that decode them.
    """

    port: int
    pids: list[int]
    recorded: Callable[[], int] | None = None
    readers: tuple[int, ...] = ()


Peer = Callable[[int, int, Path], AbstractContextManager[Running]]


@contextmanager
def reading(kind: str, where: str, place: Path) -> Iterator[tuple[int, Callable[[], int]]]:
    """Somebody who reads what is recorded, while it is: its pid, and how many pairs there are by now."""
    out = place / "count"
    with subprocess.Popen([sys.executable, str(Path(__file__).with_name("reading.py")), kind, where, str(out)]) as reader:
        try:
            yield reader.pid, lambda: int(out.read_bytes() or b"0") if out.exists() else 0
        finally:
            reader.kill()
