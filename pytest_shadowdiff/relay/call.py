"""One caller's request while it is served."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.relay.answer import SPILL, Body
from pytest_shadowdiff.spool.records import REQUEST, OpenRecord

if TYPE_CHECKING:
    from pytest_shadowdiff.relay.answer import Answer
    from pytest_shadowdiff.relay.copies import Copy
    from pytest_shadowdiff.relay.framing import RequestHead
    from pytest_shadowdiff.relay.recording import Recorder

SAFE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})


class Call:
    """One request, from its head to the end of the primary's answer.

    Attributes:
        pair: its id; empty where nothing is recorded.
        what: the request for messages, without its query: "GET /orders".
        head: as the caller sent it.
        wire: what of head and body is kept in memory for the copies.
        watched: it is recorded, and compared unless something happens.
        waiting: its caller waits.
        ended: the primary's answer has ended, so what the caller asks next comes after this.
        too_long: the body is longer than is recorded.
    """

    __slots__ = (
        "_last", "_spilled", "answer", "body", "copies", "ended", "head", "method", "pair", "safe", "sent_at", "started", "too_long", "waiting", "watched", "what", "wire",
    )  # fmt: skip

    def __init__(self, pair: str, head: bytes, parsed: RequestHead) -> None:
        self.pair = pair
        self.head = head
        self.method = parsed.method
        self.safe = parsed.method in SAFE
        self.what = f"{parsed.method.decode()} {parsed.target.partition(b'?')[0][:120].decode('latin-1')}"
        self.body = Body(parsed.framing, parsed.length)
        self.wire = [head]
        self.started = time.time()
        self.sent_at = 0.0
        self.answer: Answer | None = None
        self.copies: list[Copy] = []
        self.watched = False
        self.waiting = True
        self.ended = False
        self.too_long = False
        self._last: list[bytes] = []
        self._spilled = 0

    def open(self, recorder: Recorder, test: str, owed: int, own: int) -> None:
        """Write that a pair is owed, with what of the request is there."""
        wire = self.wire
        recorder.opened(
            OpenRecord(
                self.pair,
                test,
                self.started,
                owed,
                own,
                not self.body.ended,
                self.body.framing,
                wire[0] if len(wire) == 1 else b"".join(wire),
            )
        )

    def add(self, data: bytes, recorder: Recorder, limit: int) -> None:
        """Take a block of the body that has just been followed."""
        if not self.watched or (self.too_long and not self.body.ended):
            return
        if self.body.content > limit:
            self.too_long = True
            self.wire = []
        elif self.copies:
            self.wire.append(data)
        if not self.too_long:
            self._last.append(data)
            self._spilled += len(data)
        if self.body.ended:
            recorder.rest(self.pair, b"".join(self._last))
            self._last = []
        elif self._spilled > SPILL:
            recorder.part(self.pair, REQUEST, 0, b"".join(self._last))
            self._last = []
            self._spilled = 0
