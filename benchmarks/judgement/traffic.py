"""Traffic against two versions of a service, each pair judged as a run judges it: asked again while the judge wants it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from clean import CLEAN, Service
from faulty import Fault  # noqa: TC002 - of this bench, and no third party
from rivals import Rivals
from world import Answer, Clock, World

from pytest_shadowdiff.endpoints import Endpoints
from pytest_shadowdiff.findings import Statistics
from pytest_shadowdiff.judge import ROUNDS, judge
from pytest_shadowdiff.model import Exchange, Pair, Repeat, Request, Verdict
from pytest_shadowdiff.noise import Evidence
from pytest_shadowdiff.settings import Limits

RESOURCES = 6
"""How many different resources the traffic asks for, in turn."""
START = 1_790_000_000.0


@dataclass(slots=True)
class Run:
    """What one endpoint showed in one run.

    Attributes:
        said: the general paths that were called different, and those of findings, with how often.
        showed: in how many of the callers' answers the fault was.
        asked: requests beyond the callers' own and their copies.
    """

    name: str
    calls: int
    said: dict[str, int] = field(default_factory=dict)
    findings: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    showed: int = 0
    asked: int = 0
    seconds: float = 0.0
    rivals: Rivals = field(default_factory=Rivals)

    @property
    def alarmed(self) -> bool:
        return bool(self.said or self.findings)


class Version:
    """One running version of a service, which answers as a caller sees it."""

    def __init__(self, service: Service, seed: str, clock: Clock, change: Callable[[World, Answer], bool] | None = None) -> None:
        self.world = World(seed, clock)
        self._service = service
        self._change = change
        self.showed = False

    def answer(self, request: Request, n: int) -> Exchange:
        self.world.n = n
        answer = self._service(self.world)
        self.showed = self._change(self.world, answer) if self._change is not None else False
        now = self.world.now
        seconds = self.world.rng.lognormvariate(-4.6, 0.3)
        self.world.clock.pass_(seconds)
        return Exchange(request, answer.response(now), now, seconds)


def run(kind: str | Fault, calls: int, seed: int) -> Run:
    """Call one endpoint, the same service on both sides or a faulty candidate."""
    name, base, change = (kind, CLEAN[kind], None) if isinstance(kind, str) else (kind.name, kind.base, kind.change)
    clock = Clock(START + random.Random(f"{name} {seed}").uniform(0, 86400))
    primary = Version(base, f"{name} {seed} primary", clock)
    secondary = Version(base, f"{name} {seed} secondary", clock)
    candidate = Version(base, f"{name} {seed} candidate", clock, change)
    pauses = random.Random(f"{name} {seed} pauses")
    evidence, statistics, endpoints = Evidence(), Statistics(), Endpoints()
    done = Run(name, calls)
    for call in range(calls):
        clock.pass_(pauses.expovariate(1 / 0.05))
        n = call % RESOURCES
        request = Request("GET", f"/{name}/{n}")
        first = primary.answer(request, n)
        pair = Pair(f"{call}", None, request, first, candidate.answer(request, n), endpoint=endpoints.of(request))
        done.showed += candidate.showed
        done.rivals.see(pair, secondary.answer(request, n))
        begun = time.thread_time()
        pair = _settle(pair, (primary, candidate), evidence, done)
        evidence.learn(pair)
        statistics.add(pair)
        done.seconds += time.thread_time() - begun
    for finding in statistics.findings():
        done.findings[finding.path] = f"{finding.what} (p = {finding.p:.2g})"
    return done


def _settle(pair: Pair, versions: tuple[Version, Version], evidence: Evidence, done: Run) -> Pair:
    """Judge, and ask again while that could change the verdict, in alternating order."""
    n = int(pair.request.target.rpartition("/")[2])
    while True:
        judgement = judge(pair, rules=(), evidence=evidence, limits=Limits())
        if not judgement.suspect or len(pair.repeats) >= ROUNDS:
            break
        sides: dict[Literal["control", "candidate"], Exchange] = {}
        order = list(zip(("control", "candidate"), versions, strict=True))
        for role, version in order if len(pair.repeats) % 2 else order[::-1]:
            sides[role] = version.answer(pair.request, n)  # type: ignore[index]
        done.asked += 2
        repeat = Repeat(sides["control"], sides["candidate"])
        pair = Pair(
            pair.id,
            None,
            pair.request,
            pair.primary,
            pair.candidate,
            pair.control or repeat.control,
            (*pair.repeats, repeat),
            endpoint=pair.endpoint,
        )
    if judgement.verdict is Verdict.DIFFERENT:
        for difference in judgement.differences:
            done.said[difference.path] = done.said.get(difference.path, 0) + 1
            done.reasons.setdefault(
                difference.path, f"{difference.kind} {difference.primary!r:.60} -> {difference.candidate!r:.60}; {judgement.reason:.300}"
            )
    elif judgement.verdict is Verdict.INCOMPLETE:
        done.said["incomplete"] = done.said.get("incomplete", 0) + 1
        done.reasons.setdefault("incomplete", judgement.reason)
    return pair.judged(judgement)
