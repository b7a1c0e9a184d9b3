"""Copies of callers' requests to one side: in the order in which callers made them, never in a caller's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.relay.answer import Answer
from pytest_shadowdiff.relay.lanes import Lane
from pytest_shadowdiff.relay.recording import Place, seen
from pytest_shadowdiff.relay.sending import TICK
from pytest_shadowdiff.spool.records import NEW_HEAD

if TYPE_CHECKING:
    import asyncio

    from pytest_shadowdiff.relay.call import Call
    from pytest_shadowdiff.relay.limits import RelayLimits
    from pytest_shadowdiff.relay.recording import Recorder
    from pytest_shadowdiff.relay.rewriting import Rewriting
    from pytest_shadowdiff.relay.sending import Sender

NEW, COMPLETE, SENT, DONE = 0, 1, 2, 3
_NEVER: Final = float("inf")


class Copy:
    """The copy of one call to one side.

    Attributes:
        owner: all copies to that side.
        after, number, born, free: its place in the order; see `Lane`.
        head: as this side gets it, where that differs from the caller's.
        wire: the whole request.
        fresh: it may not be sent twice, so it gets a connection that nobody used before.
        started: Unix time at which its first byte was sent; 0 before.
    """

    __slots__ = (
        "after",
        "answer",
        "born",
        "call",
        "deadline",
        "ended_at",
        "free",
        "fresh",
        "head",
        "lane",
        "number",
        "owner",
        "sent_at",
        "size",
        "started",
        "state",
        "wire",
    )

    def __init__(self, owner: Copies, call: Call, lane: Lane[Copy], born: float) -> None:
        self.owner = owner
        self.call = call
        self.lane = lane
        self.born = born
        self.deadline = _NEVER
        self.after = self.number = self.size = 0
        self.free = False
        self.state = NEW
        self.head = b""
        self.wire: list[bytes] = []
        self.fresh = not call.safe
        self.answer = owner.answer(call)
        self.started = self.sent_at = self.ended_at = 0.0

    @property
    def what(self) -> str:
        """The request, for messages."""
        return self.call.what

    @property
    def patience(self) -> str:
        """Its deadline, for messages."""
        return f"{self.owner.timeout:g} s of the primary's"

    @property
    def finished(self) -> bool:
        """It has come to its end."""
        return self.state == DONE

    def done(self, problem: str) -> None:
        """It was answered, or will never be."""
        self.owner.done(self, problem)


class Copies:
    """All copies to one side: its queue, its order, its deadlines.

    A copy waits for those of the requests that had been answered when its own began: a safe one a while, one that
    may write (or comes after one that may) until they end. Requests that overlapped may overlap here too.

    Attributes:
        bit: of the side, in records.
        recorded: the answers are written here; a tap sees those that are not, but for what comes to nothing.
        timeout: seconds after the primary's answer.
    """

    def __init__(
        self,
        role: int,
        sender: Sender,
        rewriting: Rewriting,
        recorder: Recorder,
        limits: RelayLimits,
        *,
        timeout: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.recorded = True
        self.bit = 1 << role
        self.timeout = timeout
        self._role = role
        self._sender = sender
        self._rewriting = rewriting
        self._recorder = recorder
        self._limits = limits
        self._loop = loop
        self._all: dict[Copy, None] = {}
        self._bytes = 0
        self._ticking = self._releasing = False
        self._lanes: dict[Lane[Copy], None] = {}

    def lane(self) -> Lane[Copy]:
        """A test's own."""
        return Lane(min(self._limits.order_seconds, self.timeout / 5))  # what waits has to be answered in time as well

    def begin(self, call: Call, lane: Lane[Copy]) -> None:
        """A call has begun: its copy takes its place in the order, unless the queue is full."""
        if len(self._all) >= self._limits.queue:
            self._overflow(call, f"{self._limits.queue} requests (max_queue)")
            return
        if self._bytes > self._limits.queue_bytes:
            self._overflow(call, f"{self._limits.queue_bytes} bytes (max_queue_bytes)")
            return
        copy = Copy(self, call, lane, self._loop.time())
        call.copies.append(copy)
        lane.enter(copy)
        if not copy.free:
            self._lanes[lane] = None
        self._all[copy] = None
        if not self._ticking:
            self._ticking = True
            self._loop.call_later(TICK, self._tick)

    def answer(self, call: Call) -> Answer:
        """What follows this side's answer to a call."""
        return Answer(call.method, self._limits.body, Place(self._recorder, call.pair, self._role, 0) if self.recorded else None)

    def complete(self, copy: Copy) -> None:
        """The call's request is complete, so that its copy can be sent."""
        call = copy.call
        if call.too_long:
            self.fail(copy, f"the copy of {call.what} was not sent: its body is over {self._limits.body} bytes (max_body)")
            return
        copy.state = COMPLETE
        copy.wire = call.wire
        if len(call.wire) > 1:
            copy.size = sum(map(len, call.wire))
            self._bytes += copy.size
        if copy.free:
            self._send(copy)

    def answered(self, copy: Copy) -> None:
        """The primary's answer has ended: from here the deadline counts."""
        copy.deadline = self._loop.time() + self.timeout
        if not copy.number:
            copy.lane.answered(copy)

    def fail(self, copy: Copy, problem: str) -> None:
        """It comes to nothing."""
        if copy.state == SENT:
            self._sender.cancel(copy)
        self.done(copy, problem)

    def drop(self, copy: Copy) -> None:
        """Its pair is skipped: what may write and was sent whole still goes, so that both versions stay in step."""
        if copy.state != NEW and not copy.call.safe:
            copy.answer.forget()
            self.answered(copy)
            return
        if copy.state == SENT:
            self._sender.cancel(copy)
        self._finish(copy)

    def done(self, copy: Copy, problem: str) -> None:
        """It was answered, or will never be."""
        self._finish(copy)
        call = copy.call
        if not call.watched or not (self.recorded or problem):
            return
        seconds = copy.ended_at - copy.sent_at if copy.answer.ended else None
        record = seen(call.pair, self._role, 0, copy.started or call.started, seconds, copy.answer, problem)
        if copy.head:
            record.form, record.request = NEW_HEAD, copy.head
        self._recorder.seen(record)

    def close(self) -> None:
        """End."""
        self._sender.close()

    def _overflow(self, call: Call, bound: str) -> None:
        problem = f"the copy of {call.what} was not sent: the queue to the {self._sender.name} is full ({bound})"
        self._recorder.seen(seen(call.pair, self._role, 0, call.started, None, None, problem))

    def _send(self, copy: Copy) -> None:
        if self._rewriting.changes:
            copy.head = self._rewriting(copy.call.head, copy.call.pair)
            copy.wire = [copy.head, *copy.wire[1:]]
        copy.state = SENT
        self._sender.send(copy)

    def _finish(self, copy: Copy) -> None:
        copy.state = DONE
        self._bytes -= copy.size
        del self._all[copy]
        copy.call.copies.remove(copy)
        copy.lane.leave(copy)
        if copy.lane.waits:
            self._release(copy.lane)

    def _release(self, lane: Lane[Copy]) -> None:
        """Send what waits for nobody any more."""
        if self._releasing:  # what is sent may fail at once, and end here again
            return
        self._releasing = True
        while copy := lane.next_free(self._loop.time()):
            if copy.state == COMPLETE:
                self._send(copy)
        self._releasing = False
        if not lane.waits:
            self._lanes.pop(lane, None)

    def _tick(self) -> None:
        now = self._loop.time()
        for copy in [copy for copy in self._all if now >= copy.deadline]:
            if copy.state != DONE:
                self._overdue(copy)
        for lane in list(self._lanes):
            self._release(lane)
        self._ticking = bool(self._all)
        if self._ticking:
            self._loop.call_later(TICK, self._tick)

    def _overdue(self, copy: Copy) -> None:
        if copy.state == SENT:
            self._sender.overdue(copy)
        elif copy.state == COMPLETE:
            self.fail(copy, f"the copy of {copy.what} was not sent within {copy.patience} answer: it waited for those before it")
        else:
            self.fail(copy, f"the copy of {copy.what} was not sent: the caller did not send the whole request")
