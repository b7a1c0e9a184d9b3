"""The page's `kubectl logs`: with step one only v1's log has the request, with step two both have it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx
    import pytest

PAGE = {"Host": "httpbin:8000"}
LABEL = "pytest-shadowdiff.target"


def log_of(version: str) -> str:
    """What a version has written so far."""
    names = subprocess.run(["docker", "ps", "--quiet", "--filter", f"label={LABEL}={version}"], capture_output=True, text=True, check=True)
    (container,) = names.stdout.split()
    written = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True)
    return written.stdout + written.stderr


def test_who_got_the_request(shadow: httpx.Client, pytestconfig: pytest.Config) -> None:
    mirrored = len(pytestconfig.getoption("shadow_route")) == 2
    shadow.get("/headers?who", headers=PAGE)
    shadow.check()
    assert "GET /headers?who" in log_of("v1")
    assert ("GET /headers?who" in log_of("v2")) is mirrored
