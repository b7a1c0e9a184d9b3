"""All that lives in the relay's process: entries, the way to the primary, the copies, what is asked again."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.relay.answer import Answer
from pytest_shadowdiff.relay.asking import Asking
from pytest_shadowdiff.relay.caller import Caller
from pytest_shadowdiff.relay.copies import Copies
from pytest_shadowdiff.relay.dialing import Dialer
from pytest_shadowdiff.relay.entry import Entry
from pytest_shadowdiff.relay.recording import BITS, Place, Recorder
from pytest_shadowdiff.relay.rewriting import Rewriting
from pytest_shadowdiff.relay.sending import Sender
from pytest_shadowdiff.spool.records import ROLES
from pytest_shadowdiff.spool.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_shadowdiff.model import Role, Upstream
    from pytest_shadowdiff.relay.call import Call
    from pytest_shadowdiff.relay.messages import Ask, Plan
    from pytest_shadowdiff.relay.primary import Primary

_SETTLE_SECONDS: Final = 2.0


class Server:
    """The relay.

    Attributes:
        busy: callers that wait for an answer.
        recording: there is something to compare with.
        owed: bits of the roles whose answers a pair needs.
        records: bits of the roles whose exchanges the relay itself records; a tap sees the others.
        own: bits of those that are owed, of these.
        passes_half_closes: a version may answer a caller that has closed its half; a proxy on the way takes that for its end.
        unmarked: how the heads of requests that are not compared change: whoever mirrors marked ones leaves them alone.
    """

    def __init__(self, plan: Plan, loop: asyncio.AbstractEventLoop, failed: Callable[[str], None]) -> None:
        self.loop = loop
        self.limits = plan.limits
        self.percent = plan.percent
        self.now = time.time
        self.busy = 0
        routing = plan.routing
        self.recording = routing.ask_candidate is not None or routing.copy is not None
        self.owed = BITS["primary"] | BITS["candidate"] | (BITS["control"] if routing.control is not None else 0)
        self.records = sum(BITS[role] for role in ROLES if role in routing.records)
        self.own = self.owed & self.records
        self.recorder = Recorder(Writer(Path(plan.directory), f"relay-{os.getpid()}", max_bytes=plan.limits.spool), loop, failed)
        self.primary = self._dialer("primary", routing.primary)
        self._run = run = plan.run_id if routing.marked else ""
        self.primary_rewriting = Rewriting(routing.primary, run)
        self.passes_half_closes = not routing.marked
        self.unmarked = Rewriting(routing.primary)
        self.copies = [self._copies(role, to, plan.timeout) for role, to in _copied(plan)]
        self._asking = Asking(self, plan.timeout, [(role, self._sender(role, to), Rewriting(to, run)) for role, to in _asked(plan)])
        self._entries: dict[str, Entry] = {}
        self._prefix = os.urandom(5).hex()
        self._pairs = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def next_pair(self) -> str:
        """An id, unique in the run."""
        self._pairs += 1
        return f"{self._prefix}{self._pairs:08x}"

    def answer(self, call: Call, *, asked: bool) -> Answer:
        """What follows the primary's answer to a call."""
        place = Place(self.recorder, call.pair, 0, 0) if call.watched and self.own & 1 else None
        return Answer(call.method, self.limits.body, place, asked=asked)

    def connect(self, primary: Primary) -> None:
        """Connect it to the primary."""
        task = self.loop.create_task(self._connect(primary))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def open(self, key: str, *, unsafe: bool) -> str:
        """An entry for that key; its URL."""
        entry = Entry(self, key, unsafe=unsafe)
        entry.listener = await self.loop.create_server(lambda: Caller(entry), "127.0.0.1", 0, backlog=1024)
        self._entries[key] = entry
        return f"http://127.0.0.1:{entry.listener.sockets[0].getsockname()[1]}"

    def close(self, key: str) -> None:
        """Close the entry."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            entry.close()

    async def settle(self, key: str) -> None:
        """Return when all that came through the entry so far is in the spool."""
        entry = self._entries.get(key)
        for _ in range(3):  # what waits in sockets is read within a turn of the loop
            await asyncio.sleep(0)
        if entry is not None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(entry.settled.wait(), _SETTLE_SECONDS)
        self.recorder.flush()

    def ask(self, ask: Ask) -> None:
        """Ask again."""
        self._asking.ask(ask)

    def tick(self) -> None:
        """Look after callers who take too long to say what they want."""
        now = self.loop.time()
        for entry in self._entries.values():
            for caller in list(entry.callers):
                if caller.reading_since and now - caller.reading_since > self.limits.head_seconds:
                    caller.too_slow(self.limits.head_seconds)

    def end(self) -> None:
        """Close everything and write what is left."""
        for entry in self._entries.values():
            entry.close()
        for copies in self.copies:
            copies.close()
        self._asking.close()
        self.recorder.close()

    async def _connect(self, primary: Primary) -> None:
        problem = await self.primary.connect(lambda: primary)
        if problem:
            primary.refused(f"{problem} for")

    def _dialer(self, role: str, upstream: Upstream) -> Dialer:
        return Dialer(role, upstream, self.loop, self.limits.connect_seconds, self.limits.refused_seconds)

    def _sender(self, role: Role, upstream: Upstream) -> Sender:
        return Sender(self._dialer(role, upstream), self.loop, self.limits.connections)

    def _copies(self, role: Role, upstream: Upstream, timeout: float) -> Copies:
        copies = Copies(
            ROLES.index(role),
            self._sender(role, upstream),
            Rewriting(upstream, self._run),
            self.recorder,
            self.limits,
            timeout=timeout,
            loop=self.loop,
        )
        copies.recorded = bool(self.records & copies.bit)
        return copies


def _copied(plan: Plan) -> list[tuple[Role, Upstream]]:
    sides: list[tuple[Role, Upstream | None]] = [("candidate", plan.routing.copy), ("control", plan.routing.control)]
    return [(role, upstream) for role, upstream in sides if upstream is not None]


def _asked(plan: Plan) -> list[tuple[Role, Upstream]]:
    routing = plan.routing
    asked: list[tuple[Role, Upstream]] = [("control", routing.control or routing.ask_primary)]
    if routing.ask_candidate is not None:
        asked.append(("candidate", routing.ask_candidate))
    return asked
