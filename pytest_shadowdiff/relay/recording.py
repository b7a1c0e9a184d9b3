"""What the relay saw, into the spool. A spool that fails ends the recording, never the traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.errors import SpoolError
from pytest_shadowdiff.spool.records import (
    OPEN,
    PART,
    REST,
    ROLES,
    SEEN,
    SKIP,
    OpenRecord,
    PartRecord,
    RestRecord,
    SeenRecord,
    SkipRecord,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pytest_shadowdiff.relay.answer import Answer
    from pytest_shadowdiff.spool.writer import Writer

BITS: Final = {role: 1 << index for index, role in enumerate(ROLES)}


class Recorder:
    """Writes records: what has begun at once, the rest when the event loop has done what is ready.

    Args:
        failed: told once, with the reason, when nothing can be written any more.

    Attributes:
        reason: why nothing is written any more; empty while all is well.
    """

    __slots__ = ("_failed", "_loop", "_scheduled", "_writer", "reason")

    def __init__(self, writer: Writer, loop: asyncio.AbstractEventLoop, failed: Callable[[str], None]) -> None:
        self._writer = writer
        self._loop = loop
        self._failed = failed
        self._scheduled = False
        self.reason = ""

    def opened(self, record: OpenRecord) -> None:
        """A request has begun; on disk when this returns."""
        self._writer.put(OPEN, record)
        self.flush()

    def part(self, record: PartRecord) -> None:
        """A piece of a long message; on disk when this returns."""
        self._writer.put(PART, record)
        self.flush()

    def rest(self, pair: str, wire: bytes) -> None:
        """The end of a request's body."""
        self._writer.put(REST, RestRecord(pair, wire))
        self._soon()

    def skipped(self, pair: str, reason: str) -> None:
        """The pair is not compared."""
        self._writer.put(SKIP, SkipRecord(pair, reason))
        self._soon()

    def seen(self, record: SeenRecord) -> None:
        """One side has ended."""
        self._writer.put(SEEN, record)
        self._soon()

    def flush(self) -> None:
        """Write now."""
        try:
            self._writer.flush()
        except SpoolError as error:
            if not self.reason:
                self.reason = str(error)
                self._failed(self.reason)

    def close(self) -> None:
        """Write what is left, and end."""
        self.flush()
        self._writer.close()

    def _soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._later)

    def _later(self) -> None:
        self._scheduled = False
        self.flush()


class Place:
    """Where in the spool the pieces of one long answer go."""

    __slots__ = ("_attempt", "_pair", "_recorder", "_stream")

    def __init__(self, recorder: Recorder, pair: str, stream: int, attempt: int) -> None:
        self._recorder = recorder
        self._pair = pair
        self._stream = stream
        self._attempt = attempt

    def write(self, wire: bytes) -> None:
        """Write one piece."""
        self._recorder.part(PartRecord(self._pair, self._stream, self._attempt, wire))


def seen(pair: str, role: int, attempt: int, started: float, seconds: float | None, answer: Answer | None, problem: str = "") -> SeenRecord:
    """The record of a side that has ended, its request as the caller sent it."""
    record = SeenRecord(pair, role, attempt, started, seconds, problem)
    if answer is not None:
        record.truncated = answer.begun and (not answer.ended or answer.over)
        record.framing = answer.framing
        record.wire = answer.take()
    return record
