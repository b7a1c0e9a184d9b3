"""The tap `logs`: what each version's own log says of the requests of a run. It has statuses, and neither headers nor bodies."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pytest_shadowdiff.backends import TapPlan
from pytest_shadowdiff.errors import MirrorError, SettingsError, ShadowError
from pytest_shadowdiff.logs import formats
from pytest_shadowdiff.logs.folder import Folder
from pytest_shadowdiff.logs.formats import Format, Line
from pytest_shadowdiff.logs.lines import Follower
from pytest_shadowdiff.logs.pairing import Expected, Found, Pairing, Read
from pytest_shadowdiff.logs.regex import Matcher
from pytest_shadowdiff.model import Exchange, Request, Response, Role
from pytest_shadowdiff.settings import Settings, Target
from pytest_shadowdiff.spool import Opened, Reader, Routed, Seen, Skipped, Writer

NOT_SEEN = frozenset({"headers", "body", "trailers"})
LOOK_SECONDS = 0.02
QUIET_SECONDS = 0.3
"""How long nothing may be written any more before a log is taken to have said all; a line comes after its answer."""
JOIN_SECONDS = 10.0


@dataclass(slots=True)
class _Log:
    """One version's log, and what is paired with it.

    Attributes:
        tries: how often the route tried this version for a pair; None where no route does, or none is known to.
        held: lines of pairs of which that is not known yet.
    """

    role: Role
    name: str
    follower: Follower | Folder
    read: Format
    pairing: Pairing
    declares_id: bool
    requests: dict[str, Request] = field(default_factory=dict)
    tries: dict[str, int] | None = None
    held: dict[str, list[Found]] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The place that the latest line came from, where the version has several."""
        return self.follower.source if isinstance(self.follower, Folder) else ""

    def lines(self) -> Iterator[Line]:
        """The lines of requests that were written since the last call."""
        for raw in self.follower.read():
            line = self.read(raw.decode("utf-8", "replace"))
            if line is not None:
                yield line


