"""A third target as control: asked each safe request, through the mirror, and seen by the same tap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pytest_shadowdiff.mirror import MIRRORS
from pytest_shadowdiff.run import Hooks, Run
from pytest_shadowdiff.settings import Settings
from tests.mirrors.conftest import Caller, Mirrored, needs_envoy, target


@pytest.fixture(scope="module", params=["local", pytest.param("envoy", marks=needs_envoy)])
def third(request: pytest.FixtureRequest) -> Iterator[Mirrored]:
    settings = Settings(
        primary=target("v1", "command"),
        candidate=target("v2", "command"),
        control=replace(target("v1", "command"), name="v1 again"),
        mirror=request.param,
        tap=MIRRORS[request.param].taps[0],
        timeout=2.0,
    )
    run = Run(settings, Hooks())
    try:
        run.start()
        yield Mirrored(request.param, run, {})
    finally:
        run.stop()
        run.remove()


def test_each_safe_request_has_its_control(third: Mirrored, request: pytest.FixtureRequest) -> None:
    caller = Caller(third, third.run.open(request.node.nodeid))
    for path in ("/json", "/uuid", "/v2/wrong", "/chunks"):
        caller.ask(path)
    pairs = {pair.request.target: pair for pair in caller.pairs()}
    assert str(pairs["/json"].verdict) == str(pairs["/chunks"].verdict) == "same"
    assert str(pairs["/uuid"].verdict) == "noise"
    assert str(pairs["/v2/wrong"].verdict) == "different"
    for pair in pairs.values():
        assert pair.control is not None
        assert pair.control.response is not None
        assert pair.primary is not None
        assert pair.control.tap == pair.primary.tap
