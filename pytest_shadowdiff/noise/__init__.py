"""What varies by itself, and what it looks like. Nothing is decided here: the judge decides."""

from __future__ import annotations

from pytest_shadowdiff.noise.evidence import Evidence

__all__ = ["Evidence"]
