"""Asking again: the primary (as control) and the candidate, one after the other, when no caller waits."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from pytest_shadowdiff.relay.answer import Answer
from pytest_shadowdiff.relay.call import name_of
from pytest_shadowdiff.relay.recording import Place, seen
from pytest_shadowdiff.relay.sending import TICK
from pytest_shadowdiff.spool.records import ROLES, WHOLE

if TYPE_CHECKING:
    from pytest_shadowdiff.model import Role
    from pytest_shadowdiff.relay.messages import Ask
    from pytest_shadowdiff.relay.rewriting import Rewriting
    from pytest_shadowdiff.relay.sending import Sender
    from pytest_shadowdiff.relay.server import Server

Side = tuple["Role", "Sender", "Rewriting"]


class Turn:
    """One side's turn to answer a question."""

    __slots__ = (
        "_index",
        "_owner",
        "_recorded",
        "answer",
        "ask",
        "deadline",
        "ended_at",
        "fresh",
        "left",
        "sender",
        "sent_at",
        "started",
        "what",
        "wire",
    )

    def __init__(self, owner: Asking, ask: Ask, left: list[Side], what: str, method: bytes) -> None:
        role, self.sender, rewriting = left[0]
        server = owner.server
        self._owner = owner
        self._index = ROLES.index(role)
        self.ask = ask
        self.left = left[1:]
        self.what = what
        self.wire = [rewriting(ask.head, ask.pair, ask.attempt) + ask.rest]
        self.fresh = False
        self._recorded = bool(server.records & 1 << self._index)
        place = Place(server.recorder, ask.pair, self._index, ask.attempt) if self._recorded else None
        self.answer = Answer(method, server.limits.body, place)
        self.deadline = server.loop.time() + owner.timeout
        self.started = self.sent_at = self.ended_at = 0.0

    @property
    def patience(self) -> str:
        """Its deadline, for messages."""
        return f"{self._owner.timeout:g} s"

    def done(self, problem: str) -> None:
        """This side was asked; a tap sees the answer of one that the relay does not record."""
        if self._recorded or problem:
            self._record(problem)
        self._owner.turned(self)

    def _record(self, problem: str) -> None:
        seconds = self.ended_at - self.sent_at if self.answer.ended else None
        record = seen(self.ask.pair, self._index, self.ask.attempt, self.started or time.time(), seconds, self.answer, problem)
        record.form, record.request, record.request_framing = WHOLE, self.wire[0], self.ask.framing
        self._owner.server.recorder.seen(record)


class Asking:
    """A line of questions, a few of which are asked at one time."""

    def __init__(self, server: Server, timeout: float, sides: list[Side]) -> None:
        self.server = server
        self.timeout = timeout
        self._sides = sides
        self._line: deque[tuple[Ask, float]] = deque()
        self._flying: dict[Turn, None] = {}
        self._ticking = False

    def ask(self, ask: Ask) -> None:
        """Put a question in line."""
        self._line.append((ask, self.server.loop.time()))
        self._pump()

    def turned(self, turn: Turn) -> None:
        """One side was asked; the next one's turn."""
        del self._flying[turn]
        if turn.left:
            self._send(turn.ask, turn.left)
        else:
            self._pump()

    def close(self) -> None:
        """End."""
        for _, sender, _ in self._sides:
            sender.close()

    def _send(self, ask: Ask, left: list[Side]) -> None:
        method, target, _ = ask.head.split(b" ", 2)
        turn = Turn(self, ask, left, f"{name_of(method, target)}, asked again", method)
        self._flying[turn] = None
        turn.sender.send(turn)

    def _pump(self) -> None:
        limits, now = self.server.limits, self.server.loop.time()
        while self._line and len(self._flying) < limits.asking:
            if self.server.busy and now - self._line[0][1] < limits.quiet_seconds:
                break
            ask, _ = self._line.popleft()
            self._send(ask, self._sides[::-1] if ask.candidate_first else self._sides)
        if not self._ticking and (self._line or self._flying):
            self._ticking = True
            self.server.loop.call_later(TICK / 10 if self._line else TICK, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        now = self.server.loop.time()
        for turn in list(self._flying):
            if now >= turn.deadline:
                turn.sender.overdue(turn)
        self._pump()
