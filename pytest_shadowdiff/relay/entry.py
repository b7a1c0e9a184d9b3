"""One test's entry: a listener of its own, and what is recorded of the requests that come through it."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from pytest_shadowdiff.relay.recording import BITS, seen
from pytest_shadowdiff.spool.records import NEW_HEAD, ROLES, OpenRecord

if TYPE_CHECKING:
    from pytest_shadowdiff.relay.call import Call
    from pytest_shadowdiff.relay.caller import Caller
    from pytest_shadowdiff.relay.framing import RequestHead
    from pytest_shadowdiff.relay.server import Server

HALF_GONE = "its caller closed its half of the connection before the answer ended"

_PRIMARY = BITS["primary"]
_CONTROL = BITS["control"]
_ALL = 100.0


class Entry:
    """What a caller's connections report to.

    Attributes:
        key: the test.
        unsafe: requests that may write are copied as well.
        callers: its open connections.
        settled: no request is half in the spool.
    """

    __slots__ = ("_unsettled", "callers", "closing", "key", "lanes", "listener", "server", "settled", "unsafe")

    def __init__(self, server: Server, key: str, *, unsafe: bool) -> None:
        self.server = server
        self.key = key
        self.unsafe = unsafe
        self.callers: dict[Caller, None] = {}
        self.closing = False
        self.listener: asyncio.Server | None = None
        self.lanes = [copies.lane() for copies in server.copies]
        self.settled = asyncio.Event()
        self.settled.set()
        self._unsettled: set[Call] = set()

    def begun(self, call: Call, head: RequestHead) -> None:
        """A request has begun: what is owed of it is written before anything of it goes on."""
        server = self.server
        server.busy += 1
        if not server.recording:
            return
        reason = self._why_not(call, head)
        if reason:
            call.open(server.recorder, self.key, 0, 0)
            server.recorder.skipped(call.pair, reason)
            return
        call.watched = True
        owed = server.owed if call.safe else server.owed & ~_CONTROL
        call.open(server.recorder, self.key, owed, server.own & owed)
        if not call.body.ended:
            self._unsettled.add(call)
            self.settled.clear()
        for copies, lane in zip(server.copies, self.lanes, strict=True):
            if call.safe or copies.bit != _CONTROL:
                copies.begin(call, lane)

    def more(self, call: Call, data: bytes) -> None:
        """A block of the request's body has come."""
        call.add(data, self.server.recorder, self.server.limits.body)

    def complete(self, call: Call) -> None:
        """The request is complete."""
        self._settle(call)
        for copy in tuple(call.copies):
            copy.owner.complete(copy)

    def answered(self, call: Call) -> None:
        """The primary's answer has ended, and reached the caller."""
        self.served(call)
        if not call.watched:
            return
        answer = call.answer
        problem = ""
        if answer is not None and answer.over:
            problem = f"the {self.server.primary.name} answered {call.what} with a body over {answer.limit} bytes (max_body)"
        self._primary_seen(call, problem)

    def broken(self, call: Call, problem: str) -> None:
        """The primary's answer did not come to its end."""
        self.served(call)
        if call.watched:
            self._primary_seen(call, problem)
        self.abandoned(call)

    def half_gone(self, call: Call) -> None:
        """The caller sends no more, and nobody can tell in time whether it still waits for the answer."""
        self._skip(call, HALF_GONE)

    def left(self, call: Call, reason: str) -> None:
        """The caller has gone before it had its answer."""
        self.served(call)
        self._skip(call, reason)

    def _skip(self, call: Call, reason: str) -> None:
        if not call.watched:
            return
        call.watched = False
        self._settle(call)
        if call.answer is not None:
            call.answer.forget()
        self.server.recorder.skipped(call.pair, reason)
        for copy in tuple(call.copies):
            copy.owner.drop(copy)

    def abandoned(self, call: Call) -> None:
        """No more of the request will come."""
        if call.body.ended or not call.watched:
            return
        self._settle(call)
        for copy in tuple(call.copies):
            copy.owner.fail(copy, f"the copy of {call.what} was not sent: the caller did not send the whole request")

    def served(self, call: Call) -> None:
        """The caller waits no more."""
        if call.waiting:
            call.waiting = False
            self.server.busy -= 1
        call.ended = True

    def refused(self, head: bytes, problem: str) -> None:
        """A request that nobody gets: a pair without a verdict."""
        server = self.server
        if not server.recording:
            return
        pair = server.next_pair()
        started = server.now()
        end = head.find(b"\r\n\r\n")
        server.recorder.opened(OpenRecord(pair, self.key, started, server.owed, server.owed, wire=head if end < 0 else head[: end + 4]))
        for role, name in enumerate(ROLES):
            if server.owed & BITS[name]:
                server.recorder.seen(seen(pair, role, 0, started, None, None, problem))

    def stranger(self, head: bytes, reason: str) -> None:
        """Something that is no HTTP/1.x is passed through."""
        server = self.server
        if server.recording:
            pair = server.next_pair()
            server.recorder.opened(OpenRecord(pair, self.key, server.now(), wire=head))
            server.recorder.skipped(pair, reason)

    def close(self) -> None:
        """No new connections; idle ones end now, busy ones after their answer."""
        self.closing = True
        if self.listener is not None:
            self.listener.close()
        for caller in list(self.callers):
            caller.retire()

    def _settle(self, call: Call) -> None:
        if self._unsettled:
            self._unsettled.discard(call)
            if not self._unsettled:
                self.settled.set()

    def _primary_seen(self, call: Call, problem: str) -> None:
        server = self.server
        if server.own & _PRIMARY or problem:
            answer = call.answer
            seconds = server.loop.time() - call.sent_at if answer is not None and answer.ended else None
            record = seen(call.pair, 0, 0, call.started, seconds, answer, problem)
            if server.primary_rewriting.changes:
                record.form, record.request = NEW_HEAD, server.primary_rewriting(call.head, call.pair)
            server.recorder.seen(record)
        for copy in tuple(call.copies):
            copy.owner.answered(copy)

    def _why_not(self, call: Call, head: RequestHead) -> str:
        if head.tunnel:
            return f"{head.tunnel} is passed through, not mirrored"
        if not call.safe and not self.unsafe:
            return f"{call.method.decode()} is not mirrored without --shadow-allow-unsafe and the marker's allow_unsafe"
        percent = self.server.percent
        if percent < _ALL and random.random() * _ALL >= percent:  # noqa: S311  # a sample, no secret
            return f"not in the sample of {percent:g} %"
        return ""
