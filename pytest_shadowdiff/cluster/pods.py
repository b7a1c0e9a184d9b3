"""Pods of ours: what they are made of, and waiting until one runs, or saying why it does not."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.objects import Object, Ref
from pytest_shadowdiff.cluster.workloads import is_ready, state
from pytest_shadowdiff.errors import SetupError

NOBODY = 65534
DEADLINE_SECONDS = 6 * 3600
FOLDER = "/etc/shadowdiff"
CONTAINER = "shadowdiff"
CONFIG = "envoy.json"
ENVOY = ("envoy", "--config-path", f"{FOLDER}/{CONFIG}", "--disable-hot-restart", "--log-level", "warning", "--concurrency", "2")
"""What the pod beside a service runs, by the configuration of that name."""
HOPELESS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
LOG_LINES = 12


def pod(image: str, command: Sequence[str], config: str, pull_secret: str | None = None) -> Object:
    """A pod that runs one command, with a ConfigMap at `/etc/shadowdiff`.

    It is nobody, writes nothing, has no rights in the cluster, takes part in no mesh, and ends by itself after some hours.
    """
    return {
        "metadata": {
            "labels": {"sidecar.istio.io/inject": "false"},
            "annotations": {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"},
        },
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Always",
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": NOBODY,
                "runAsGroup": NOBODY,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": CONTAINER,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": list(command),
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "config", "mountPath": FOLDER, "readOnly": True}],
                }
            ],
            "volumes": [{"name": "config", "configMap": {"name": config}}],
            **({"imagePullSecrets": [{"name": pull_secret}]} if pull_secret else {}),
        },
    }


def headless_service(selector: Mapping[str, str], port: int) -> Object:
    """A Service whose name stands for the addresses of all ready pods of a selector."""
    return {"spec": {"clusterIP": "None", "selector": dict(selector), "ports": [{"name": "http", "port": port, "targetPort": port}]}}


def until_running(connection: Connection, ref: Ref, seconds: float) -> None:
    """Return when the pod runs.

    Raises:
        SetupError: it does not, within so many seconds or ever, with Kubernetes' own reason.
    """
    found: Object = {}

    def runs() -> bool:
        nonlocal found
        found = objects.get(connection, ref)
        if is_ready(found):
            return True
        _give_up(connection, ref, found)
        return False

    if not until(ticks() + seconds, runs):
        message = f"{ref} is not running after {seconds:.0f} s: {state(found)}. {_events(connection, ref)}".rstrip()
        raise SetupError(f"{message} Raise `start_seconds` in [tool.shadowdiff.service] where it only takes longer.")


def _give_up(connection: Connection, ref: Ref, found: Mapping[str, Any]) -> None:
    status = found.get("status") or {}
    if found["metadata"].get("deletionTimestamp"):
        raise SetupError(f"{ref} is being deleted by somebody else while it starts.")
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in HOPELESS:
            message = (
                f"{ref} cannot start with image {container['image']!r}: {waiting['reason']}: {waiting.get('message', '')}. "
                "Load the image into the cluster (`kind load docker-image`), or give another one as `image` "
                "(and `pull_secret`) in [tool.shadowdiff.service]."
            )
            raise SetupError(message)
        if container.get("restartCount") or (container.get("state") or {}).get("terminated"):
            raise SetupError(f"{ref} ended by itself: {state(found)}. Its last lines:\n{last_lines(connection, ref)}")
    if status.get("phase") == "Failed":
        raise SetupError(f"{ref} failed: {status.get('reason') or ''} {status.get('message') or state(found)}".strip())


def last_lines(connection: Connection, ref: Ref) -> str:
    """The end of a pod's log, or why it cannot be had."""
    for previous in ("false", "true"):
        query = {"tailLines": str(LOG_LINES), "container": CONTAINER, "previous": previous}
        with contextlib.suppress(ClusterError):
            response = connection.stream(f"{ref.path}/log", query, doing=f"reading the log of {ref}", silence=5.0)
            text: str = response.data.decode("utf-8", "replace").strip()
            if text:
                return text
    return f"(none to be had; try `kubectl --namespace {ref.namespace} logs {ref.name} --previous`)"


def _events(connection: Connection, ref: Ref) -> str:
    with contextlib.suppress(ClusterError):
        found = objects.list_all(connection, objects.EVENTS, ref.namespace, fields=f"involvedObject.name={ref.name},type=Warning")
        return " ".join(f"{each.get('reason')}: {each.get('message')}" for each in found[-2:])
    return ""