class LogsTap:
    """Follows the logs in a thread, and appends to the spool what can be said for certain.

    Raises:
        SettingsError: a version has no log, or its format is not declared.
    """

    def __init__(self, plan: TapPlan) -> None:
        self._timeout = plan.settings.timeout
        self._matchers: list[Matcher] = []
        self._logs = [self._log(plan, role) for role in plan.points]
        self._writer = Writer(plan.spool, "tap-logs")
        self._spool = Reader(plan.spool)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="shadowdiff-logs", daemon=True)
        self._failure: str | None = None

    def asks(self) -> bool:
        """Whether lines of the same request, asked again, can be told apart: all logs are declared to show our id."""
        return all(log.declares_id for log in self._logs)

    def start(self) -> None:
        """Begin to read; what is in the logs already is passed over."""
        for log in self._logs:
            log.follower.start()
        self._thread.start()

    def settle(self) -> None:
        """Return when the logs have said what they will, or the time for answers is up.

        Raises:
            MirrorError: a log can no longer be read.
        """
        deadline = time.monotonic() + self._timeout
        quiet = time.monotonic() + QUIET_SECONDS
        while self._failure is None:
            with self._lock:
                moved = self._step()
                done = all(log.pairing.complete() and not log.held for log in self._logs)
            now = time.monotonic()
            quiet = now + QUIET_SECONDS if moved else quiet
            if now > deadline or (done and now > quiet):
                break
            self._ended.wait(LOOK_SECONDS)
        if self._failure is not None:
            raise MirrorError(self._failure)
        with self._lock:
            for log in self._logs:
                for found in log.pairing.decide():
                    self._write(log, found)

    def stop(self) -> None:
        """End; safe to call twice."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)
        with self._lock:
            for log in self._logs:
                log.follower.close()
            for matcher in self._matchers:
                matcher.close()
            self._writer.close()

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            try:
                with self._lock:
                    self._step()
            except (ShadowError, OSError) as error:
                self._failure = str(error)
                return

    def _step(self) -> bool:
        """Read what is new on all sides; whether there was anything."""
        moved = False
        for event in self._spool.events():
            if isinstance(event, Opened):
                moved = True
                self._expect(event)
            elif isinstance(event, Skipped):
                for log in self._logs:
                    log.pairing.may_be_missing(event.pair)
            elif isinstance(event, Routed):
                self._routed(event)
        for log in self._logs:
            for found in log.pairing.again():
                self._write(log, found)
            for line in log.lines():
                moved = True
                found_now = log.pairing.take(Read(line, time.time(), log.source))
                if found_now is not None:
                    self._write(log, found_now)
        return moved

    def _expect(self, opened: Opened) -> None:
        request = opened.request
        others = tuple(value for name, value in request.headers if name.lower() == "x-request-id")
        for log in self._logs:
            if log.role in opened.owed:
                log.requests[opened.pair] = request
                log.pairing.expect(Expected(opened.pair, request.method, request.target, opened.started, others))

    def _routed(self, event: Routed) -> None:
        log = next(log for log in self._logs if log.role == "primary")
        log.tries = log.tries or {}
        if event.pair:
            log.tries[event.pair] = event.tries
            log.pairing.tried(event.pair, event.tries)
            for found in log.held.pop(event.pair, ()):
                self._write(log, found)

    def _write(self, log: _Log, found: Found) -> None:
        pair, attempt = found.expected.pair, found.attempt
        if log.tries is not None and not found.problem:
            if pair not in log.tries:
                log.held.setdefault(pair, []).append(found)
                return
            attempt = max(0, attempt + 1 - log.tries[pair])
        role: Role = "control" if attempt and log.role == "primary" else log.role
        self._writer.append(Seen(pair, role, attempt, _exchange(log, found)))

    def _log(self, plan: TapPlan, role: Role) -> _Log:
        target = _target(plan.settings, role)
        point = plan.points[role]
        path = target.log_file or point.log
        where = f"targets.{target.name}"
        if path is None:
            raise SettingsError(f"{where}: the tap `logs` needs a log, and this version's output is not at hand. Give log_file = '…'.")
        read = self._format(target.log, f"{where}.log")
        declares_id = read.has_id if isinstance(read, Matcher) else isinstance(target.log, Mapping) and "id" in target.log
        return _Log(role, target.name, Folder(path) if path.is_dir() else Follower(path), read, Pairing(_prefix(target)), declares_id)

    def _format(self, declared: str | Mapping[str, str] | None, place: str) -> Format:
        if declared is None:
            known = ", ".join(formats.NAMES)
            raise SettingsError(
                f"{place} is missing: the tap `logs` has to know the log's format: {known}, a table, or a regular expression."
            )
        if not isinstance(declared, str):
            return formats.by_fields(declared)
        if declared in formats.NAMES:
            return formats.by_name(declared)
        matcher = Matcher(declared, place)
        self._matchers.append(matcher)
        return matcher


def _exchange(log: _Log, found: Found) -> Exchange:
    asked = log.requests[found.expected.pair]
    request = Request(asked.method, asked.target)  # the headers that this version got, no log shows
    started = found.expected.started
    read = found.read
    if read is None:
        return Exchange(request, None, started, problem=found.problem, not_seen=NOT_SEEN, tap=f"log of {log.name}")
    line = read.line
    size = "" if line.size is None else f", {line.size} bytes"
    seconds = line.seconds if line.seconds is not None else max(0.0, read.at - started)
    place = f"{log.name}, {read.source}" if read.source else log.name
    seen = f"log of {place}, by {found.by}{size}"
    return Exchange(request, Response(line.status, (), b""), started, seconds=seconds, not_seen=NOT_SEEN, tap=seen)


def _target(settings: Settings, role: Role) -> Target:
    target = {"primary": settings.primary, "candidate": settings.candidate, "control": settings.control}[role]
    if not isinstance(target, Target):
        raise SettingsError(f"The tap `logs` has no target for the {role}.")
    return target


def _prefix(target: Target) -> str:
    return urlsplit(target.url).path.rstrip("/") if target.url else ""


def create(plan: TapPlan) -> LogsTap:
    """The tap, not yet started."""
    return LogsTap(plan)
