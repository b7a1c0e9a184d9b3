"""Tests of the warehouse as it is; they know nothing of two versions, nor of containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx


def test_the_shelf(shadow: httpx.Client) -> None:
    assert [one["article"] for one in shadow.get("/articles").json()] == ["bolt", "nut", "washer"]


@pytest.mark.parametrize("name", ["bolt", "nut", "washer"])
def test_an_article(shadow: httpx.Client, name: str) -> None:
    assert shadow.get(f"/articles/{name}").json()["article"] == name


def test_what_is_not_there(shadow: httpx.Client) -> None:
    assert shadow.get("/articles/hammer").status_code == 404
