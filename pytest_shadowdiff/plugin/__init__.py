"""What pytest loads in every project that has the package installed: the options, the fixtures, and nothing that takes time.

The hooks that follow a test through its phases stand in `phases`; they are registered when a run is on, or a test asks for a fixture.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_shadowdiff.plugin import hookspecs
from pytest_shadowdiff.plugin.fixtures import async_shadow, shadow, shadow_url

if TYPE_CHECKING:
    import pytest

__all__ = ["async_shadow", "shadow", "shadow_url"]

MARKER = (
    "shadow(ignore=[], unordered=[], tolerance=[], endpoint='', allow_unsafe=False): "
    "rules for this test that come before the configuration's, and its permission to mirror writes"
)
CHECKED_EARLY = ("target", "primary", "config", "route")
"""The options that mean something even where no test ever asks for the mirror."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    from pytest_shadowdiff.plugin import options

    options.add(parser.getgroup("shadowdiff", "two versions of a service, compared by mirrored traffic (pytest-shadowdiff)"))


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let plugins of users take part."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Check options and configuration before any test runs."""
    config.addinivalue_line("markers", MARKER)
    if _concerned(config):
        from pytest_shadowdiff.plugin.phases import session_of

        session_of(config)


def _concerned(config: pytest.Config) -> bool:
    if any(config.getoption("shadow_" + name, None) for name in CHECKED_EARLY) or any(map(_ours, os.environ)):
        return True
    try:
        return b"tool.shadowdiff" in (config.rootpath / "pyproject.toml").read_bytes()
    except OSError:
        return False


def _ours(variable: str) -> bool:
    return variable.startswith("SHADOWDIFF_") and not variable.startswith("SHADOWDIFF_TEST_")
