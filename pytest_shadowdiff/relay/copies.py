"""Copies of callers' requests to one side: in the order in which callers made them, never in a caller's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.relay.answer import Answer
from pytest_shadowdiff.relay.sending import TICK, Shot
from pytest_shadowdiff.spool.records import AS_OPENED, NEW_HEAD

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pytest_shadowdiff.relay.call import Call
    from pytest_shadowdiff.relay.limits import RelayLimits
    from pytest_shadowdiff.relay.recording import Recorder
    from pytest_shadowdiff.relay.rewriting import Rewriting
    from pytest_shadowdiff.relay.sending import Sender

WAITING, READY, DONE = 0, 1, 2
_NEVER: Final = float("inf")


class Copy:
    """The copy of one call to one side.

    Attributes:
        hard: how many copies before it have to end first, whatever that takes until their deadlines.
        soft: how many it waits for only a while.
        followers: the copies that wait for this one, and whether they have to.
    """

    __slots__ = ("born", "call", "deadline", "followers", "hard", "head", "lane", "owner", "shot", "size", "soft", "state")

    def __init__(self, owner: Copies, call: Call, lane: Lane, born: float) -> None:
        self.owner = owner
        self.call = call
        self.lane = lane
        self.born = born
        self.deadline = _NEVER
        self.hard = 0
        self.soft = 0
        self.followers: list[tuple[Copy, bool]] = []
        self.head = b""
        self.shot: Shot | None = None
        self.size = 0
        self.state = WAITING


class Lane:
    """The copies of one test to one side, which keep their order among each other."""

    __slots__ = ("unfinished",)

    def __init__(self) -> None:
        self.unfinished: dict[Copy, None] = {}


class Copies:
    """All copies to one side: its queue, its order, its deadlines.

    A copy waits for those of the requests that had been answered when its own began: a safe one a while, one that
    may write (or comes after one that may) until they end. Requests that overlapped may overlap here too.
    """

    def __init__(
        self,
        role: int,
        sender: Sender,
        rewriting: Rewriting,
        recorder: Recorder,
        limits: RelayLimits,
        timeout: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.bit = 1 << role
        self._role = role
        self._sender = sender
        self._rewriting = rewriting
        self._recorder = recorder
        self._limits = limits
        self._timeout = timeout
        self._patience = min(limits.order_seconds, timeout / 5)  # what waits has to be answered in time as well
        self._loop = loop
        self._all: dict[Copy, None] = {}
        self._bytes = 0
        self._ticking = False

    def begin(self, call: Call, lane: Lane) -> Copy | None:
        """A call has begun: its copy takes its place in the order; None where the queue is full."""
        if len(self._all) >= self._limits.queue or self._bytes > self._limits.queue_bytes:
            what = (
                f"{self._limits.queue} requests (max_queue)"
                if len(self._all) >= self._limits.queue
                else f"{self._limits.queue_bytes} bytes (max_queue_bytes)"
            )
            problem = f"the copy of {call.what} was not sent: the queue to the {self._sender.name} is full ({what})"
            self._recorder.seen(call.pair, self._role, 0, call.started, None, None, problem)
            return None
        copy = Copy(self, call, lane, self._loop.time())
        if lane.unfinished:
            _line_up(copy, lane)
        lane.unfinished[copy] = None
        self._all[copy] = None
        if not self._ticking:
            self._ticking = True
            self._loop.call_later(TICK, self._tick)
        return copy

    def complete(self, copy: Copy) -> None:
        """The call's request is complete, so that its copy can be sent."""
        call = copy.call
        if call.too_long:
            self.fail(copy, f"the copy of {call.what} was not sent: its body is over {self._limits.body} bytes (max_body)")
            return
        copy.state = READY
        copy.size = sum(map(len, call.wire))
        self._bytes += copy.size
        if not copy.hard and not copy.soft:
            self._send(copy)

    def answered(self, copy: Copy) -> None:
        """The primary's answer has ended: from here the deadline counts."""
        if copy.state == DONE:
            return
        copy.deadline = self._loop.time() + self._timeout
        if copy.shot is not None:
            copy.shot.deadline = copy.deadline

    def fail(self, copy: Copy, problem: str) -> None:
        """It comes to nothing."""
        if copy.state == DONE:
            return
        if copy.shot is not None:
            self._sender.cancel(copy.shot)
        self._done(copy, problem)

    def drop(self, copy: Copy) -> None:
        """Its pair is skipped: what may write and was sent whole still goes, so that both versions stay in step."""
        if copy.state == DONE or (copy.state == READY and not copy.call.safe):
            self.answered(copy)
            return
        if copy.shot is not None:
            self._sender.cancel(copy.shot)
        self._finish(copy)

    def close(self) -> None:
        """End."""
        self._sender.close()

    def _send(self, copy: Copy) -> None:
        call = copy.call
        wire = call.wire
        if self._rewriting.changes:
            copy.head = self._rewriting(call.head, call.pair)
            wire = [copy.head, *wire[1:]]
        recorder, pair, role = self._recorder, call.pair, self._role
        spill: Callable[[bytes], None] = lambda data: recorder.part(pair, role, 0, data)  # noqa: E731
        answer = Answer(call.method, self._limits.body, spill)
        copy.shot = shot = Shot(call.what, call.method, wire, answer, lambda problem: self._done(copy, problem), fresh=not call.safe)
        shot.patience = f"{self._timeout:g} s of the primary's"
        self._sender.send(shot)

    def _done(self, copy: Copy, problem: str) -> None:
        call, shot = copy.call, copy.shot
        self._finish(copy)
        if not call.watched:
            return
        form, head = (NEW_HEAD, copy.head) if copy.head else (AS_OPENED, b"")
        if shot is None:
            self._recorder.seen(call.pair, self._role, 0, call.started, None, None, problem)
        else:
            self._recorder.seen(call.pair, self._role, 0, shot.started or call.started, shot.seconds, shot.answer, problem, form, head)

    def _finish(self, copy: Copy) -> None:
        copy.state = DONE
        self._bytes -= copy.size
        del self._all[copy]
        del copy.lane.unfinished[copy]
        for follower, hard in copy.followers:
            if hard:
                follower.hard -= 1
            elif follower.soft:
                follower.soft -= 1
            if follower.state == READY and follower.shot is None and not follower.hard and not follower.soft:
                self._send(follower)
        copy.followers = []

    def _tick(self) -> None:
        now = self._loop.time()
        for copy in list(self._all):
            if now >= copy.deadline:
                self._overdue(copy)
            elif copy.soft and now >= copy.born + self._patience:
                copy.soft = 0
                for other in copy.lane.unfinished:
                    other.followers = [pair for pair in other.followers if pair[0] is not copy or pair[1]]
                if copy.state == READY and not copy.hard:
                    self._send(copy)
        self._ticking = bool(self._all)
        if self._ticking:
            self._loop.call_later(TICK, self._tick)

    def _overdue(self, copy: Copy) -> None:
        if copy.state == DONE:
            return
        if copy.shot is not None:
            self._sender.overdue(copy.shot)
        elif copy.state == READY:
            self.fail(
                copy,
                f"the copy of {copy.call.what} was not sent within {self._timeout:g} s of the primary's answer: it waited for those before it",
            )
        else:
            self.fail(copy, f"the copy of {copy.call.what} was not sent: the caller did not send the whole request")


def _line_up(copy: Copy, lane: Lane) -> None:
    safe = copy.call.safe
    for other in lane.unfinished:
        if not other.call.ended:
            continue
        hard = not safe or not other.call.safe
        other.followers.append((copy, hard))
        if hard:
            copy.hard += 1
        else:
            copy.soft += 1
