"""The logs of all pods of a version, as files: one for each container, of whatever pods there are at the moment.

A stream that breaks off is opened again where it stopped: Kubernetes takes whole seconds only, so what came twice is
told by its time stamp. Restarted containers and new pods are followed from their first line.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import Connection, Json
from pytest_shadowdiff.cluster.objects import PODS, Ref
from pytest_shadowdiff.cluster.workloads import Workload, spell
from pytest_shadowdiff.errors import SetupError

LOOK_SECONDS = 0.5
OPEN_SECONDS = 15.0
AGAIN_SECONDS = 0.2
SILENCE_SECONDS = 3600.0
BLOCK = 64 * 1024
LONGEST = 1024 * 1024
STAMP = 64  # a time stamp is shorter than that


class PodLogs:
    """Follows the logs of a version's pods into a folder, until it is stopped.

    Args:
        folder: gets a file `POD.CONTAINER` for each container.
    """

    def __init__(self, connection: Connection, workload: Workload, folder: Path) -> None:
        self._connection = connection.another()
        self._workload = workload
        self._folder = folder
        self._over = threading.Event()
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._thread = threading.Thread(target=self._watch, name=f"shadowdiff logs of {workload.name}", daemon=True)

    def start(self) -> None:
        """Return when the log of each container of each pod is open; only what comes from now on is kept.

        Raises:
            SetupError: there is no pod, or a log cannot be read.
        """
        self._folder.mkdir(mode=0o700)
        self._look(new=False)
        for stream in self._streams.values():
            if not stream.opened.wait(OPEN_SECONDS) or stream.problem:
                raise SetupError(f"The log of {stream} cannot be followed: {stream.problem or 'the API server does not open it'}")
        if not self._streams:
            raise SetupError(f"Target {self._workload.name}: no pod with the labels {spell(self._workload.selector)} has a log.")
        self._thread.start()

    def stop(self) -> None:
        """End; safe to call twice."""
        self._over.set()
        for stream in list(self._streams.values()):
            stream.stop()
        if self._thread.is_alive():
            self._thread.join()
        self._connection.close()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with contextlib.suppress(ClusterError):  # asked again in a moment
                self._look(new=True)

    def _look(self, *, new: bool) -> None:
        pods = objects.list_all(self._connection, PODS, self._workload.namespace, self._workload.selector)
        for pod in pods:
            for container in _started(pod):
                place = (str(pod["metadata"]["uid"]), container)
                if place not in self._streams and not self._over.is_set():
                    ref = Ref(PODS, self._workload.namespace, pod["metadata"]["name"])
                    self._streams[place] = stream = _Stream(self._connection.another(), ref, container, self._folder, new=new)
                    stream.start()


def _started(pod: Mapping[str, Any]) -> Iterator[str]:
    status = pod.get("status") or {}
    native = {each["name"] for each in pod["spec"].get("initContainers") or () if each.get("restartPolicy") == "Always"}
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        ordinary = each not in (status.get("initContainerStatuses") or ()) or each["name"] in native
        if ordinary and ((each.get("state") or {}).get("running") or each.get("restartCount")):
            yield str(each["name"])


class _Stream(threading.Thread):
    """One container's log, over all its restarts.

    Attributes:
        opened: set when the first answer has come, or `problem` says why none did.
    """

    def __init__(self, connection: Connection, pod: Ref, container: str, folder: Path, *, new: bool) -> None:
        super().__init__(name=f"shadowdiff log of {pod.name}", daemon=True)
        self.opened = threading.Event()
        self.problem = ""
        self._connection = connection
        self._pod = pod
        self._container = container
        self._file = folder / f"{pod.name}.{container}"
        self._over = threading.Event()
        self._response: Json = None
        self._query = {"container": container, "follow": "true", "timestamps": "true"} | ({} if new else {"tailLines": "0"})
        self._last = b""  # the time stamp of the latest line
        self._same = 0  # how many lines had it
        self._since = connection.clock.now()

    def __str__(self) -> str:
        return f"{self._pod}, container {self._container}"

    def run(self) -> None:
        with self._file.open("ab", buffering=0) as file:
            while not self._over.is_set():
                try:
                    for line in self._lines():
                        file.write(line + b"\n")
                except ClusterError as error:
                    self.problem = str(error)
                    self.opened.set()
                    if error.missing:
                        return  # the pod has gone, with its log
                except (OSError, ValueError):
                    pass  # broke off: opened again where it stopped
                self._over.wait(AGAIN_SECONDS)
        self._connection.close()

    def stop(self) -> None:
        self._over.set()
        connection = getattr(self._response, "connection", None)
        with contextlib.suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        self.join(AGAIN_SECONDS * 10)

    def _lines(self) -> Iterator[bytes]:
        import urllib3

        doing = f"following the log of {self}"
        self._response = response = self._connection.stream(f"{self._pod.path}/log", self._query, doing=doing, silence=SILENCE_SECONDS)
        self.problem = ""
        self.opened.set()
        again = self._same
        try:
            for line in _split(response.stream(BLOCK)):
                stamp, _, text = line.partition(b" ")
                if not stamp or len(stamp) > STAMP:
                    continue
                if again and stamp <= self._last:  # has come before the stream was opened again
                    again -= stamp == self._last
                    continue
                self._count(stamp)
                yield text
        except urllib3.exceptions.HTTPError as error:
            raise OSError(str(error)) from None
        finally:
            response.close()
            self._query.pop("tailLines", None)
            self._query["sinceTime"] = _whole_second(self._last, self._since)

    def _count(self, stamp: bytes) -> None:
        self._same = self._same + 1 if stamp == self._last else 1
        self._last = stamp


def _whole_second(stamp: bytes, otherwise: float) -> str:
    from datetime import datetime, timezone

    if stamp:
        return stamp.split(b".")[0].rstrip(b"Z").decode("ascii", "replace") + "Z"
    return datetime.fromtimestamp(otherwise, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _split(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        if len(rest) > LONGEST:
            rest = rest[:LONGEST]
