"""Mirrors: who answers the caller, and who gets the copy. Nothing is observed here: that is the taps' job.

A backend is one module with a function `create(plan: MirrorPlan) -> Mirror` and one line in `MIRRORS`; one that changes
a cluster has `preview(plan: MirrorPlan) -> cluster.preview.Preview` as well, for `shadowdiff plan`. The registry is read
in every run of pytest, so nothing is imported here that takes time.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_shadowdiff.backends import Mirror, MirrorPlan
    from pytest_shadowdiff.settings import Settings


class Backend(NamedTuple):
    """What is known of a mirror before it is imported.

    Attributes:
        module: where its `create` stands.
        taps: the taps it can offer, its best first.
        enacts_routes: takes `--shadow-route` files.
        ways: the kinds of target it can mirror between: "url", "command", "image", "workload".
        needs: its module has a function `check(settings)` that looks, before any test, whether what it needs is here.
    """

    module: str
    taps: tuple[str, ...]
    enacts_routes: bool = False
    ways: tuple[str, ...] = ("url", "command", "image")
    needs: bool = False


MIRRORS: Mapping[str, Backend] = {
    "local": Backend("pytest_shadowdiff.mirror.local", taps=("proxy",)),
    "docker": Backend("pytest_shadowdiff.mirror.docker", taps=("envoy", "logs", "tcpdump"), enacts_routes=True, needs=True),
    "envoy": Backend("pytest_shadowdiff.mirror.envoy", taps=("envoy", "logs", "tcpdump"), enacts_routes=True, needs=True),
    "kubernetes": Backend("pytest_shadowdiff.mirror.kubernetes", taps=("envoy", "logs", "tcpdump"), ways=("workload", "url"), needs=True),
    "istio": Backend("pytest_shadowdiff.mirror.istio", taps=("envoy", "logs", "tcpdump"), ways=("workload",), needs=True),
    "gateway-api": Backend("pytest_shadowdiff.mirror.gateway_api", taps=("envoy", "logs", "tcpdump"), ways=("workload",), needs=True),
}


def check(settings: Settings) -> None:
    """Look whether what the mirror needs on this machine is here; nothing is started.

    Raises:
        SettingsError: it is not; the message says how to get it.
    """
    backend = MIRRORS[settings.mirror]
    if backend.needs:
        import_module(backend.module).check(settings)


def create(name: str, plan: MirrorPlan) -> Mirror:
    """The mirror of that name, not yet started."""
    mirror: Mirror = import_module(MIRRORS[name].module).create(plan)
    return mirror
