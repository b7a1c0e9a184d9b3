"""Asking again: the primary (as control) and the candidate, one after the other, when no caller waits."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from pytest_shadowdiff.relay.answer import Answer
from pytest_shadowdiff.relay.sending import TICK, Shot
from pytest_shadowdiff.spool.records import ROLES, WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_shadowdiff.model import Role
    from pytest_shadowdiff.relay.rewriting import Rewriting
    from pytest_shadowdiff.relay.sending import Sender
    from pytest_shadowdiff.relay.server import Server

Side = tuple["Role", "Sender", "Rewriting"]


class Question:
    """One request to be asked again, of several sides in turn."""

    __slots__ = ("attempt", "deadline", "framing", "head", "left", "pair", "rest", "sender", "shot", "since")

    def __init__(self, pair: str, attempt: int, head: bytes, rest: bytes, framing: int, left: list[Side], since: float) -> None:
        self.pair = pair
        self.attempt = attempt
        self.head = head
        self.rest = rest
        self.framing = framing
        self.left = left
        self.since = since
        self.shot: Shot | None = None
        self.sender: Sender | None = None
        self.deadline = 0.0


class Asking:
    """A line of questions, a few of which are asked at one time."""

    def __init__(self, server: Server, timeout: float, sides: list[Side]) -> None:
        self._server = server
        self._timeout = timeout
        self._sides = sides
        self._line: deque[Question] = deque()
        self._flying: dict[Question, None] = {}
        self._ticking = False

    def ask(self, pair: str, attempt: int, head: bytes, rest: bytes, framing: int, *, candidate_first: bool) -> None:
        """Put a question in line."""
        sides = self._sides[::-1] if candidate_first else self._sides[:]
        self._line.append(Question(pair, attempt, head, rest, framing, sides, self._server.loop.time()))
        self._pump()

    def _pump(self) -> None:
        limits, now = self._server.limits, self._server.loop.time()
        while self._line and len(self._flying) < limits.asking:
            if self._server.busy and now - self._line[0].since < limits.quiet_seconds:
                break
            question = self._line.popleft()
            self._flying[question] = None
            self._next_side(question)
        if not self._ticking and (self._line or self._flying):
            self._ticking = True
            self._server.loop.call_later(TICK / 5 if self._line else TICK, self._tick)

    def _next_side(self, question: Question) -> None:
        role, sender, rewriting = question.left.pop(0)
        head = rewriting(question.head, question.pair, question.attempt)
        line = question.head.split(b" ", 2)
        method = line[0]
        what = f"{method.decode('latin-1')} {line[1].partition(b'?')[0][:120].decode('latin-1')}, asked again"
        index = ROLES.index(role)
        recorder, pair, attempt = self._server.recorder, question.pair, question.attempt
        recorded = bool(self._server.records & 1 << index)
        spill: Callable[[bytes], None] = lambda data: recorder.part(pair, index, attempt, data) if recorded else None  # noqa: E731
        answer = Answer(method, self._server.limits.body, spill)
        wire = [head + question.rest]

        def done(problem: str) -> None:
            started = shot.started or time.time()
            if recorded or problem:
                recorder.seen(pair, index, attempt, started, shot.seconds, answer, problem, WHOLE, wire[0], question.framing)
            question.shot = None
            if question.left:
                self._next_side(question)
            else:
                del self._flying[question]
                self._pump()

        question.shot = shot = Shot(what, method, wire, answer, done, fresh=False)
        shot.deadline = self._server.loop.time() + self._timeout
        shot.patience = f"{self._timeout:g} s"
        question.deadline = shot.deadline
        question.sender = sender
        sender.send(shot)

    def _tick(self) -> None:
        self._ticking = False
        now = self._server.loop.time()
        for question in list(self._flying):
            if question.shot is not None and now >= question.deadline and question.sender is not None:
                question.sender.overdue(question.shot)
        self._pump()
