"""The page's curl, as tests: what the caller sees is v1's answer, and both versions' logs have the request."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx
    import pytest


def log_of(version: str) -> str:
    """What a version has written so far."""
    words = ["kubectl", "--namespace", "mirroring", "logs", f"deployment/httpbin-{version}", "--container", "httpbin"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_headers(shadow: httpx.Client) -> None:
    seen = shadow.get("/headers").json()["headers"]
    assert seen["Host"] == "httpbin:8000"


def test_who_got_the_request(shadow: httpx.Client, pytestconfig: pytest.Config) -> None:
    mirrored = bool(pytestconfig.getoption("shadow_target"))
    what = f"/headers?{'both' if mirrored else 'one'}"
    shadow.get(what)
    if mirrored:
        shadow.check()
    assert f"GET {what}" in log_of("v1")
    assert (f"GET {what}" in log_of("v2")) is mirrored


def test_a_redirect(shadow: httpx.Client) -> None:
    response = shadow.get("/redirect-to", params={"url": "http://httpbin:8000/get"}, follow_redirects=True)
    assert response.json()["url"].endswith("httpbin:8000/get")


def test_bytes(shadow: httpx.Client) -> None:
    assert len(shadow.get("/bytes/1000", params={"seed": 7}).content) == 1000
