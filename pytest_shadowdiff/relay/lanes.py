"""The order in which one side gets the copies of one test's requests; each step costs the same, however many wait.

What a caller asks after it had an answer comes after what that was the answer to. So each copy notes how many answers its
caller had had when it began, each answer gets the next number, and a copy is free once no unfinished one has a number
up to that. Numbers only grow, so those that wait become free in the order in which they came.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """What stands in a lane.

    Attributes:
        after: how many answers there had been when it began.
        number: of its own call's answer; 0 before that.
        born: in the event loop's time.
        fresh: it may write.
        free: it waits for nobody any more.
        finished: it has come to its end.
    """

    after: int
    number: int
    born: float
    fresh: bool
    free: bool

    @property
    def finished(self) -> bool:
        """It has come to its end."""


Copy = TypeVar("Copy", bound=Waiting)


class Lane(Generic[Copy]):
    """The copies of one test to one side.

    A safe one waits for safe ones at most `patience` seconds; what may write waits, and is waited for, to the end.
    """

    __slots__ = ("_answers", "_patience", "_safe", "_unfinished", "_unsafe", "_writes")

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._answers = 0
        self._unfinished: OrderedDict[int, None] = OrderedDict()
        self._writes: OrderedDict[int, None] = OrderedDict()
        self._safe: deque[Copy] = deque()
        self._unsafe: deque[Copy] = deque()

    @property
    def waits(self) -> bool:
        """Somebody waits in it."""
        return bool(self._safe or self._unsafe)

    def enter(self, copy: Copy) -> None:
        """A call has begun."""
        copy.after = self._answers
        copy.free = not self._blocked(copy, copy.born)
        if not copy.free:
            (self._unsafe if copy.fresh else self._safe).append(copy)

    def answered(self, copy: Copy) -> None:
        """Its caller had its answer: what comes now comes after it."""
        self._answers += 1
        copy.number = self._answers
        self._unfinished[copy.number] = None
        if copy.fresh:
            self._writes[copy.number] = None

    def leave(self, copy: Copy) -> None:
        """It has come to its end."""
        if copy.number:
            del self._unfinished[copy.number]
            self._writes.pop(copy.number, None)

    def next_free(self, now: float) -> Copy | None:
        """The next one that waits for nobody any more, if there is one."""
        for line in (self._unsafe, self._safe):
            while line:
                if line[0].finished:
                    line.popleft()
                    continue
                if self._blocked(line[0], now):
                    break
                copy = line.popleft()
                copy.free = True
                return copy
        return None

    def _blocked(self, copy: Copy, now: float) -> bool:
        if next(iter(self._writes), copy.after + 1) <= copy.after:
            return True
        if not copy.fresh and now - copy.born >= self._patience:
            return False
        return next(iter(self._unfinished), copy.after + 1) <= copy.after
