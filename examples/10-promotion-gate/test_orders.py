"""What has to stay as it is, or nothing is promoted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx


@pytest.mark.parametrize("number", range(8))
def test_an_order(shadow: httpx.Client, number: int) -> None:
    assert shadow.get(f"/orders/{number}").json()["id"] == number
