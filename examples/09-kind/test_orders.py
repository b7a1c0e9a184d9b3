"""The same promise as in `08-kubernetes`: both versions keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


def test_an_order(shadow: httpx.Client) -> None:
    assert float(shadow.get("/orders/5").json()["total"]) == 22.5


def test_an_empty_order(shadow: httpx.Client) -> None:
    assert shadow.get("/orders/0").json()["items"] == []
