"""The mirror `envoy`: a real Envoy on this machine, whose entry copies to the candidate, with a tap before each version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from pytest_shadowdiff.backends import MirrorPlan
from pytest_shadowdiff.envoy.binary import Binary, find
from pytest_shadowdiff.envoy.configuration import SLOWEST_SECONDS, Configuration, versions_of
from pytest_shadowdiff.envoy.entrance import until_copied, way
from pytest_shadowdiff.envoy.process import Process, spare_connections
from pytest_shadowdiff.envoy.routed import Routed
from pytest_shadowdiff.envoy.statistics import Drops
from pytest_shadowdiff.errors import SettingsError, SetupError
from pytest_shadowdiff.model import Point, Role
from pytest_shadowdiff.relay import Routing
from pytest_shadowdiff.settings import Settings


class EnvoyMirror:
    """An Envoy process, and what it counted when it was last asked."""

    def __init__(self, plan: MirrorPlan) -> None:
        self._plan = plan
        self._versions = versions_of(plan.primary, plan.candidate, plan.control)
        self._routed = Routed(plan.settings, plan.run_id, plan.directory)
        self._process: Process | None = None
        self._binary: Binary | None = None
        self._drops = Drops()

    def start(self) -> Routing:
        """Start Envoy, and return when a copy was counted before the candidate.

        Raises:
            SetupError: there is no Envoy, it does not start, or it does not copy; it is ended again.
        """
        plan = self._plan
        directory = plan.directory / "envoy"
        directory.mkdir(mode=0o700)
        self._binary = _binary(plan.settings)
        configuration = Configuration(
            run_id=plan.run_id,
            versions=self._versions,
            connect_seconds=plan.settings.timeout,
            copy_seconds=plan.settings.timeout + SLOWEST_SECONDS,
            copy_connections=spare_connections(),
            buffer_bytes=plan.settings.limits.body,
        )
        log = directory / "entry.log"
        self._process = process = Process(self._binary, self._routed.over(configuration, str(log)), directory)
        try:
            process.start()
            until_copied(process.admin, process.entry, [version.name for version in self._versions], plan.run_id)
            self._routed.follow(log)
        except BaseException:
            self.stop()
            raise
        return Routing.behind(partial(way, process.entry), [version.name for version in self._versions])

    def points(self, known: Mapping[Role, Point]) -> Mapping[Role, Point]:
        """All versions stand behind one admin interface."""
        process = self._process
        if process is None:
            return known
        return {role: replace(point, admin=process.admin, entry=process.entry, listener=role) for role, point in known.items()}

    def describe(self) -> Sequence[str]:
        """Lines for the summary."""
        version = f" {self._binary.version}" if self._binary else ""
        ways = [f"{version.name} {version.upstream.name}" for version in self._versions]
        return [f"Envoy{version} on this machine: {', '.join(ways)}; it copies what the relay marks", *self._routed.describe()]

    def dropped(self) -> Mapping[str, int]:
        """What Envoy itself says it dropped, by reason."""
        return self._drops.of(self._process.admin if self._process is not None and self._process.failure() is None else None)

    def failure(self) -> str | None:
        """How Envoy ended by itself; None while it runs."""
        return self._routed.failure() or (None if self._process is None else self._process.failure())

    def stop(self) -> None:
        """End Envoy; safe to call twice."""
        if self._process is not None:
            self._process.stop()
        self._routed.stop()


def check(settings: Settings) -> None:
    """Look whether there is an Envoy, and whether it is new enough.

    Raises:
        SettingsError: there is none, or it is too old.
    """
    try:
        _binary(settings)
    except SetupError as error:
        raise SettingsError(f"The mirror envoy: {error}") from None


def _binary(settings: Settings) -> Binary:
    return find(None if settings.envoy is None else settings.home / Path(settings.envoy))


def create(plan: MirrorPlan) -> EnvoyMirror:
    """The mirror, not yet started."""
    return EnvoyMirror(plan)
