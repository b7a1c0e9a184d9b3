"""The command line options, as the registries of mirrors, taps and reports allow them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_shadowdiff.mirror import MIRRORS
from pytest_shadowdiff.report import FORMATS
from pytest_shadowdiff.tap import TAPS

if TYPE_CHECKING:
    import pytest


def add(group: pytest.OptionGroup) -> None:
    """Register each option that is built; its environment variable is `SHADOWDIFF_` and its name."""

    def option(name: str, metavar: str | None, text: str, **how: object) -> None:
        settings = {"action": "store", "default": None, "metavar": metavar} | how
        group.addoption(f"--shadow-{name}", dest="shadow_" + name.replace("-", "_"), help=text, **settings)

    def switch(name: str, text: str) -> None:
        group.addoption(f"--shadow-{name}", dest="shadow_" + name.replace("-", "_"), action="store_true", default=False, help=text)

    option("target", "TARGET", "the candidate: a target's name or an http(s):// URL; turns the plugin on")
    option("primary", "TARGET", "the primary (default: `primary` in the configuration, else v1)")
    option("control", "TARGET|none", "who is asked a second time; `primary` (the default) asks the primary itself again where that is safe")
    option("mirror", "NAME", f"who sends the copies: {', '.join(MIRRORS)} (default: what the targets need, else local)")
    option("tap", "NAME", f"where both answers are seen: {', '.join(TAPS)} (default: the mirror's best)")
    option("percent", "P", "the share of requests that is mirrored (default: 100)")
    option("timeout", "SECONDS", "how long after the primary's answer the candidate's may take (default: 10)")
    switch("allow-unsafe", "permit mirroring methods other than GET, HEAD and OPTIONS for tests marked allow_unsafe: it takes both")
    option("report", "FORMAT[:PATH]", f"write a report: {', '.join(FORMATS)}; repeatable", action="append")
    switch("accept", "record the differences found as accepted instead of failing")
    option("config", "FILE", "configuration outside pyproject.toml")
    if any(backend.enacts_routes for backend in MIRRORS.values()):
        option("route", "FILE", "a VirtualService, DestinationRule or HTTPRoute in YAML that is enacted here; repeatable", action="append")
    if any("workload" in backend.ways for backend in MIRRORS.values()):
        option("allow-context", "NAME", "permit a Kubernetes context whose name looks like production")
