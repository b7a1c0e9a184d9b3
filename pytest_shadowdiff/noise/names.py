"""Names of members: fields that may be optional, or data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_shadowdiff.noise import shapes, times

_MANY = 8


def counted(objects: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """In how many objects each name stands."""
    names: dict[str, int] = {}
    for members in objects:
        for name in members:
            names[name] = names.get(name, 0) + 1
    return names


def are_open(varying: Mapping[str, int]) -> bool:
    """Whether names that come and go are data (ids, dates, numbers) rather than fields that are optional."""
    if all(_is_data(name) for name in varying):
        return True
    return len(varying) >= _MANY and sum(count == 1 for count in varying.values()) > len(varying) / 2


def _is_data(name: str) -> bool:
    if name.isdigit() or shapes.known(name) or times.read(name):
        return True
    return len(name) >= shapes.TOKEN_LENGTH and any(character.isdigit() for character in name)
