"""The order of copies, against its plain definition: a copy waits for those whose callers had their answer before it began."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.relay.lanes import Lane


@dataclass(eq=False)
class Copy:
    fresh: bool
    born: float
    after: int = 0
    number: int = 0
    free: bool = False
    finished: bool = False
    before: list[Copy] = field(default_factory=list)

    def blocked(self, now: float, patience: float) -> bool:
        waited = not self.fresh and now - self.born >= patience
        return any(not other.finished and (other.fresh or not waited) for other in self.before)


@given(st.lists(st.tuples(st.sampled_from(["read", "write", "answer", "finish", "time"]), st.integers(0, 50)), max_size=60))
def test_copies_become_free_as_the_definition_says(steps: list[tuple[str, int]]) -> None:
    patience, now = 10.0, 0.0
    lane: Lane[Copy] = Lane(patience)
    copies: list[Copy] = []
    for step, number in steps:
        running = [copy for copy in copies if not copy.finished]
        if step in {"read", "write"}:
            copy = Copy(step == "write", now, before=[other for other in running if other.number])
            lane.enter(copy)
            copies.append(copy)
        elif step == "time":
            now += number
        elif running:
            chosen = running[number % len(running)]
            if step == "finish":
                chosen.finished = True
                lane.leave(chosen)
            elif not chosen.number:
                lane.answered(chosen)
        while lane.next_free(now) is not None:
            pass
        for copy in copies:
            check(copy, now, patience)
    assert lane.waits or all(copy.free or copy.finished for copy in copies)


def check(copy: Copy, now: float, patience: float) -> None:
    if copy.finished:
        return
    if not copy.free:
        assert copy.blocked(now, patience)
    elif copy.fresh:
        assert not copy.blocked(now, patience)
