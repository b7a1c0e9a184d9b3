"""The marker `shadow`: what a test says of itself, as rules that come before the configuration's, and what it permits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.rules import rule_from
from pytest_shadowdiff.settings.table import nearest

if TYPE_CHECKING:
    import pytest

    from pytest_shadowdiff.model import Rule

RULE_KEYS = ("endpoint", "ignore", "unordered", "tolerance")
KEYS = (*RULE_KEYS, "allow_unsafe")


@dataclass(frozen=True, slots=True)
class Mark:
    """What the markers of one test say, the nearest first."""

    rules: tuple[Rule, ...] = ()
    allow_unsafe: bool = False


def mark_of(item: pytest.Item) -> Mark:
    """The markers of a test.

    Raises:
        SettingsError: an argument is unknown or wrong.
    """
    rules: list[Rule] = []
    permissions: list[bool] = []
    for marker in item.iter_markers("shadow"):
        place = f"{item.nodeid}, @pytest.mark.shadow"
        if marker.args:
            message = f"{place}: takes keyword arguments only: {', '.join(KEYS)}."
            raise SettingsError(message)
        for key in marker.kwargs:
            if key not in KEYS:
                message = f"{place}: unknown argument {key!r}. Allowed: {', '.join(KEYS)}.{nearest(key, KEYS)}"
                raise SettingsError(message)
        if "allow_unsafe" in marker.kwargs:
            permissions.append(_permission(marker.kwargs["allow_unsafe"], place))
        ruled = {key: _plain(value) for key, value in marker.kwargs.items() if key in RULE_KEYS}
        if ruled:
            rules.append(rule_from(ruled, place))
    return Mark(tuple(rules), permissions[0] if permissions else False)


def _permission(value: object, place: str) -> bool:
    if isinstance(value, bool):
        return value
    message = f"{place}: allow_unsafe takes True or False, not {value!r}."
    raise SettingsError(message)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, (tuple, set, frozenset)) else value


def check(items: Iterable[pytest.Item]) -> None:
    """Look at the markers of all tests before any of them runs.

    Raises:
        SettingsError: one of them is wrong.
    """
    for item in items:
        if item.get_closest_marker("shadow") is not None:
            mark_of(item)
