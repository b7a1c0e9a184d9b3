"""Versions of httpbin that nobody wants, as WSGI applications inside its image."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable

Answer = Callable[[str, list[tuple[str, str]]], object]


def wrong(environ: dict[str, object], answer: Answer) -> Iterable[bytes]:
    answer("500 Internal Server Error", [("Content-Type", "application/json")])
    return [b'{"error": "wrong"}']


def slow(environ: dict[str, object], answer: Answer) -> Iterable[bytes]:
    time.sleep(20)
    return wrong(environ, answer)


def gone(environ: dict[str, object], answer: Answer) -> Iterable[bytes]:
    os.kill(os.getppid(), signal.SIGKILL)
    os._exit(1)
