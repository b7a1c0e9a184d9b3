"""A run in a process of its own that counts its changing calls, and after the n-th of them is killed, stopped or cut off.

Usage: counted_run.py SCENARIO ACTION N NAMESPACE, with ACTION one of kill, stop, cut, none. It prints each changing call; for
`cut` it then waits for a line on its standard input. At its end it prints "ended" or the error.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pytest_shadowdiff.backends import MirrorPlan
from pytest_shadowdiff.cluster import patching
from pytest_shadowdiff.cluster.connecting import Connection, connect
from pytest_shadowdiff.cluster.hold import Hold
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, SERVICES, Ref
from pytest_shadowdiff.errors import ShadowError
from pytest_shadowdiff.mirror import create
from pytest_shadowdiff.settings import Service, Settings, Target

RUN = "c0ffee01"
SECONDS = 2.0


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def count(action: str, number: int) -> None:
    """Let each call that changes something be counted, and do what was asked for after the n-th."""
    calls = 0
    call = Connection.call

    def counted(self: Connection, method: str, path: str, *rest: Any, **named: Any) -> Any:
        nonlocal calls
        answer = call(self, method, path, *rest, **named)
        renewal = method == "PATCH" and "/leases/" in path
        if method != "GET" and "accessreviews" not in path and not renewal:
            calls += 1
            say("call", calls, method, path)
            if calls == number:
                act(action)
        return answer

    Connection.call = counted  # type: ignore[method-assign]


def act(action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if action == "cut":
        say("cut")
        sys.stdin.readline()


def mirror(namespace: str, name: str = "kubernetes") -> None:
    """A mirror of a cluster, up and down again."""
    versions = [Target(name, workload={"labels": {"version": name}}) for name in ("v1", "v2")]
    service = Service("shop", namespace, 8000, lease_seconds=SECONDS, wait_seconds=20)
    settings = Settings(primary=versions[0], candidate=versions[1], mirror=name, service=service)
    made = create(name, MirrorPlan(settings, RUN, Path(tempfile.mkdtemp()), None, None))
    made.start()
    made.stop()


def edits(namespace: str) -> None:
    """Edits of somebody's Service, and an object of our own, as mirrors that patch routes make them."""

    def plan(found: dict[str, Any]) -> list[patching.Edit]:
        annotated = patching.setting(found, ("metadata", "annotations", "ours"), "1")
        return [*annotated, patching.inserting(found, ("spec", "externalIPs"), "192.0.2.7")]

    connection = connect(None, None)
    hold = Hold(connection, namespace, "shop", RUN, SECONDS)
    hold.take(20)
    try:
        hold.changes.create(Ref(CONFIG_MAPS, namespace, "made"), {"data": {"some": "thing"}}, "configuration")
        hold.changes.edit(Ref(SERVICES, namespace, "shop"), plan)
    finally:
        hold.end()


if __name__ == "__main__":
    scenario, action, number, namespace = sys.argv[1:]
    count(action, int(number))
    meshes = {name: partial(mirror, name=name) for name in ("istio", "gateway-api")}
    scenarios: dict[str, Callable[[str], None]] = {"mirror": mirror, "edits": edits, **meshes}
    try:
        scenarios[scenario](namespace)
    except ShadowError as error:
        say("error", str(error).replace("\n", " "))
        sys.exit(3)
    say("ended")
