"""Objects of any kind as plain dictionaries, by address: nothing is known here of what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import MANAGER, MERGE_PATCH, Connection

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object.

    Attributes:
        api_version: group and version ("v1", "networking.istio.io/v1").
        plural: as in URLs and Roles ("virtualservices").
        name: as in manifests ("VirtualService").
    """

    api_version: str
    plural: str
    name: str

    @property
    def group(self) -> str:
        """The API group; "" for the core one."""
        return self.api_version.rpartition("/")[0]

    @property
    def root(self) -> str:
        """Path of the group's version on the API server."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"


PODS = Kind("v1", "pods", "Pod")
SERVICES = Kind("v1", "services", "Service")
CONFIG_MAPS = Kind("v1", "configmaps", "ConfigMap")
NAMESPACES = Kind("v1", "namespaces", "Namespace")
EVENTS = Kind("v1", "events", "Event")
LEASES = Kind("coordination.k8s.io/v1", "leases", "Lease")


@dataclass(frozen=True, slots=True)
class Ref:
    """One object's address."""

    kind: Kind
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Path of the object on the API server."""
        return f"{collection(self.kind, self.namespace)}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind.name} {self.namespace}/{self.name}"


def collection(kind: Kind, namespace: str | None) -> str:
    """Path of all objects of a kind, in a namespace or (None) everywhere."""
    return f"{kind.root}/{kind.plural}" if namespace is None else f"{kind.root}/namespaces/{namespace}/{kind.plural}"


def get(connection: Connection, ref: Ref) -> Object:
    """The object.

    Raises:
        ClusterError: it is not there (`missing`), or cannot be read.
    """
    found: Object = connection.read(ref.path, doing=f"reading {ref}")
    return found


def find(connection: Connection, ref: Ref) -> Object | None:
    """The object, or None where there is none."""
    try:
        return get(connection, ref)
    except ClusterError as error:
        if error.missing:
            return None
        raise


def list_all(
    connection: Connection, kind: Kind, namespace: str | None, labels: Mapping[str, str] | None = None, fields: str = ""
) -> Sequence[Object]:
    """All objects of a kind that have these labels; in every namespace where `namespace` is None."""
    query = {"limit": "500"}
    if labels:
        query["labelSelector"] = ",".join(f"{key}={value}" for key, value in labels.items())
    if fields:
        query["fieldSelector"] = fields
    where = "all namespaces" if namespace is None else f"namespace {namespace}"
    found: list[Object] = []
    while True:
        page = connection.read(collection(kind, namespace), query, doing=f"listing {kind.plural} in {where}")
        found += page.get("items") or []
        more = (page.get("metadata") or {}).get("continue")
        if not more:
            return found
        query["continue"] = more


def create(connection: Connection, ref: Ref, body: Mapping[str, Any]) -> Object:
    """Create it, once.

    Raises:
        ClusterError: refused (`exists` where there is one of that name), or no answer.
    """
    whole = {"apiVersion": ref.kind.api_version, "kind": ref.kind.name, **body}
    whole["metadata"] = {**(body.get("metadata") or {}), "name": ref.name, "namespace": ref.namespace}
    made: Object = connection.call(
        "POST", collection(ref.kind, ref.namespace), {"fieldManager": MANAGER}, body=whole, doing=f"creating {ref}"
    )
    return made


def merge(connection: Connection, ref: Ref, patch: Mapping[str, Any]) -> Object:
    """Apply a JSON merge patch (RFC 7396), once; with `metadata.resourceVersion` in it, only to that version.

    Raises:
        ClusterError: refused (`conflict` where somebody has written since), or no answer.
    """
    made: Object = connection.call(
        "PATCH", ref.path, {"fieldManager": MANAGER}, body=patch, content_type=MERGE_PATCH, doing=f"patching {ref}"
    )
    return made


def delete(connection: Connection, ref: Ref, *, uid: str, resource_version: str | None = None) -> None:
    """Delete that very object, at once; gone already is as good.

    Args:
        uid: of the object that was read, so that no namesake is hit.
        resource_version: only while it is unchanged since.

    Raises:
        ClusterError: refused (`conflict` where it is another by now), or no answer.
    """
    preconditions = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
    body = {"preconditions": preconditions, "gracePeriodSeconds": 0, "propagationPolicy": "Background"}
    try:
        connection.call("DELETE", ref.path, body=body, doing=f"deleting {ref}")
    except ClusterError as error:
        if not error.missing:
            raise


def served(connection: Connection, kind: Kind) -> bool:
    """Whether the API server serves that kind in that version."""
    try:
        listed = connection.read(kind.root, doing=f"reading what {kind.api_version} serves")
    except ClusterError as error:
        if error.missing:
            return False
        raise
    return any(resource.get("name") == kind.plural for resource in listed.get("resources") or [])
