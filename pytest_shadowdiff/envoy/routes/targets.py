"""The versions that routes name -> the targets of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_shadowdiff.envoy.routes.model import RouteTable, Version
from pytest_shadowdiff.envoy.routes.table import versions_of
from pytest_shadowdiff.model import Role
from pytest_shadowdiff.settings import Target

Targets = Mapping[Role, Target]


@dataclass(frozen=True, slots=True)
class Cast:
    """Which side each version plays, by the version's name; a mirror's version may play none where a run has no candidate."""

    roles: Mapping[str, Role]
    absent: Sequence[str] = ()


def cast(table: RouteTable, targets: Targets) -> Cast:
    """The side that each version of a table plays.

    Args:
        table: the routes.
        targets: the targets of this run by side.

    Raises:
        SettingsError: no target stands for a version, or the route sends requests to one that this run does not have.
    """
    roles: dict[str, Role] = {}
    absent: list[str] = []
    for version, mirrored in versions_of(table.routes):
        role = _role(version, targets)
        if role is not None:
            roles[version.name] = role
        elif mirrored and "candidate" not in targets:
            absent.append(version.name)
        else:
            what = "mirrors to" if mirrored else "sends requests to"
            names = ", ".join(f"{target.name} ({role})" for role, target in targets.items())
            hint = "" if "candidate" in targets else "; with --shadow-target it may be the candidate"
            raise version.at.refuse(f"the route {what} {version.name!r}, and no target of this run stands for it: {names}{hint}")
    return Cast(roles, tuple(dict.fromkeys(absent)))


def _role(version: Version, targets: Targets) -> Role | None:
    for role, target in targets.items():
        if target.name == version.name:
            return role
    for role, target in targets.items():
        workload = target.workload or {}
        labels = workload.get("labels")
        label = labels.get("version") if isinstance(labels, Mapping) else None
        if version.name in {label, workload.get("service")}:
            return role
    return None
