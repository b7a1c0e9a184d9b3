"""What the relay saw, into the spool. A spool that fails ends the recording, never the traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.errors import SpoolError
from pytest_shadowdiff.spool.records import (
    AS_OPENED,
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


def bits(roles: frozenset[str]) -> int:
    """Roles as the bits of a record."""
    return sum(BITS[role] for role in roles)


class Recorder:
    """Writes records; `Opened` at once, the rest when the event loop has done what is ready.

    Args:
        failed: told once, with the reason, when nothing can be written any more.
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

    def part(self, pair: str, stream: int, attempt: int, wire: bytes) -> None:
        """A piece of a long message; on disk when this returns."""
        self._writer.put(PART, PartRecord(pair, stream, attempt, wire))
        self.flush()

    def rest(self, pair: str, wire: bytes) -> None:
        """The end of a request's body."""
        self._writer.put(REST, RestRecord(pair, wire))
        self._soon()

    def skipped(self, pair: str, reason: str) -> None:
        """The pair is not compared."""
        self._writer.put(SKIP, SkipRecord(pair, reason))
        self._soon()

    def seen(
        self,
        pair: str,
        role: int,
        attempt: int,
        started: float,
        seconds: float | None,
        answer: Answer | None,
        problem: str = "",
        form: int = AS_OPENED,
        request: bytes = b"",
        request_framing: int = 0,
    ) -> None:
        """One side has ended."""
        record = SeenRecord(
            pair,
            role,
            attempt,
            started,
            seconds,
            problem,
            answer is not None and answer.begun and (not answer.ended or answer.over),
            form,
            request_framing,
            answer.framing if answer is not None else 0,
            request,
            answer.take() if answer is not None else b"",
        )
        self._writer.put(SEEN, record)
        self._soon()

    def flush(self) -> None:
        """Write now."""
        self._scheduled = False
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
            self._loop.call_soon(self.flush)
