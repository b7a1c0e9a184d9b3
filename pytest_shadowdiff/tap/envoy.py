"""The tap `envoy`: one admin stream of each Envoy that stands before a version, read as it comes, into the spool."""

from __future__ import annotations

import threading
from typing import cast

from pytest_shadowdiff.backends import TapPlan
from pytest_shadowdiff.envoy.tapstream import Wanted
from pytest_shadowdiff.envoy.traces import Traced
from pytest_shadowdiff.envoy.watch import Place, Watch, grouped
from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.model import Role
from pytest_shadowdiff.spool import Gap, Seen, Writer


class EnvoyTap:
    """Streams of one Envoy or several, and the segment that they write."""

    def __init__(self, plan: TapPlan) -> None:
        wanted = Wanted(plan.run_id, plan.settings.limits.body)
        places = grouped(
            {role: (point.admin, point.entry, point.listener or "") for role, point in plan.points.items() if point.admin is not None}
        )
        if not places:
            raise SetupError("The tap `envoy` needs an Envoy before each version, and this mirror has none.")
        self._writer = Writer(plan.spool, "tap-envoy")
        self._lock = threading.Lock()
        self._watches = [self._watch(place, wanted, cast("dict[str, Role]", roles)) for place, roles in places.items()]

    def start(self) -> None:
        """Begin to watch.

        Raises:
            SetupError: a probe was not seen before one of the versions.
        """
        try:
            for watch in self._watches:
                watch.start()
        except BaseException:
            self.stop()
            raise

    def asks(self) -> bool:
        """Requests carry the number of their attempt."""
        return True

    def settle(self) -> None:
        """Return when all that ended before this call is in the spool.

        Raises:
            MirrorError: a stream does not show what passes.
        """
        for watch in self._watches:
            watch.settle()

    def stop(self) -> None:
        """End; safe to call twice."""
        for watch in self._watches:
            watch.stop()
        with self._lock:
            self._writer.close()

    def _watch(self, place: Place, wanted: Wanted, roles: dict[str, Role]) -> Watch:
        def seen(trace: Traced) -> None:
            role = roles.get(trace.listener) or roles.get("")
            if role is None or not trace.pair:
                return
            if role == "primary" and trace.attempt:
                role = "control"
            with self._lock:
                self._writer.append(Seen(trace.pair, role, trace.attempt, trace.exchange))

        def gap(listener: str, since: float, until: float, reason: str) -> None:
            with self._lock:
                self._writer.append(Gap(roles[listener], since, until, reason))

        return Watch(place, wanted, seen, gap)


def create(plan: TapPlan) -> EnvoyTap:
    """The tap, not yet started."""
    return EnvoyTap(plan)
