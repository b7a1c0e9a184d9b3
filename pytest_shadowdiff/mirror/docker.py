"""The mirror `docker`: an Envoy container before versions that are containers too, in a network of the run's own.

Where a version is no container, Envoy shares the engine's own network, and reaches all of them as this machine does.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from pytest_shadowdiff.backends import MirrorPlan
from pytest_shadowdiff.containers import Container, Engine, Wanted, answers
from pytest_shadowdiff.envoy import admin
from pytest_shadowdiff.envoy.configuration import SLOWEST_SECONDS, Address, Configuration, Version, versions_of
from pytest_shadowdiff.envoy.entrance import until_copied, way
from pytest_shadowdiff.envoy.routed import Routed
from pytest_shadowdiff.envoy.statistics import Drops
from pytest_shadowdiff.errors import MirrorError, SettingsError, SetupError
from pytest_shadowdiff.model import Point, Role
from pytest_shadowdiff.relay import Routing
from pytest_shadowdiff.settings import Settings

CONFIGURATION = "/etc/envoy/shadowdiff.json"
ADMIN_FILE = "/tmp/shadowdiff-admin"  # noqa: S108 - inside the container, which is ours alone
ENTRY_PORT, ADMIN_PORT = 10000, 9901
START_SECONDS = 30.0
LOOK_SECONDS = 0.02
LOOK_AGAIN_SECONDS = 1.0


class DockerMirror:
    """An Envoy container, and where it is reached from here."""

    def __init__(self, plan: MirrorPlan) -> None:
        self._plan = plan
        self._versions = versions_of(plan.primary, plan.candidate, plan.control)
        self._routed = Routed(plan.settings, plan.run_id, plan.directory)
        self._engine: Engine | None = None
        self._container: Container | None = None
        self._admin = self._entry = ("", 0)
        self._inside_at: Mapping[str, tuple[str, int]] = {}
        self._drops = Drops()
        self._ended: str | None = None
        self._looked = 0.0

    def start(self) -> Routing:
        """Start the container, and return when a copy was counted before the candidate.

        Raises:
            SetupError: no engine answers, Envoy does not start, or it does not copy; all of it is gone again.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return Routing.behind(partial(way, self._entry), [version.name for version in self._versions])

    def points(self, known: Mapping[Role, Point]) -> Mapping[Role, Point]:
        """All versions stand behind one admin interface; inside the run's network their packets pass on its bridge."""
        found = {role: replace(point, admin=self._admin, entry=self._entry, listener=role) for role, point in known.items()}
        if self._engine is None or not self._inside_at:
            return found
        bridge = self._engine.bridge()
        at = self._inside_at
        return {role: replace(point, host=at[role][0], port=at[role][1], interface=bridge) for role, point in found.items()}

    def describe(self) -> Sequence[str]:
        """Lines for the summary."""
        ways = [f"{version.name} {version.upstream.name}" for version in self._versions]
        return [f"Envoy in a container of {self._image}: {', '.join(ways)}; it copies what the relay marks", *self._routed.describe()]

    def dropped(self) -> Mapping[str, int]:
        """What Envoy itself says it dropped, by reason."""
        return self._drops.of(self._admin if self._container is not None and self.failure() is None else None)

    def failure(self) -> str | None:
        """How Envoy ended by itself; None while it runs. The engine is asked once a second at most."""
        if self._container is not None and self._ended is None and time.monotonic() - self._looked > LOOK_AGAIN_SECONDS:
            self._ended = self._container.failure()
            self._looked = time.monotonic()
        return self._routed.failure() or self._ended

    def stop(self) -> None:
        """Remove the container and the network; safe to call twice."""
        if self._container is not None:
            self._container.stop()
        self._routed.stop()
        if self._engine is not None:
            self._engine.remove_network()
            self._engine.hang_up()

    @property
    def _image(self) -> str:
        return self._plan.settings.envoy_image

    def _start(self) -> None:
        plan = self._plan
        self._engine = engine = Engine(plan.run_id)
        inside = self._inside(engine)
        own = inside is not None
        if not own and not engine.is_local:
            raise SetupError(
                "The mirror `docker` at an engine elsewhere reaches versions that are images only; "
                "give the versions as images, or name an engine of this machine in DOCKER_HOST."
            )
        any_host = "0.0.0.0"  # noqa: S104 - inside the container; the engine publishes it on loopback where it is local
        configuration = Configuration(
            run_id=plan.run_id,
            versions=inside or self._versions,
            entry=Address(any_host, ENTRY_PORT) if own else Address(),
            admin=Address(any_host, ADMIN_PORT) if own else Address(),
            connect_seconds=plan.settings.timeout,
            copy_seconds=plan.settings.timeout + SLOWEST_SECONDS,
            buffer_bytes=plan.settings.limits.body,
        )
        wanted = Wanted(
            name="Envoy",
            image=self._image,
            command=(
                *("envoy", "-c", CONFIGURATION, "--admin-address-path", ADMIN_FILE),
                *("-l", "warning", "--file-flush-interval-msec", "20", "--disable-hot-restart"),
            ),
            ports=(ENTRY_PORT, ADMIN_PORT) if own else (),
            files={CONFIGURATION: self._routed.over(configuration, "/dev/stdout").text().encode()},
            network=engine.network() if own else "host",
        )
        log = plan.directory / "envoy.log"
        self._container = container = engine.start(wanted, log)
        self._await(container, own=own)
        until_copied(self._admin, self._entry, [version.name for version in self._versions], plan.run_id)
        self._routed.follow(log)

    def _inside(self, engine: Engine) -> list[Version] | None:
        """The versions as they are reached inside the run's network; None where one is no container of this run."""
        found: list[Version] = []
        places: dict[str, tuple[str, int]] = {}
        for version in self._versions:
            place = engine.join(version.upstream.name, version.upstream.port, version.name)
            if place is None:
                return None
            places[version.name] = place
            found.append(replace(version, upstream=replace(version.upstream, host=version.name, port=place[1])))
        self._inside_at = places
        return found

    def _await(self, container: Container, *, own: bool) -> None:
        """Wait until Envoy listens, and learn where."""
        deadline = time.monotonic() + START_SECONDS
        while not (self._published(container) if own else self._shared(container)):
            ended = container.failure()
            if ended is not None:
                raise SetupError(ended)
            if time.monotonic() > deadline:
                raise SetupError(f"Envoy in {self._image} did not listen within {START_SECONDS:g} s. {container.last_words()}")
            time.sleep(LOOK_SECONDS)

    def _published(self, container: Container) -> bool:
        """Whether it listens at ports that the engine publishes."""
        admin_port, entry_port = container.port(ADMIN_PORT), container.port(ENTRY_PORT)
        for host in self._engine.hosts if self._engine else ():
            if admin.is_ready((host, admin_port)):
                self._admin, self._entry = (host, admin_port), (host, entry_port)
                return True
        return False

    def _shared(self, container: Container) -> bool:
        """Whether it listens at ports of this machine, which it chose itself."""
        text = (container.read(ADMIN_FILE) or b"").decode("ascii", "replace").strip()
        host, _, port = text.rpartition(":")
        if not port.isdecimal():
            return False
        self._admin = (host.strip("[]"), int(port))
        try:
            entry = admin.listening(self._admin, "entry") if admin.is_ready(self._admin) else None
        except MirrorError:
            return False
        self._entry = entry or self._entry
        return entry is not None


def check(settings: Settings) -> None:
    """Look whether an engine answers.

    Raises:
        SettingsError: none does.
    """
    try:
        answers()
    except SetupError as error:
        raise SettingsError(f"The mirror {settings.mirror}: {error}") from None


def create(plan: MirrorPlan) -> DockerMirror:
    """The mirror, not yet started."""
    return DockerMirror(plan)
