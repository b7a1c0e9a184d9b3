"""A user's project with a route file, and pytest run in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_shadowdiff.envoy import binary
from pytest_shadowdiff.errors import SetupError


def write(folder: Path, *, server: str, configuration: str, tests: str, route: str) -> Path:
    """Skip where there is no Envoy that could enact the route."""
    try:
        binary.find()
    except SetupError as error:
        pytest.skip(f"no Envoy: {error}")
    (folder / "server.py").write_text(server, encoding="utf-8")
    (folder / "pyproject.toml").write_text(configuration.replace("PYTHON", sys.executable), encoding="utf-8")
    (folder / "test_paths.py").write_text(tests, encoding="utf-8")
    (folder / "route.yaml").write_text(route, encoding="utf-8")
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SHADOWDIFF_"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
