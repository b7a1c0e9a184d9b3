"""What would be changed, as a diff, and the rights that it takes: for `shadowdiff plan`. Nothing is changed here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.objects import Ref
from pytest_shadowdiff.cluster.rights import Right, missing

WRITTEN_BY_THE_SERVER = ("resourceVersion", "generation", "managedFields", "uid", "creationTimestamp")


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do to a cluster.

    Attributes:
        lines: to be printed.
        lacking: the rights that the run would miss.
    """

    lines: tuple[str, ...]
    lacking: tuple[Right, ...] = ()


def created(ref: Ref, body: Mapping[str, Any]) -> Sequence[str]:
    """An object that would be made, as a diff against nothing."""
    metadata = {"name": ref.name, "namespace": ref.namespace, **(body.get("metadata") or {})}
    rest = {key: value for key, value in body.items() if key != "metadata"}
    whole = {"apiVersion": ref.kind.api_version, "kind": ref.kind.name, "metadata": metadata, **rest}
    return difference(ref, None, whole)


def difference(ref: Ref, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Sequence[str]:
    """How an object would change; None stands for no object."""
    old, new = (str(ref) if each is not None else "/dev/null" for each in (before, after))
    return list(difflib.unified_diff(_yaml(before), _yaml(after), old, new, lineterm=""))


def rights_table(connection: Connection, namespace: str, needed: Iterable[Right]) -> tuple[Sequence[str], tuple[Right, ...]]:
    """A line for each right, and those that are missing.

    Raises:
        ClusterError: the API server does not say.
    """
    needed = sorted(set(needed))
    lacking = tuple(missing(connection, namespace, needed))
    return [f"  {'LACKS' if right in lacking else 'has  '} {right}" for right in needed], lacking


def _yaml(found: Mapping[str, Any] | None) -> Sequence[str]:
    import yaml

    if found is None:
        return []
    metadata = {key: value for key, value in (found.get("metadata") or {}).items() if key not in WRITTEN_BY_THE_SERVER}
    shown = {key: value for key, value in found.items() if key != "status"} | {"metadata": metadata}
    text: str = yaml.safe_dump(shown, sort_keys=False, width=140, default_flow_style=False)
    return text.splitlines()
