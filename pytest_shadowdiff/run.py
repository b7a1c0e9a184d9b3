"""A run, in the order in which the data flows: targets, mirror, drive, tap, pair, compare, judge, report.

    settings ─► targets ─► mirror ─► drive ─► tap ─► pair ─► compare ─► judge ─► report

`Run` owns what is started and ends it; everything right of the tap happens in `judging`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_shadowdiff import kept, mirror, rules, tap, targets
from pytest_shadowdiff.accepting import Accepting
from pytest_shadowdiff.backends import Mirror, MirrorPlan, TapPlan
from pytest_shadowdiff.endpoints import Endpoints
from pytest_shadowdiff.errors import MirrorError, SetupError
from pytest_shadowdiff.judge import judge
from pytest_shadowdiff.judging import Judging
from pytest_shadowdiff.model import Judgement, Pair, Point, Request, Response, Role, Rule, Upstream, Verdict
from pytest_shadowdiff.noise import Evidence
from pytest_shadowdiff.processes.folders import Folder
from pytest_shadowdiff.redact import Redactor, secret_values
from pytest_shadowdiff.relay import Relay
from pytest_shadowdiff.report import pair_record
from pytest_shadowdiff.report.summary import Summary
from pytest_shadowdiff.spool import Reader
from pytest_shadowdiff.verdicts import Verdicts
from pytest_shadowdiff.weighing import Way

if TYPE_CHECKING:
    from collections import Counter

    from pytest_shadowdiff.acceptances import Acceptance
    from pytest_shadowdiff.settings import Settings, Target


MIRROR_LOG = "envoy.log"
LONGEST_LOG = 1024 * 1024
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Hooks:
    """What plugins of users do; None where nobody implements the hook."""

    endpoint: Callable[[Request], str | None] | None = None
    normalize: Callable[[Request, Response], Response] | None = None
    redact: Callable[[str, object], object | None] | None = None
    judged: Callable[[Pair], None] | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A version as people may be told of it.

    Attributes:
        name: the target's, or the role of one that has no name but a URL.
        url: where it is reached, without a trailing slash; None where nobody here can reach it.
    """

    name: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A test's own way into the mirror.

    Attributes:
        key: unique in the run; a test that runs twice has two.
        test: the test's node id.
        url: the base URL, without a trailing slash.
        run: the run that it belongs to.
    """

    key: str
    test: str
    url: str
    run: Run

    @property
    def pairs(self) -> Sequence[Pair]:
        """The pairs judged so far."""
        return self.run.pairs(self)

    @property
    def counts(self) -> Counter[Verdict]:
        """How many pairs came to which verdict so far."""
        return self.run.counts(self)

    def finish(self) -> None:
        """Wait for the verdict of every request that came through here so far."""
        self.run.finish(self)

    def close(self) -> None:
        """The test is over."""
        self.run.close(self)


class Run:
    """Both versions, the mirror between them, its tap, and the thread that judges.

    Args:
        settings: what was asked for; without a candidate the primary alone is reached, by the same way.
        hooks: what plugins of users do.
        acceptances: differences that are let through.
        redactor: what leaves the run goes through it; None makes one.

    Attributes:
        lines: what the mirror and the versions say of themselves, once it has ended.
        rules_of_use: origins of the rules that silenced something.
        authority: the Host by which a mesh's routes know the versions, once it has started; empty elsewhere.
    """

    def __init__(self, settings: Settings, hooks: Hooks, acceptances: Sequence[Acceptance] = (), redactor: Redactor | None = None) -> None:
        self.settings = settings
        self.relay: Relay
        self.id = secrets.token_hex(4)
        self.authority = ""
        self._folder = Folder()
        self.directory = self._folder.path
        self.redactor = redactor or redactor_of(settings, hooks)
        self.summary = Summary(self.redactor)
        self.accepting = Accepting(acceptances, records=settings.accept, redactor=self.redactor)
        self.verdicts = Verdicts(self.directory, self.summary, partial(pair_record, redactor=self.redactor) if settings.reports else None)
        self.lines: Sequence[str] = ()
        self.rules_of_use: frozenset[str] = frozenset()
        self._hooks = hooks
        self._ends = contextlib.ExitStack()
        self._started: dict[Role, targets.Started] = {}
        self._keys: dict[str, int] = {}
        self._endpoints = Endpoints(settings.rules, settings.endpoints)
        self._evidence = Evidence()
        self._judging: Judging | None = None
        self._mirror: Mirror | None = None
        self._notes: kept.Notes | None = None

    @property
    def versions(self) -> Mapping[str, Version]:
        """The primary and the candidate, as they may be shown."""
        targets = {"primary": self.settings.primary, "candidate": self.settings.candidate}
        return {role: self._version(role, target) for role, target in targets.items() if target is not None}

    def _version(self, role: str, target: Target) -> Version:
        started = next((one for known, one in self._started.items() if known == role), None)
        url = _url(started.upstream) if started else None
        name = role if target.name == target.url else target.name
        return Version(self.redactor.text(name), self.redactor.text(url) if url else None)

    @property
    def alive(self) -> bool:
        """Whether its relay and its mirror still do their work."""
        return self._failure() is None

    def _failure(self) -> str | None:
        return self.relay.failure() or (self._mirror.failure() if self._mirror is not None else None)

    def start(self) -> None:
        """Bring everything up.

        Raises:
            SetupError: something did not come up; all of it is down again.
        """
        try:
            self._start()
        except SetupError as error:
            log = self._keep_log()
            self.stop()
            if log is None:
                raise
            raise SetupError(f"{error}\nIts whole log is in {log}.") from None
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        settings = self.settings
        upstreams = self._start_targets()
        plan = MirrorPlan(
            settings,
            self.id,
            self.directory,
            primary=upstreams.get("primary"),
            candidate=upstreams.get("candidate"),
            control=upstreams.get("control"),
        )
        self._mirror = mirror.create(settings.mirror, plan)
        self._ends.callback(self._mirror.stop)
        routing = self._mirror.start()
        self.authority = routing.authority
        self.relay = Relay(
            routing,
            directory=self.directory,
            run_id=self.id,
            timeout=settings.timeout,
            limits=settings.limits,
            percent=100.0 if settings.percent is None else settings.percent,
        )
        self._ends.callback(self.relay.stop)
        self.relay.start()
        if settings.candidate is not None:
            self._watch()

    def _start_targets(self) -> Mapping[Role, Upstream]:
        settings = self.settings
        if settings.primary is None:
            message = "There is no primary: give --shadow-primary=NAME or URL, or `primary` in [tool.shadowdiff]."
            raise SetupError(message)
        wanted: dict[Role, Target] = {"primary": settings.primary}
        if settings.candidate is not None:
            wanted["candidate"] = settings.candidate
            if not isinstance(settings.control, (str, type(None))):
                wanted["control"] = settings.control
        ours = {role: target for role, target in wanted.items() if target.workload is None}
        started = targets.start_all(list(ours.values()), directory=self.directory, run_id=self.id)
        self._started = dict(zip(ours, started, strict=True))
        self._ends.callback(targets.stop_all, started)
        return {role: one.upstream for role, one in self._started.items()}

    def _watch(self) -> None:
        settings = self.settings
        points = {role: Point(role=role, name=role, log=one.log, port=one.upstream.port) for role, one in self._started.items()}
        if self._mirror is not None:
            points = dict(self._mirror.points(points))
        self._tap = tap.create(str(settings.tap), TapPlan(settings, self.id, self.directory, points))
        self._ends.callback(self._tap.stop)
        self._tap.start()
        way = Way(
            endpoint=self._endpoint,
            normalize=self._hooks.normalize,
            judge=self._judge,
            final=self.accepting.final,
            ask=self.relay.ask if settings.control is not None and self._tap.asks() else None,
            learn=self._learn,
            origins=self._origins(),
        )
        reader = Reader(self.directory, finished="compress" if settings.keep else "delete")
        if settings.keep:
            self._note(way.origins)
        self._judging = Judging(reader, way, self.verdicts, timeout=settings.timeout)
        self._ends.callback(self._judging.stop)
        self._judging.start()

    def _note(self, origins: Mapping[Role, tuple[str, ...]]) -> None:
        """What whoever judges the spool again has to know of this run."""
        names = {role: version.name for role, version in self.versions.items()}
        hooks = [item.name for item in fields(self._hooks) if getattr(self._hooks, item.name) is not None]
        terms = kept.Terms(names["primary"], names["candidate"], self.settings.mirror, self.settings.timeout, hooks, origins)
        self._notes = kept.Notes(self.directory, terms)
        self._ends.callback(self._notes.close)

    def _origins(self) -> Mapping[Role, tuple[str, ...]]:
        """The addresses at which the versions were reached: a service may build its links from them."""
        own: dict[Role, tuple[str, ...]] = {role: _origins_of(one.upstream) for role, one in self._started.items()}
        if "primary" in own:
            own.setdefault("control", own["primary"])
        return own

    def _endpoint(self, request: Request) -> str:
        named = self._hooks.endpoint(request) if self._hooks.endpoint else None
        return named or self._endpoints.of(request)

    def _judge(self, pair: Pair, marked: Sequence[Rule]) -> Judgement:
        path = pair.request.target.partition("?")[0]
        matching = rules.matching((*marked, *self.settings.rules), pair.request.method, path)
        accepts = self.accepting.judges(pair.endpoint)
        judgement = judge(pair, rules=matching, evidence=self._evidence, limits=self.settings.limits, accepts=accepts)
        self.rules_of_use |= judgement.rules
        return judgement

    def _learn(self, pair: Pair) -> None:
        self._evidence.learn(pair)
        if self._hooks.judged is not None:
            self._hooks.judged(pair)

    def open(self, test: str, marked: Sequence[Rule] = (), *, unsafe: bool = False) -> Entry:
        """A test's own entry.

        Args:
            test: the node id.
            marked: the rules of the test's marker.
            unsafe: whether the test's marker permits writes; it takes the option as well.
        """
        number = self._keys[test] = self._keys.get(test, 0) + 1
        key = test if number == 1 else f"{test} ({number})"
        if self._judging is not None:
            self._judging.expect(key, test, tuple(marked))
        if self._notes is not None:
            self._notes.test(key, test, marked)
        return Entry(key, test, self.relay.open_entry(key, unsafe=unsafe and self.settings.allow_unsafe), self)

    def finish(self, entry: Entry) -> None:
        """Wait for the verdict of every request that came through an entry so far.

        Raises:
            MirrorError: it can no longer be had.
        """
        if self._judging is None:
            return
        if self._failure() is None:
            self.relay.settle(entry.key)
            try:
                self._tap.settle()
            except MirrorError:
                if self._failure() is None:
                    raise
        self._judging.finish(entry.key, self._failure)

    def close(self, entry: Entry) -> None:
        """The test is over."""
        with contextlib.suppress(MirrorError):
            self.relay.close_entry(entry.key)
        self.verdicts.forget(entry.key)
        if self._judging is not None:
            self._judging.forget(entry.key)

    def pairs(self, entry: Entry) -> Sequence[Pair]:
        """An entry's pairs so far."""
        return self.verdicts.of(entry.key)

    def counts(self, entry: Entry) -> Counter[Verdict]:
        """An entry's verdicts so far."""
        return self.verdicts.counts(entry.key)

    def stop(self) -> None:
        """End everything that was started, in reverse; safe to call twice.

        Raises:
            MirrorError: something could not be taken back, with what to do about it.
        """
        if self._judging is not None and self._judging.is_alive():
            self._judging.abandon("the run ended before its answers were seen")
        if self._mirror is not None and not self.lines:
            watched: tuple[Callable[[], str | None], ...] = (*(one.failure for one in self._started.values()), self._mirror.failure)
            failures = (failure for look in watched if (failure := look()))
            dropped = (f"The mirror dropped {count} times: {reason}" for reason, count in sorted(self._mirror.dropped().items()))
            said = [*self._mirror.describe(), *dropped, *(line for failure in failures for line in failure.splitlines())]
            log = self._keep_log() if self._mirror.failure() else None
            said += [f"The whole log of the mirror is in {log}."] if log else []
            self.lines = [self.redactor.text(line) for line in said]
        try:
            self._ends.close()
        finally:
            self.verdicts.close()

    def _keep_log(self) -> Path | None:
        """Where the log of a mirror that failed is kept, redacted as all that leaves the run; None where it wrote none."""
        for file in self.directory.rglob(MIRROR_LOG):
            kept = Path(f"shadowdiff-{MIRROR_LOG}")
            with contextlib.suppress(OSError):
                text = file.read_bytes()[-LONGEST_LOG:].decode("utf-8", "replace")
                kept.write_text(self.redactor.text(text), encoding="utf-8")
                return kept if text else None
        return None

    def remove(self) -> None:
        """Delete what is on disk, unless it is to be kept."""
        if self.settings.keep:
            self._folder.leave()
        else:
            self._folder.remove()


