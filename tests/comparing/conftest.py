"""Property tests on a loaded machine: how many examples counts, not how long one takes."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, max_examples=50)
settings.load_profile("unhurried")
