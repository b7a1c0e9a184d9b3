"""The relay, and nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peers import Running, reading
from pytest_shadowdiff.model import Upstream
from pytest_shadowdiff.relay import Relay, Routing
from pytest_shadowdiff.settings import Limits


@contextmanager
def nothing(primary: int, candidate: int, place: Path) -> Iterator[Running]:
    yield Running(primary, [])


@contextmanager
def relay(primary: int, candidate: int, place: Path) -> Iterator[Running]:
    first, second = Upstream("v1", "127.0.0.1", primary), Upstream("v2", "127.0.0.1", candidate)
    handle = Relay(Routing(first, second, first, second), directory=place / "spool", run_id="b", timeout=10, limits=Limits())
    handle.start()
    try:
        url = handle.open_entry("benchmark")
        pid = handle.pid
        assert pid is not None
        with reading("spool", str(place / "spool"), place) as (reader, counted):
            yield Running(int(url.rpartition(":")[2]), [pid], counted, (reader,))
    finally:
        handle.stop()
