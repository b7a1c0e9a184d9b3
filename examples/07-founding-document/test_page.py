"""The page's curl, as tests: what the caller sees is v1's answer, whatever happens to the copy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

PAGE = {"Host": "httpbin:8000"}


def test_headers(shadow: httpx.Client) -> None:
    seen = shadow.get("/headers", headers=PAGE).json()["headers"]
    assert seen["Host"] == "httpbin:8000"


def test_the_copy_says_that_it_is_one(shadow: httpx.Client) -> None:
    shadow.get("/get", headers=PAGE)
    for pair in shadow.check():
        seen = {name.lower(): value for name, value in pair.candidate.request.headers} if pair.candidate else {}
        assert seen.get("host", "httpbin-shadow:8000") == "httpbin-shadow:8000"


def test_the_caller_waits_for_v1_alone(shadow: httpx.Client) -> None:
    began = time.monotonic()
    assert shadow.get("/status/201", headers=PAGE).status_code == 201
    assert time.monotonic() - began < 10
