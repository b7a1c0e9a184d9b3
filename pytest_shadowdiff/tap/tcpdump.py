"""The tap `tcpdump`: the packets of each version's port, captured live or read from a file, as exchanges."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from ipaddress import ip_address

from pytest_shadowdiff.backends import TapPlan
from pytest_shadowdiff.captures.elsewhere import Elsewhere
from pytest_shadowdiff.captures.exchanges import Exchanges
from pytest_shadowdiff.captures.exchanges import Seen as Passed
from pytest_shadowdiff.captures.growing import Growing
from pytest_shadowdiff.captures.live import HOW_TO, Tcpdump
from pytest_shadowdiff.captures.segments import Segment
from pytest_shadowdiff.errors import MirrorError, SettingsError, SetupError
from pytest_shadowdiff.model import Role
from pytest_shadowdiff.settings import Settings, Target
from pytest_shadowdiff.spool import Gap, Seen, Writer

LOOPBACK = "127.0.0.1"
ID, RUN, ATTEMPT = "x-shadowdiff-id", "x-shadowdiff-run", "x-shadowdiff-attempt"


class TcpdumpTap:
    """One `tcpdump` for the ports of all versions.

    Raises:
        SettingsError: a version has no port of this machine, or its traffic is encrypted.
    """

    def __init__(self, plan: TapPlan) -> None:
        self._run_id = plan.run_id
        self._places = {_place(plan, role): role for role in plan.points}
        if len(self._places) < len(plan.points):
            raise SettingsError("The tap `tcpdump` tells versions apart by their addresses, and two have the same one.")
        self._exchanges = Exchanges("tcpdump")
        self._lock = threading.Lock()
        self._writer = Writer(plan.spool, "tap-tcpdump")
        interface = next(iter(plan.points.values())).interface
        self._tcpdump = Tcpdump([port for _, port in self._places], self._passed, interface)
        self._dropped = 0
        self._since = time.time()

    def asks(self) -> bool:
        """Requests carry the number of their attempt."""
        return True

    def start(self) -> None:
        """Begin to capture.

        Raises:
            SetupError: there is no tcpdump, it may not capture, or it does not see what passes.
        """
        self._tcpdump.start()
        if not self._marked():
            self._tcpdump.stop()
            raise SetupError(f"tcpdump runs, but does not see connections to the versions' ports. {HOW_TO}")

    def settle(self) -> None:
        """Return when all that passed before this call is in the spool.

        Raises:
            MirrorError: tcpdump no longer sees what passes.
        """
        if not self._marked():
            raise MirrorError(self._tcpdump.failure or "tcpdump no longer sees connections to the versions' ports.")
        dropped = self._tcpdump.dropped()
        with self._lock:
            for one in self._exchanges.settle():
                self._write(one)
            if dropped > self._dropped:
                reason = f"tcpdump lost {dropped - self._dropped} packets"
                for role in self._places.values():
                    self._writer.append(Gap(role, self._since, time.time(), reason))
            self._dropped = dropped
        self._since = time.time()

    def stop(self) -> None:
        """End; safe to call twice."""
        self._tcpdump.stop()
        with self._lock:
            self._writer.close()

    def _marked(self) -> bool:
        return all(self._tcpdump.mark(place) for place in self._places)

    def _passed(self, segment: Segment) -> None:
        with self._lock:
            for one in self._exchanges.add(segment):
                self._write(one)

    def _write(self, one: Passed) -> None:
        host, port = one.server[0], int(one.server[1])
        role = self._places.get((LOOPBACK if ip_address(host).is_loopback else host, port))
        event = None if role is None else _event(self._run_id, role, one)
        if event is not None:
            self._writer.append(event)


def _attempt(headers: Mapping[str, str]) -> int:
    text = headers.get(ATTEMPT, "0")
    return int(text) if text.isdecimal() and len(text) < 6 else 0  # noqa: PLR2004 - nobody is asked a hundred thousand times


def _place(plan: TapPlan, role: Role) -> tuple[str, int]:
    """Where a version's packets go to, as the capture shows it."""
    point = plan.points[role]
    target = _target(plan.settings, role)
    if target is not None and (target.tls is not None or (target.url or "").startswith("https:")):
        raise SettingsError(f"targets.{target.name}: its traffic is encrypted, and the tap `tcpdump` cannot read it. Take another tap.")
    if point.port is None:
        raise SettingsError(f"The tap `tcpdump` knows no port of the {role} on this machine. Take another tap.")
    if not point.interface:
        raise SettingsError(
            f"The packets of the {role} pass on no interface of this machine (an engine elsewhere, rootless, or in a virtual machine), "
            "so the tap `tcpdump` cannot capture them. Take another tap."
        )
    return point.host, point.port


