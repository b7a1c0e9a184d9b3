"""A spool that nobody writes any more, as one stream: what several writers saw, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from pathlib import Path

from pytest_shadowdiff.spool.events import Event, Gap, Opened, Seen
from pytest_shadowdiff.spool.reader import Reader, writers


def in_order(directory: Path) -> Iterator[tuple[float, Event]]:
    """All events, each with the Unix time at which it was known; a writer's own order stays.

    Raises:
        SpoolError: a segment is damaged or of another version; it names file and byte.
    """
    return merge(*(_timed(Reader(directory, writer=name)) for name in writers(directory)), key=lambda timed: timed[0])


def _timed(reader: Reader) -> Iterator[tuple[float, Event]]:
    now = 0.0
    for event in reader.events(final=True):
        now = max(now, _known(event))
        yield now, event


def _known(event: Event) -> float:
    if isinstance(event, Seen):
        return event.exchange.started + (event.exchange.seconds or 0.0)
    if isinstance(event, Opened):
        return event.started
    return event.until if isinstance(event, Gap) else 0.0
