"""Paths of differences, as people read and write them."""

from __future__ import annotations

import re

_POSITION = re.compile(r"\[\d+\]")


def place(path: str) -> str:
    """A path with its positions in lists generalised: `$.items[3].price` -> `$.items[*].price`."""
    return _POSITION.sub("[*]", path)
