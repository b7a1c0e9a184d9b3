"""What a mesh of Istio's is to us: its kinds, its sidecars, a pod of ours that takes part in it. No route is understood here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.objects import PODS, Kind, Object, Ref
from pytest_shadowdiff.cluster.workloads import Workload
from pytest_shadowdiff.errors import SetupError

SIDECAR = "istio-proxy"
INJECT = "sidecar.istio.io/inject"
REVISION = "istio.io/rev"
AMBIENT = "ambient.istio.io/redirection"
ADMIN = 15000
"""A sidecar's admin interface, on its pod's loopback."""
VERSIONS = ("v1", "v1beta1", "v1alpha3")
GROUP = "networking.istio.io"


def kind(connection: Connection, plural: str, name: str) -> Kind:
    """A kind of Istio's, in the newest version that the API server serves.

    Raises:
        SetupError: it serves none.
    """
    for version in VERSIONS:
        found = Kind(f"{GROUP}/{version}", plural, name)
        if objects.served(connection, found):
            return found
    message = (
        f"The API server of context {connection.context!r} serves no {plural}.{GROUP} ({', '.join(VERSIONS)}): Istio's definitions are not "
        "installed there. Install Istio (`istioctl install`), or take the mirror `kubernetes`, which needs none."
    )
    raise SetupError(message)


def has_sidecar(pod: Mapping[str, Any]) -> bool:
    """Whether a pod takes part by a sidecar, native or not."""
    spec = pod["spec"]
    return any(each["name"] == SIDECAR for each in (*(spec.get("initContainers") or ()), *spec["containers"]))


def pods_of(connection: Connection, workload: Workload) -> Sequence[Object]:
    """The pods of a version, with the mesh's sidecars.

    Raises:
        SetupError: one has no sidecar, or takes part in another way.
    """
    found = [objects.get(connection, Ref(PODS, workload.namespace, name)) for name in workload.pods]
    for pod in found:
        if has_sidecar(pod):
            continue
        name, namespace = pod["metadata"]["name"], workload.namespace
        if (pod["metadata"].get("annotations") or {}).get(AMBIENT) == "enabled":
            message = (
                f"Target {workload.name}: Pod {namespace}/{name} takes part in the mesh in ambient mode, where no sidecar routes by "
                "VirtualServices. Take the mirror `kubernetes`, which touches no route."
            )
            raise SetupError(message)
        message = (
            f"Target {workload.name}: Pod {namespace}/{name} has no sidecar ({SIDECAR}), so it takes no part in the mesh. "
            f"`kubectl label namespace {namespace} istio-injection=enabled` and restart its Deployment, "
            "or take the mirror `kubernetes`, which needs no mesh."
        )
        raise SetupError(message)
    return found


def join(body: Mapping[str, Any], like: Sequence[Mapping[str, Any]], account: str | None) -> Object:
    """A pod of ours that is injected as those of the versions are.

    Args:
        body: as `pods.pod` makes it.
        like: pods of the versions.
        account: the service account by which policies know it; None for the namespace's default.
    """
    revision = next((rev for pod in like if (rev := (pod["metadata"].get("labels") or {}).get(REVISION))), None)
    labels = {INJECT: "true"} | ({REVISION: revision} if revision and revision != "default" else {})
    spec = {**body["spec"]} | ({"serviceAccountName": account} if account else {})
    return {**body, "metadata": {"labels": labels}, "spec": spec}


def check_joined(found: Mapping[str, Any]) -> None:
    """Return only where the mesh has taken our pod in.

    Raises:
        SetupError: it has not.
    """
    if has_sidecar(found):
        return
    namespace = found["metadata"]["namespace"]
    message = (
        f"Pod {namespace}/{found['metadata']['name']}, by which this run enters the mesh, got no sidecar although it asks for one "
        f"({INJECT}: true): is injection disabled for namespace {namespace} (`istio-injection=disabled`), or its webhook away? "
        f"`istioctl experimental check-inject -n {namespace}` says."
    )
    raise SetupError(message)
