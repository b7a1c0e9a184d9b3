"""The tap `tcpdump` behind the mirrors that offer it on this machine, wherever the versions' packets pass."""

from __future__ import annotations

import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.error import HTTPError

import pytest

from pytest_shadowdiff.run import Hooks, Run
from pytest_shadowdiff.settings import Settings
from tests.mirrors.conftest import needs_envoy, target
from tests.packets import permitted

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "mirror, way",
    [
        pytest.param("envoy", "command", marks=needs_envoy),
        pytest.param("envoy", "image", marks=[needs_envoy, pytest.mark.docker]),
        pytest.param("docker", "command", marks=pytest.mark.docker),
        pytest.param("docker", "image", marks=pytest.mark.docker),
    ],
)
def test_both_versions_are_seen(mirror: str, way: str, tmp_path: Path) -> None:
    permitted()
    run = Run(Settings(target("v1", way), target("v2", way), mirror=mirror, tap="tcpdump", timeout=5, home=tmp_path), Hooks())
    try:
        run.start()
        entry = run.open("test")
        for path in ("/json", "/chunks", "/large?300000", "/v2/wrong", "/uuid"):
            with suppress(HTTPError):
                urllib.request.urlopen(entry.url + path).read()
        entry.finish()
        pairs = {pair.request.target: pair for pair in entry.pairs}
    finally:
        run.stop()
        run.remove()
    verdicts = {path: str(pair.verdict) for path, pair in pairs.items()}
    assert verdicts == {"/json": "same", "/chunks": "same", "/large?300000": "same", "/v2/wrong": "different", "/uuid": "noise"}
    assert {side.tap for pair in pairs.values() for side in (pair.primary, pair.candidate) if side} == {"tcpdump"}
