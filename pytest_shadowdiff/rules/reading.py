"""Rules as they are written in a configuration or a marker -> `Rule`, with one clear error where something is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.model import Rule, Tolerance, Unordered
from pytest_shadowdiff.rules import endpoints
from pytest_shadowdiff.rules.paths import check

_RULE_KEYS = ("endpoint", "ignore", "unordered", "tolerance")
_UNORDERED_KEYS = ("path", "key")
_BOUNDS = ("absolute", "relative", "seconds")


def rule_from(mapping: object, origin: str) -> Rule:
    """One rule from a table of the configuration or the arguments of a marker.

    Args:
        origin: where it stands, for messages.

    Raises:
        SettingsError: with the place, the value, what is allowed and the nearest name.
    """
    table = _table(mapping, origin, _RULE_KEYS)
    return Rule(
        endpoint=_endpoint(table.get("endpoint", ""), f"{origin}, endpoint"),
        ignore=tuple(_path(each, f"{origin}, ignore[{n}]") for n, each in enumerate(_rows(table, "ignore", origin))),
        unordered=tuple(_unordered(each, f"{origin}, unordered[{n}]") for n, each in enumerate(_rows(table, "unordered", origin))),
        tolerance=tuple(_tolerance(each, f"{origin}, tolerance[{n}]") for n, each in enumerate(_rows(table, "tolerance", origin))),
        origin=origin,
    )


def rules_from(rules: object) -> tuple[Rule, ...]:
    """Rules made by hand, each checked as one that is written is.

    Raises:
        SettingsError: with the place (the rule's `origin`, or its number), the value, what is allowed and the nearest name.
    """
    if isinstance(rules, (str, bytes)) or not isinstance(rules, Sequence):
        raise SettingsError(f"rules: {rules!r} is no list of rules. Allowed: a list such as [Rule(ignore=['$.updated_at'])].")
    return tuple(_checked(rule, f"rules[{n}]") for n, rule in enumerate(rules))


def _checked(rule: object, place: str) -> Rule:
    if not isinstance(rule, Rule):
        raise SettingsError(f"{place}: {rule!r} is no rule. Allowed: a Rule, such as Rule(ignore=['$.updated_at']).")
    return rule_from({key: getattr(rule, key) for key in _RULE_KEYS}, rule.origin or place)


def _rows(table: Mapping[str, object], key: str, origin: str) -> list[object]:
    rows = table.get(key, [])
    if isinstance(rows, Sequence) and not isinstance(rows, (str, bytes)):
        return list(rows)
    raise SettingsError(f"{origin}, {key}: {rows!r} is no list. Allowed: a list such as {_SAMPLES[key]}.")


_SAMPLES = {
    "ignore": '["$.updated_at", "header:x-build"]',
    "unordered": '["$.items"] or [{path = "$.items", key = "id"}]',
    "tolerance": '[{path = "$..price", absolute = 0.01}]',
}


def _endpoint(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{place}: {value!r} is no text. Allowed: METHOD (or *) and a path template, such as 'GET /orders/{{id}}'.")
    if value:
        try:
            endpoints.compiled(value)
        except SettingsError as error:
            raise SettingsError(f"{place}: {error}") from None
    return value


def _path(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{place}: {value!r} is no text. Allowed: a path such as '$.updated_at', 'header:x-build' or 'status'.")
    try:
        check(value)
    except SettingsError as error:
        raise SettingsError(f"{place}: {error}") from None
    return value


def _unordered(value: object, place: str) -> Unordered:
    if isinstance(value, (str, Unordered)):
        value = {"path": value} if isinstance(value, str) else {"path": value.path, "key": value.key}
    table = _table(value, place, _UNORDERED_KEYS)
    key = table.get("key")
    if key is not None and not isinstance(key, str):
        raise SettingsError(f"{place}, key: {key!r} is no text. Allowed: the name of the member that identifies an element, such as 'id'.")
    return Unordered(_document_path(table, place), key)


def _tolerance(value: object, place: str) -> Tolerance:
    if isinstance(value, Tolerance):
        value = {"path": value.path} | {name: bound for name in _BOUNDS if (bound := getattr(value, name)) is not None}
    table = _table(value, place, ("path", *_BOUNDS))
    bounds = {name: _bound(table[name], f"{place}, {name}") for name in _BOUNDS if table.get(name) is not None}
    if not bounds:
        raise SettingsError(f"{place}: no bound is given. Allowed: one or more of {', '.join(_BOUNDS)}.")
    return Tolerance(_document_path(table, place), **bounds)


def _bound(value: object, place: str) -> float:
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value) and value >= 0:
            return float(value)
    except OverflowError:  # an integer beyond all floats
        pass
    raise SettingsError(f"{place}: {value!r} is no bound. Allowed: a number of 0 or more.")


def _document_path(table: Mapping[str, object], place: str) -> str:
    if "path" not in table:
        raise SettingsError(f"{place}: the path is missing. Allowed: a path such as '$.items'.")
    return _path(table["path"], f"{place}, path")


def _table(value: object, place: str, allowed: Iterable[str]) -> Mapping[str, object]:
    names = tuple(allowed)
    if not isinstance(value, Mapping):
        raise SettingsError(f"{place}: {value!r} is no table. Allowed keys: {', '.join(names)}.")
    for key in value:
        if key not in names:
            near = get_close_matches(str(key), names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"{place}: unknown key {key!r}. Allowed: {', '.join(names)}.{hint}")
    return value
