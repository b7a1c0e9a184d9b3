"""`shadow`, `async_shadow` and `shadow_url`: a test's own way into the mirror, in three forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_shadowdiff.plugin.clients import AsyncShadowClient, ShadowClient


@pytest.fixture
def shadow_url(request: pytest.FixtureRequest) -> str:
    """The base URL of this test's own entry into the mirror, for any client at all."""
    from pytest_shadowdiff.plugin.phases import session_of

    return session_of(request.config).entry(request.node).url


@pytest.fixture
def shadow(request: pytest.FixtureRequest, shadow_url: str) -> Iterator[ShadowClient]:
    """An httpx.Client on the mirror: the primary answers, the candidate gets a copy and has to mean the same."""
    from pytest_shadowdiff.plugin.clients import ShadowClient
    from pytest_shadowdiff.plugin.phases import session_of

    session = session_of(request.config)
    with ShadowClient(shadow_url, session.entry(request.node), lambda: session.check(request.node)) as client:
        yield client


@pytest.fixture
def async_shadow(request: pytest.FixtureRequest, shadow_url: str) -> AsyncShadowClient:
    """An httpx.AsyncClient on the mirror: the primary answers, the candidate gets a copy and has to mean the same."""
    from pytest_shadowdiff.plugin.clients import AsyncShadowClient
    from pytest_shadowdiff.plugin.phases import session_of

    session = session_of(request.config)
    return AsyncShadowClient(shadow_url, session.entry(request.node), lambda: session.check(request.node))
