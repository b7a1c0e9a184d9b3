"""Holds what pytest allows only beside its configuration."""

from __future__ import annotations

pytest_plugins = ("pytester",)
