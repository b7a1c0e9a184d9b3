"""A TOML table that is read key by key, and complains with place, value, what is allowed and the nearest name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches

from pytest_shadowdiff.errors import SettingsError

_WIDEST = 60


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as ` Did you mean "v2"?`, or nothing."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f' Did you mean "{close[0]}"?' if close else ""


def one_of(place: str, value: str, known: Collection[str], what: str) -> str:
    """`value`, if it is known.

    Raises:
        SettingsError: it is not.
    """
    if value in known:
        return value
    allowed = ", ".join(sorted(known)) or "none"
    message = f"{place}: {value!r} is no {what}. Allowed: {allowed}.{nearest(value, known)}"
    raise SettingsError(message)


class Table:
    """One table of the configuration; `place` names it in every complaint.

    Each getter returns None where the key is absent and raises `SettingsError` where its value is of the wrong type.
    """

    def __init__(self, values: object, place: str, keys: Collection[str]) -> None:
        if not isinstance(values, Mapping):
            message = f"{place}: expected a table, not {describe(values)}."
            raise SettingsError(message)
        self.values: Mapping[str, object] = values
        self.place = place
        for key in values:
            if key not in keys:
                message = f"{place}: unknown key {key!r}. Allowed: {', '.join(sorted(keys))}.{nearest(key, keys)}"
                raise SettingsError(message)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def wrong(self, key: str, expected: str) -> SettingsError:
        """The complaint about a key's value."""
        return SettingsError(f"{self.place}.{key}: expected {expected}, not {describe(self.values[key])}.")

    def raw(self, key: str) -> object:
        """The value as TOML gave it."""
        return self.values.get(key)

    def text(self, key: str) -> str | None:
        """A string."""
        value = self.values.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self.wrong(key, "a string")

    def flag(self, key: str) -> bool | None:
        """A boolean."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.wrong(key, "true or false")

    def number(self, key: str, *, least: float = 0.0, most: float | None = None) -> float | None:
        """A finite number within bounds, both included."""
        value = self.values.get(key)
        if value is None:
            return None
        bounds = f"a number of at least {least:g}" if most is None else f"a number from {least:g} to {most:g}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(key, bounds)
        if not least <= value <= (float("1e308") if most is None else most):
            raise self.wrong(key, bounds)
        return float(value)

    def whole(self, key: str, *, least: int = 0, most: int | None = None) -> int | None:
        """A whole number within bounds, both included."""
        value = self.number(key, least=least, most=most)
        if value is None:
            return None
        if value != int(value):
            raise self.wrong(key, "a whole number")
        return int(value)

    def words(self, key: str) -> Sequence[str] | None:
        """A list of strings; one string stands for a list of one."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise self.wrong(key, "a list of strings")

    def strings(self, key: str) -> Mapping[str, str] | None:
        """A table whose values are strings (numbers are taken as they are written)."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, Mapping) and all(isinstance(item, (str, int, float)) for item in value.values()):
            return {name: str(item) for name, item in value.items()}
        raise self.wrong(key, "a table of strings")


def describe(value: object) -> str:
    """A value as a message shows it: short, with its type."""
    shown = repr(value)
    if len(shown) > _WIDEST:
        shown = shown[:_WIDEST] + "…"
    return f"{shown} ({type(value).__name__})"
