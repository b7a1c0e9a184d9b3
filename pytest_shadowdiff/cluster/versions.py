"""The versions that a run mirrors between in a cluster: found, checked, and watched by their logs or packets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_shadowdiff.cluster import workloads
from pytest_shadowdiff.cluster.objects import PODS
from pytest_shadowdiff.cluster.rights import Right, require, rights
from pytest_shadowdiff.errors import SettingsError, SetupError
from pytest_shadowdiff.model import Role

if TYPE_CHECKING:
    from pytest_shadowdiff.cluster.connecting import Connection
    from pytest_shadowdiff.cluster.forwarding import Forwarder
    from pytest_shadowdiff.cluster.pod_captures import PodCaptures
    from pytest_shadowdiff.cluster.pod_logs import PodLogs
    from pytest_shadowdiff.cluster.workloads import Workload
    from pytest_shadowdiff.settings import Service, Settings, Target

TAP_RIGHTS: Mapping[str, tuple[Sequence[Right], str]] = {
    "logs": (rights(PODS, "get", part="log"), "role-logs.yaml"),
    "tcpdump": (rights(PODS, "get", "create", part="exec"), "role-tcpdump.yaml"),
}
EPHEMERAL_RIGHTS: tuple[Right, ...] = rights(PODS, "patch", part="ephemeralcontainers")


class Versions:
    """The versions of one service, by their roles."""

    def __init__(self, settings: Settings) -> None:
        self.service: Service = service_of(settings)
        self.targets: Mapping[Role, Target] = targets_of(settings)
        self.found: dict[Role, Workload] = {}
        self.folders: dict[Role, Path] = {}
        self.captures: dict[Role, PodCaptures] = {}
        self._tap = settings.tap or ""
        self._logs: dict[Role, PodLogs] = {}

    def find(self, connection: Connection) -> None:
        """Find all that are workloads.

        Raises:
            SetupError: one is not there, not ready, or two are the same.
        """
        service = workloads.find_service(connection, self.service.namespace, self.service.name)
        for role, target in self.targets.items():
            if target.workload is not None:
                self.found[role] = workloads.find_workload(connection, service, self.service.port, target.name, target.workload)
        workloads.check_distinct(list(self.found.values()))

    def require_tap(self, connection: Connection) -> None:
        """Return only where the rights that the tap takes are there.

        Raises:
            SetupError: they are not; all that lack are named.
        """
        if self._tap in TAP_RIGHTS:
            needed, role = TAP_RIGHTS[self._tap]
            require(connection, self.service.namespace, needed, role)
        if self._tap == "tcpdump" and self.service.ephemeral_image:
            require(connection, self.service.namespace, EPHEMERAL_RIGHTS, "role-tcpdump.yaml")

    def tap_rights(self) -> Sequence[Right]:
        """The rights that the tap takes, for a preview."""
        needed = list(TAP_RIGHTS.get(self._tap, ((), ""))[0])
        return [*needed, *EPHEMERAL_RIGHTS] if self._tap == "tcpdump" and self.service.ephemeral_image else needed

    def will_stay(self) -> Sequence[str]:
        """What will not be taken back, for a preview."""
        image = self.service.ephemeral_image
        if self._tap != "tcpdump" or not image:
            return []
        return [f"Where no container has tcpdump, an ephemeral one ({image}) is added, and stays in the pod's spec."]

    def check_ports(self, forwarder: Forwarder) -> None:
        """A port that no container declares may still be listened at, and often is not.

        Raises:
            SetupError: nothing listens there.
        """
        for found in self.found.values():
            if not found.declared and forwarder.refused(found.namespace, found.pods[0], found.port):
                service = self.service
                message = (
                    f"Target {found.name}: port {service.port} of Service {service.namespace}/{service.name} leads to port {found.port}, "
                    f"which no container of Pod {found.pods[0]} declares and at which nothing listens. Mend targetPort of the Service."
                )
                raise SetupError(message)

    def observe(self, connection: Connection, forwarder: Forwarder, directory: Path) -> None:
        """Begin to follow what the tap reads of the pods."""
        from pytest_shadowdiff.cluster.pod_captures import PodCaptures
        from pytest_shadowdiff.cluster.pod_logs import PodLogs

        for role, found in self.found.items():
            if self._tap == "logs":
                self.folders[role] = directory / f"pods-{role}"
                self._logs[role] = PodLogs(connection, found, self.folders[role])
                self._logs[role].start()
            if self._tap == "tcpdump":
                self.captures[role] = PodCaptures(connection, forwarder, found, self.service.ephemeral_image)

    def stays(self) -> Sequence[str]:
        """What cannot be taken back, in lines for the summary."""
        added = sorted({name for captures in self.captures.values() for name in captures.added})
        return [f"an ephemeral container with tcpdump stays in the spec of {', '.join(added)} until the pod ends"] if added else []

    def summary(self, mirror: str, context: str) -> str:
        """The service and its versions, in one line."""
        found = ", ".join(
            f"{self.targets[role].name} {len(each.pods)} pod{'s' * (len(each.pods) != 1)} ({workloads.spell(each.selector)})"
            for role, each in self.found.items()
        )
        return f"{mirror}: Service {self.service.namespace}/{self.service.name} in context {context}: {found}"

    def stop(self) -> None:
        """End what `observe` began; safe to call twice."""
        for logs in self._logs.values():
            logs.stop()
        for captures in self.captures.values():
            captures.stop()


def targets_of(settings: Settings) -> Mapping[Role, Target]:
    """The targets by their roles: those that a run has."""
    found: dict[Role, Target] = {}
    if settings.primary is not None:
        found["primary"] = settings.primary
    if settings.candidate is not None:
        found["candidate"] = settings.candidate
        if settings.control is not None and not isinstance(settings.control, str):
            found["control"] = settings.control
    return found


def service_of(settings: Settings) -> Service:
    """The service that is configured.

    Raises:
        SettingsError: none is.
    """
    service = settings.service
    if service is None:
        message = (
            "A target with a `workload` needs [tool.shadowdiff.service]: "
            "the name, namespace and port of the Service that the versions stand behind."
        )
        raise SettingsError(message)
    return service


def check(settings: Settings) -> None:
    """Look whether a service is configured, and whether its context is there and may be used; no cluster is asked.

    Raises:
        SettingsError: it is not; the message says what to write.
    """
    from pytest_shadowdiff.cluster.contexts import load

    service = service_of(settings)
    try:
        load(service.context, settings.allow_context)
    except SetupError as error:
        raise SettingsError(f"The mirror {settings.mirror}: {error}") from None


def held(service: str) -> str:
    """What is held: workers of pytest-xdist are one run, each with a pod of its own, so they do not wait for each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return service if worker == "gw0" else f"{service}.{worker}"
