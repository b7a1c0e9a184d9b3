"""A `tcpdump` in each pod of a version: in a container that has it, else in an ephemeral one where that is permitted."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.execs import Exec, succeeds
from pytest_shadowdiff.cluster.forwarding import Forwarder
from pytest_shadowdiff.cluster.objects import PODS, Object, Ref
from pytest_shadowdiff.cluster.workloads import Workload, is_ready
from pytest_shadowdiff.errors import SetupError, ShadowError

EPHEMERAL = "shadowdiff-tcpdump"
STRATEGIC = "application/strategic-merge-patch+json"
START_SECONDS = 15.0
LOOK_SECONDS = 0.5
WAIT_SECONDS = 86400
# A line on its input makes tcpdump say what it lost; the end of its input ends it: an exec stream that breaks kills nothing.
SCRIPT = (
    "tcpdump -i any -n -U --immediate-mode -s 0 -w - 'tcp port {port}' & child=$!; "
    "while read -r line; do kill -USR1 $child || exit 1; done; kill $child; wait $child"
)
_LISTENS = re.compile(r"listening on|verbose output suppressed")
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel")

Read = Callable[[str, BinaryIO], None]
Late = Callable[[str, float, float], None]


class PodCaptures:
    """Captures at all pods of a version, those that come later too, until it is stopped.

    Args:
        ephemeral_image: has tcpdump and a shell; permits ephemeral containers, which stay in the pods' specs.

    Attributes:
        added: pods that an ephemeral container was put into.
    """

    def __init__(self, connection: Connection, forwarder: Forwarder, workload: Workload, ephemeral_image: str | None = None) -> None:
        self.added: list[str] = []
        self._connection = connection.another()
        self._forwarder = forwarder
        self._workload = workload
        self._image = ephemeral_image
        self._over = threading.Event()
        self._captures: dict[str, _Capture] = {}
        self._thread = threading.Thread(target=self._watch, name=f"shadowdiff tcpdump of {workload.name}", daemon=True)

    def start(self, read: Read, late: Late) -> None:
        """Return when tcpdump listens in every ready pod.

        Args:
            read: called in a thread for each pod, with its name and the capture as it is written; returns at its end.
            late: called for a pod that came later, with the time since when it may have been asked, and until when nothing was seen.

        Raises:
            SetupError: a pod has no tcpdump, or it may not capture.
        """
        self._read, self._late = read, late
        for name in self._ready():
            self._begin(name)
        self._thread.start()

    def _ready(self) -> list[str]:
        found = objects.list_all(self._connection, PODS, self._workload.namespace, self._workload.selector)
        return [str(pod["metadata"]["name"]) for pod in found if is_ready(pod) and pod["metadata"]["name"] not in self._captures]

    def _begin(self, name: str) -> None:
        ref = Ref(PODS, self._workload.namespace, name)
        container = self._container(ref)
        self._captures[name] = _Capture(Exec(self._forwarder, ref, container, ["sh", "-c", SCRIPT.format(port=self._workload.port)]), ref)
        self._captures[name].start(self._read)

    def _watch(self) -> None:
        since = time.time()
        while not self._over.wait(LOOK_SECONDS):
            asked = time.time()
            with contextlib.suppress(ShadowError):  # the pod may be going again; what passes there unseen has no verdict
                for name in self._ready():
                    self._begin(name)
                    self._late(name, since, time.time())
            since = asked

    def _container(self, pod: Ref) -> str:
        """A container that has tcpdump.

        Raises:
            SetupError: none has, and none may be added.
        """
        found = objects.get(self._connection, pod)
        status = found.get("status") or {}
        statuses = (*(status.get("ephemeralContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
        running = [str(each["name"]) for each in statuses if (each.get("state") or {}).get("running")]
        for name in running:
            if succeeds(self._forwarder, pod, name, ["tcpdump", "--version"]):
                return name
        if self._image is None:
            message = (
                f"No container of {pod} has tcpdump ({', '.join(running)}). Name an image that has it as `ephemeral_image` in "
                "[tool.shadowdiff.service]: it is put into the pods as an ephemeral container, which nobody can take out again. "
                "Or take another tap."
            )
            raise SetupError(message)
        return self._add(pod, found)

    def _add(self, pod: Ref, found: Object) -> str:
        name = f"{EPHEMERAL}-{len(found['spec'].get('ephemeralContainers') or ())}"
        container = {
            "name": name,
            "image": self._image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["sleep", str(WAIT_SECONDS)],
            "securityContext": {"runAsUser": 0, "runAsNonRoot": False, "capabilities": {"add": ["NET_RAW"]}},
        }
        patch = {"spec": {"ephemeralContainers": [container]}}
        path = f"{pod.path}/ephemeralcontainers"
        self._connection.call("PATCH", path, body=patch, content_type=STRATEGIC, doing=f"adding an ephemeral container to {pod}")
        self.added.append(pod.name)

        def runs() -> bool:
            statuses = (objects.get(self._connection, pod).get("status") or {}).get("ephemeralContainerStatuses") or ()
            return any(each["name"] == name and each["state"].get("running") for each in statuses)

        if not until(ticks() + START_SECONDS, runs):
            raise SetupError(f"The ephemeral container {name} with image {self._image!r} does not run in {pod}. Can the image be pulled?")
        return name

    def knock(self) -> list[str]:
        """Connect to each pod that is captured at, so that the capture shows how far it has come; the pods that took it."""
        taken = []
        for name, capture in list(self._captures.items()):
            if not capture.running.ended:
                with contextlib.suppress(ShadowError, OSError):
                    self._forwarder.touch(self._workload.namespace, name, self._workload.port)
                    taken.append(name)
        return taken

    def lost(self) -> int:
        """How many packets the kernels dropped so far."""
        return sum(capture.lost() for capture in list(self._captures.values()))

    def stop(self) -> None:
        """End all; safe to call twice."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for capture in self._captures.values():
            capture.running.close()
        self._connection.close()


class _Capture:
    """A tcpdump that runs in a pod."""

    def __init__(self, running: Exec, pod: Ref) -> None:
        self.running = running
        self._pod = pod
        self._said: list[str] = []
        self._listening = threading.Event()
        self._answered = threading.Event()
        self._lost = 0

    def start(self, read: Read) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=read, args=(self._pod.name, self.running.stdout), daemon=True).start()
        deadline = ticks() + START_SECONDS
        if not until(deadline, lambda: self._listening.is_set() or self.running.ended, 0.02) or not self._listening.is_set():
            said = " ".join(self._said)[-300:] or self.running.failure
            self.running.close()
            raise SetupError(f"tcpdump does not capture in {self._pod}: {said} It takes the user root or the capability NET_RAW there.")

    def lost(self) -> int:
        if not self.running.ended:
            self._answered.clear()
            self.running.send(b"\n")
            self._answered.wait(1.0)
        return self._lost

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self.running.stderr:
                text = line.decode("utf-8", "replace").strip()
                self._said.append(text)
                del self._said[:-20]
                if _LISTENS.search(text):
                    self._listening.set()
                if found := _DROPPED.search(text):
                    self._lost = int(found[1])
                    self._answered.set()