def _target(settings: Settings, role: Role) -> Target | None:
    found = {"primary": settings.primary, "candidate": settings.candidate, "control": settings.control}[role]
    return found if isinstance(found, Target) else None


class ElsewhereTap:
    """Captures at the places where the versions run, which the mirror reaches: pods."""

    def __init__(self, plan: TapPlan) -> None:
        self._run_id = plan.run_id
        self._lock = threading.Lock()
        self._writer = Writer(plan.spool, "tap-tcpdump")
        self._captures = [Elsewhere(role, point.packets, self._passed, self._append) for role, point in plan.points.items()]

    def asks(self) -> bool:
        """Requests carry the number of their attempt."""
        return True

    def start(self) -> None:
        """Begin to capture.

        Raises:
            SetupError: there is no tcpdump at a place, it may not capture, or it does not see what passes.
        """
        try:
            for capture in self._captures:
                capture.start()
        except BaseException:
            self.stop()
            raise

    def settle(self) -> None:
        """Return when all that passed before this call is in the spool.

        Raises:
            MirrorError: a capture no longer sees what passes.
        """
        for capture in self._captures:
            capture.settle()

    def stop(self) -> None:
        """End; safe to call twice."""
        for capture in self._captures:
            capture.stop()
        with self._lock:
            self._writer.close()

    def _passed(self, role: Role, one: Passed) -> None:
        event = _event(self._run_id, role, one)
        if event is not None:
            self._append(event)

    def _append(self, event: Seen | Gap) -> None:
        with self._lock:
            self._writer.append(event)


class FilesTap:
    """Captures that somebody else writes while the run goes on, one for each version (`capture` of its target).

    Raises:
        SettingsError: a version has no such file, or two have one file and no ports that tell them apart.
    """

    def __init__(self, plan: TapPlan) -> None:
        self._run_id = plan.run_id
        self._lock = threading.Lock()
        self._writer = Writer(plan.spool, "tap-tcpdump")
        self._files = [self._file(plan, role) for role in plan.points]

    def asks(self) -> bool:
        """Requests carry the number of their attempt."""
        return True

    def start(self) -> None:
        """Begin to read."""
        for file in self._files:
            file.start()

    def settle(self) -> None:
        """Read what has been written by now; what comes later is read later.

        Raises:
            MirrorError: a file is no capture.
        """
        for file in self._files:
            file.settle()
            if file.failure is not None:
                raise MirrorError(file.failure)

    def stop(self) -> None:
        """End; safe to call twice."""
        for file in self._files:
            file.stop()
        with self._lock:
            self._writer.close()

    def _file(self, plan: TapPlan, role: Role) -> Growing:
        target = _target(plan.settings, role)
        if target is None or target.capture is None:
            raise SettingsError(
                f"The tap `tcpdump` reads a file for one version, and none for the {role}. Give each target a `capture`, or none."
            )
        shared = [other for other in plan.points if (found := _target(plan.settings, other)) and found.capture == target.capture]
        port = plan.points[role].port
        if len(shared) > 1 and (port is None or len({plan.points[other].port for other in shared}) < len(shared)):
            raise SettingsError(f"{target.capture}: is the capture of {' and '.join(shared)}, whose ports do not tell them apart.")

        def seen(one: Passed) -> None:
            event = _event(self._run_id, role, one) if len(shared) == 1 or one.server[1] == port else None
            if event is not None:
                with self._lock:
                    self._writer.append(event)

        return Growing(target.capture, seen)


def _event(run_id: str, role: Role, one: Passed) -> Seen | None:
    headers = {name.lower(): value for name, value in one.exchange.request.headers}
    if headers.get(RUN) != run_id or not headers.get(ID):
        return None
    attempt = _attempt(headers)
    return Seen(headers[ID], "control" if role == "primary" and attempt else role, attempt, one.exchange)


def create(plan: TapPlan) -> TcpdumpTap | ElsewhereTap | FilesTap:
    """The tap, not yet started."""
    if any((target := _target(plan.settings, role)) and target.capture for role in plan.points):
        return FilesTap(plan)
    elsewhere = any(point.packets is not None for point in plan.points.values())
    return ElsewhereTap(plan) if elsewhere else TcpdumpTap(plan)
