"""What the shop's users rely on, asked of the Gateway; both versions pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


def test_an_order(shadow: httpx.Client) -> None:
    answer = shadow.get("/orders/5")
    assert float(answer.json()["total"]) == 22.5


def test_a_page_that_is_not_there(shadow: httpx.Client) -> None:
    assert shadow.get("/orders/none").status_code == 404
