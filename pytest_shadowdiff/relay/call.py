"""One caller's request while it is served."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.relay.answer import EMPTY, SPILL, Answer, Body
from pytest_shadowdiff.spool.records import REQUEST, OpenRecord, PartRecord

if TYPE_CHECKING:
    from pytest_shadowdiff.relay.copies import Copy
    from pytest_shadowdiff.relay.framing import RequestHead
    from pytest_shadowdiff.relay.recording import Recorder

SAFE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})
_NAME: Final = 120


def name_of(method: bytes, target: bytes) -> str:
    """A request for messages, without its query, which may hold secrets: "GET /orders"."""
    return f"{method.decode('latin-1')} {target.partition(b'?')[0][:_NAME].decode('latin-1')}"


class Call:
    """One request, from its head to the end of the primary's answer.

    Attributes:
        pair: its id.
        head: as the caller sent it.
        wire: the head, and what of the body is kept in memory for the copies.
        answer: follows the primary's.
        copies: those that have not come to their end.
        watched: it is recorded, and compared unless something happens.
        waiting: its caller waits.
        ended: the primary's answer has ended, so what the caller asks next comes after this.
        too_long: the body is longer than is recorded.
    """

    __slots__ = (
        "_last",
        "_spilled",
        "_target",
        "answer",
        "body",
        "copies",
        "ended",
        "framing",
        "head",
        "method",
        "pair",
        "safe",
        "sent_at",
        "started",
        "too_long",
        "waiting",
        "watched",
        "wire",
    )

    def __init__(self, pair: str, head: bytes, parsed: RequestHead) -> None:
        self.pair = pair
        self.head = head
        self.method = parsed.method
        self.safe = parsed.method in SAFE
        self.framing = parsed.framing
        self.body = Body(parsed.framing, parsed.length) if parsed.framing else EMPTY
        self.wire = [head]
        self.started = time.time()
        self.sent_at = 0.0
        self.answer: Answer | None = None
        self.copies: list[Copy] = []
        self.waiting = True
        self.watched = self.ended = self.too_long = False
        self._target = parsed.target
        self._last: list[bytes] = []
        self._spilled = 0

    @property
    def what(self) -> str:
        """The request, for messages."""
        return name_of(self.method, self._target)

    def open(self, recorder: Recorder, test: str, owed: int, own: int) -> None:
        """Write that a pair is owed, with what of the request is there."""
        wire = self.wire
        whole = wire[0] if len(wire) == 1 else b"".join(wire)
        recorder.opened(OpenRecord(self.pair, test, self.started, owed, own, not self.body.ended, self.framing, whole))

    def add(self, data: bytes, recorder: Recorder, limit: int) -> None:
        """Take a block of the body that has just been followed."""
        if not self.watched:
            return
        if self.body.content > limit:
            self.too_long = True
            self.wire = [self.head]
        else:
            self._last.append(data)
            self._spilled += len(data)
            if self.copies:
                self.wire.append(data)
        if self.body.ended:
            recorder.rest(self.pair, self._taken())
        elif self._spilled > SPILL:
            recorder.part(PartRecord(self.pair, REQUEST, 0, self._taken()))

    def _taken(self) -> bytes:
        last, self._last, self._spilled = self._last, [], 0
        return b"".join(last)
