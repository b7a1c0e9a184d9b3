"""The one way into an Envoy of ours: callers' requests, the questions to one version, and probes all enter there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException

from pytest_shadowdiff.envoy import admin, marks
from pytest_shadowdiff.errors import MirrorError, SetupError
from pytest_shadowdiff.model import Upstream

PROBE_SECONDS = 3.0
READY_SECONDS = 20.0
LOOK_SECONDS = 0.005


def way(entry: tuple[str, int], side: str = "") -> Upstream:
    """How the relay reaches the entry; with a side, that version alone and no copy of it."""
    headers = ((marks.SIDE, side),) if side else ()
    return Upstream(name="behind Envoy", host=entry[0], port=entry[1], headers=headers)


def probe(entry: tuple[str, int], number: int, run_id: str) -> bool:
    """Send a request that goes where a caller's would, and is answered before it reaches a version.

    Returns:
        Whether it was answered.
    """
    connection = HTTPConnection(*entry, timeout=PROBE_SECONDS)
    headers = {marks.PROBE: str(number), marks.RUN: run_id, marks.ID: f"probe-{number}"}
    with contextlib.suppress(OSError, HTTPException), contextlib.closing(connection):
        connection.request("GET", "/", headers=headers)
        return connection.getresponse().read() is not None
    return False


def until_copied(place: tuple[str, int], entry: tuple[str, int], names: Sequence[str], run_id: str) -> None:
    """Return when a probe that entered was counted before every version, the copy's included.

    Args:
        place: the admin interface.
        names: of the listeners before the versions.

    Raises:
        SetupError: it was not, in time.
    """
    deadline = time.monotonic() + READY_SECONDS
    missing = list(names)
    problem = ""
    while missing:
        if time.monotonic() > deadline:
            raise SetupError(
                f"Envoy listens at {entry[0]}:{entry[1]}, but within {READY_SECONDS:g} s no request that entered there was seen before "
                f"{', '.join(missing)}. {problem}".strip()
            )
        probe(entry, 0, run_id)
        time.sleep(LOOK_SECONDS)
        try:
            counted = admin.counters(place, r"^http\..*\.downstream_rq_completed$")
        except MirrorError as error:
            problem = str(error)
            continue
        missing = [name for name in names if not counted.get(f"http.{name}.downstream_rq_completed")]
