"""Mirrors that are measured: each is a function that makes one run between two versions, and says what it recorded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path


class MissingError(Exception):
    """This peer cannot run here; the text says what is missing."""


@dataclass(frozen=True)
class Running:
    """A mirror that runs.

    Attributes:
        pids: of the processes that mirror and record.
        recorded: how many pairs are recorded by now; None where it records nothing.
    """

    port: int
    pids: list[int]
    recorded: Callable[[], int] | None = None


Peer = Callable[[int, int, Path], AbstractContextManager[Running]]
