"""A field is a path with its list positions left out: what all answers of an endpoint have in common. Some of them are kept, never all."""

from __future__ import annotations

import re
from typing import Any
from zlib import crc32

_POSITION = re.compile(r"\[\d+\]")


def general(path: str) -> str:
    """A path of any kind without its list positions: `$.items[3].id` is `$.items[*].id`."""
    return _POSITION.sub("[*]", path)


def keep(kept: set[str] | dict[str, Any], most: int) -> None:
    """Drop what is over `most`, by a checksum of the names, so that the order in which they came does not matter.

    What was dropped once is dropped whenever it comes again, so what stays has been kept from the beginning.
    """
    while len(kept) > most:
        last = max(kept, key=_order)
        if isinstance(kept, set):
            kept.discard(last)
        else:
            del kept[last]


def _order(text: str) -> tuple[int, str]:
    return crc32(text.encode("utf-8", "surrogatepass")), text
