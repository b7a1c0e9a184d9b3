"""MessagePack, where the library is installed (`pytest-shadowdiff[binary]`); without it, bytes."""

from __future__ import annotations

from typing import Any

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, compare_values, hold
from pytest_shadowdiff.trees.budget import too_deep
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.values import named

_CONTAINERS = bytes(range(0x80, 0xC0))  # and short strings: what takes far more room in memory than here


def read(content: Content, terms: Terms) -> object:
    """The value, its maps' keys as text."""
    try:
        import msgpack  # type: ignore[import-untyped]
    except ImportError:
        raise UnreadableError("the library for MessagePack is not installed (pytest-shadowdiff[binary])") from None
    hold(max(len(content.data) // 2, 2 * (len(content.data) - len(content.data.translate(None, _CONTAINERS)))), terms)
    try:
        value: Any = msgpack.unpackb(content.data, raw=False, strict_map_key=False, timestamp=0, unicode_errors="surrogateescape")
    except msgpack.StackError:
        raise too_deep(terms.budget.limits) from None
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise UnreadableError(f"no MessagePack: {error}") from None
    return named(value, terms.budget)


def compare(primary: object, candidate: object, terms: Terms) -> list[Found]:
    """Where two values differ."""
    return compare_values(primary, candidate, terms)
