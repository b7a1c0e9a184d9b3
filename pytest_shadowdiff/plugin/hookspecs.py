"""What plugins and conftest files of users may implement; the first three may answer None for "as usual"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_shadowdiff.model import Pair, Request, Response


@pytest.hookspec(firstresult=True)
def pytest_shadowdiff_endpoint(request: Request) -> str | None:
    """The endpoint of a request, `METHOD template`: `GET /orders/{id}`."""


@pytest.hookspec(firstresult=True)
def pytest_shadowdiff_normalize(request: Request, response: Response) -> Response | None:
    """A response as it is to be compared, of the primary, the candidate and the control alike."""


@pytest.hookspec(firstresult=True)
def pytest_shadowdiff_redact(name: str, value: object) -> object | None:
    """What a report shows instead of the value of a header, query parameter or field."""


@pytest.hookspec
def pytest_shadowdiff_judged(pair: Pair) -> None:
    """Called with each pair as soon as its verdict is final, beside the traffic and never on the caller's way."""
