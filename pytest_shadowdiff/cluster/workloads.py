"""A service's versions in a cluster: which pods each has, and on which port they listen. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.objects import PODS, SERVICES, Object, Ref
from pytest_shadowdiff.errors import SetupError


@dataclass(frozen=True, slots=True)
class Workload:
    """One version, found.

    Attributes:
        name: the target's name, for messages.
        selector: labels that its pods have.
        port: at which its pods listen.
        declared: whether a container of theirs says so; Kubernetes does not demand it.
        pods: names of those that are ready.
    """

    name: str
    namespace: str
    selector: Mapping[str, str]
    port: int
    declared: bool
    pods: tuple[str, ...]


def find_service(connection: Connection, namespace: str, name: str) -> Object:
    """The service that the versions stand behind.

    Raises:
        SetupError: there is none of that name, or none that has pods.
    """
    found = objects.find(connection, Ref(SERVICES, namespace, name))
    if found is None:
        names = _service_names(connection, namespace)
        close = get_close_matches(name, names, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        message = (
            f"There is no Service {namespace}/{name} in context {connection.context!r}.{hint} "
            f"Services there: {', '.join(sorted(names)) or 'none to be seen (does the namespace exist?)'}."
        )
        raise SetupError(message)
    if not (found.get("spec") or {}).get("selector"):
        message = (
            f"Service {namespace}/{name} has no selector, so nobody can tell which pods it has. "
            "Name a Service with a selector in [tool.shadowdiff.service]."
        )
        raise SetupError(message)
    return found


def find_workload(connection: Connection, service: Mapping[str, Any], port: int, name: str, wanted: Mapping[str, object]) -> Workload:
    """One version of a service.

    Args:
        port: of the service, as its clients know it.
        name: the target's name.
        wanted: the target's `workload`: `{"labels": {...}}` or `{"service": "..."}`.

    Raises:
        SetupError: it has no pods, none is ready, or the service has no such port.
    """
    namespace = str(service["metadata"]["namespace"])
    behind = service
    labels = wanted.get("labels")
    if not isinstance(labels, Mapping):
        behind = find_service(connection, namespace, str(wanted["service"]))
        labels = {}
    selector = {**behind["spec"]["selector"], **labels}
    entry = _service_port(behind, port, own=behind is service)
    found = [pod for pod in objects.list_all(connection, PODS, namespace, selector) if not _over(pod)]
    pods = [pod for pod in found if not pod["metadata"].get("deletionTimestamp")] or found
    if not pods:
        raise SetupError(_nothing(connection, namespace, name, selector, behind))
    ready = [pod for pod in pods if is_ready(pod)]
    if not ready:
        states = "; ".join(f"{pod['metadata']['name']}: {state(pod)}" for pod in pods[:5])
        message = (
            f"Target {name}: none of its {len(pods)} pods in namespace {namespace} is ready ({states}). "
            f"Bring it up first: `kubectl --namespace {namespace} describe pod {pods[0]['metadata']['name']}` says what it lacks."
        )
        raise SetupError(message)
    number = _target_port(entry, ready, name)
    declared = all(any(each.get("containerPort") == number for each in _ports(pod)) for pod in ready)
    return Workload(name, namespace, selector, number, declared, tuple(sorted(pod["metadata"]["name"] for pod in ready)))


def check_distinct(workloads: Sequence[Workload]) -> None:
    """Return only where no pod belongs to two versions.

    Raises:
        SetupError: two versions have pods in common.
    """
    for number, one in enumerate(workloads):
        for other in workloads[number + 1 :]:
            common = sorted(set(one.pods) & set(other.pods))
            if common:
                message = (
                    f"Targets {one.name} and {other.name} are the same pods: both {spell(one.selector)} and {spell(other.selector)} "
                    f"select {', '.join(common[:5])}. Give labels that tell the versions apart, such as version."
                )
                raise SetupError(message)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a Service would send it traffic."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def state(pod: Mapping[str, Any]) -> str:
    """Why a pod is not ready, in Kubernetes' own words."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "is being deleted"
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        for kind in ("waiting", "terminated"):
            found = (container.get("state") or {}).get(kind)
            if found and not (kind == "terminated" and found.get("exitCode") == 0):
                detail = found.get("message") or (f"exit status {found['exitCode']}" if "exitCode" in found else "")
                return f"{container['name']}: {found.get('reason', kind)}{': ' + str(detail) if detail else ''}"
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("message"):
            return f"{condition.get('reason')}: {condition['message']}"
    return str(status.get("phase") or "unknown")


def spell(selector: Mapping[str, str]) -> str:
    """A selector as kubectl takes it."""
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))


def _service_names(connection: Connection, namespace: str) -> Sequence[str]:
    """For a hint only: the right to list them is not asked for."""
    try:
        return [str(each["metadata"]["name"]) for each in objects.list_all(connection, SERVICES, namespace)]
    except ClusterError:
        return ()


def _over(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _service_port(service: Mapping[str, Any], port: int, *, own: bool) -> Mapping[str, Any]:
    ports: Sequence[Mapping[str, Any]] = service["spec"].get("ports") or ()
    tcp = [each for each in ports if each.get("protocol", "TCP") == "TCP"]
    for each in tcp:
        if each["port"] == port:
            return each
    if not own and len(tcp) == 1:
        return tcp[0]
    metadata = service["metadata"]
    said = ", ".join(f"{each['port']}" + (f" ({each['name']})" if each.get("name") else "") for each in tcp) or "none"
    message = (
        f"Service {metadata['namespace']}/{metadata['name']} has no TCP port {port}. Its ports: {said}. "
        "Give one of them as `port` in [tool.shadowdiff.service]."
    )
    raise SetupError(message)


def _ports(pod: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    spec = pod["spec"]
    return [port for container in (*(spec.get("initContainers") or ()), *spec["containers"]) for port in container.get("ports") or ()]


def _target_port(entry: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], name: str) -> int:
    wanted = entry.get("targetPort", entry["port"])
    if isinstance(wanted, int):
        return wanted
    found = {port["containerPort"] for pod in pods for port in _ports(pod) if port.get("name") == wanted}
    if len(found) == 1:
        return int(found.pop())
    known = sorted({str(port.get("name") or port["containerPort"]) for pod in pods for port in _ports(pod)})
    what = f"{len(found)} different ones of that name" if found else f"its containers' ports: {', '.join(known) or 'none'}"
    message = (
        f"Target {name}: the Service's port {entry['port']} leads to the container port {wanted!r}, which its pods do not have ({what}). "
        "Mend targetPort of the Service, or the name of the container's port."
    )
    raise SetupError(message)


def _nothing(connection: Connection, namespace: str, name: str, selector: Mapping[str, str], service: Mapping[str, Any]) -> str:
    around = objects.list_all(connection, PODS, namespace, service["spec"]["selector"])
    seen = sorted({spell(pod["metadata"].get("labels") or {}) for pod in around})
    known = "; ".join(seen[:5]) or "the Service itself has no pods"
    return (
        f"Target {name}: no pod in namespace {namespace} has the labels {spell(selector)}. "
        f"Pods of Service {service['metadata']['name']} have: {known}. Mend the target's `workload`, or deploy that version."
    )