def _origins_of(upstream: Upstream) -> tuple[str, ...]:
    if upstream.socket is not None:
        return ()
    scheme = "https" if upstream.tls else "http"
    hosts = LOOPBACK if upstream.host in LOOPBACK else (upstream.host,)
    ports = ("", f":{upstream.port}") if upstream.port in (80, 443) else (f":{upstream.port}",)
    return tuple(f"{scheme}://{f'[{host}]' if ':' in host else host}{port}{upstream.prefix}" for host in hosts for port in ports)


def _url(upstream: Upstream) -> str | None:
    if upstream.socket is not None:
        return None
    host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    return f"{'https' if upstream.tls else 'http'}://{host}:{upstream.port}{upstream.prefix}"


def redactor_of(settings: Settings, hooks: Hooks, marks: bytes | None = None) -> Redactor:
    """What all that leaves a run goes through; `marks` is what secrets are marked with, random unless given."""
    return Redactor(hooks.redact, secrets=_configured_secrets(settings), names=settings.redact, key=marks)


def _configured_secrets(settings: Settings) -> tuple[str, ...]:
    versions = [one for one in (settings.primary, settings.candidate, settings.control) if one is not None and not isinstance(one, str)]
    headers = tuple(value for one in versions for _, value in one.headers)
    return (*headers, *(value for one in versions for value in secret_values(one.env)))
