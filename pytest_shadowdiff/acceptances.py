"""Differences that a team accepts, in a file beside the configuration: narrow, dated, reviewed by people, free of secrets.

An entry lets one kind of difference through at one path of one endpoint, with the values it names, and nothing else. What is
accepted is what was seen: another value at the same path is a difference again.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.model import Difference, Kind
from pytest_shadowdiff.noise import shapes, times

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_NAME = "shadowdiff-accepted.toml"

_KEYS = ("endpoint", "path", "kind", "values", "reason", "expires")
_SIDES = ("primary", "candidate")
_HEAD = """\
# Differences that are accepted, written by `pytest --shadow-accept`.
# Each entry lets these values through at this path, and nothing else. Give it a reason, and an `expires` date
# after which the difference counts again. Delete what is no longer needed.
"""
_LONGEST = 160
_TOKEN = 16
_SURROGATE = re.compile(r"[\ud800-\udfff]")

Values = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One entry of the file.

    Attributes:
        values: the primary's and the candidate's, as JSON text; `sha256:…` stands for a long one, `shape: …` for one that
            varies or is secret, an empty text for one that is missing.
        expires: the last day on which it holds; None for ever.
        line: where it stands in the file; 0 where it is new.
    """

    endpoint: str
    path: str
    kind: str
    values: tuple[Values, ...]
    reason: str = ""
    expires: date | None = None
    line: int = field(default=0, compare=False)

    def key(self) -> tuple[str, str, str]:
        """What an entry is one of."""
        return self.endpoint, self.path, self.kind


def load(path: Path) -> tuple[Acceptance, ...]:
    """The entries of a file; none where there is no file.

    Raises:
        SettingsError: the file cannot be read, or an entry is wrong; with the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}.") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: no TOML: {error}.") from None
    for key in document:
        if key != "accepted":
            raise SettingsError(f"{path}: unknown key {key!r}. Allowed: tables [[accepted]].")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.split("#")[0].strip() == "[[accepted]]"]
    rows = document.get("accepted", [])
    if not isinstance(rows, list):
        raise SettingsError(f"{path}: 'accepted' is no list of tables. Allowed: tables [[accepted]].")
    entries = [_entry(row, path, lines[n] if n < len(lines) else 0) for n, row in enumerate(rows)]
    seen: dict[tuple[str, str, str], Acceptance] = {}
    for entry in entries:
        if entry.key() in seen:
            raise SettingsError(
                f"{path}, line {entry.line}: the entry of line {seen[entry.key()].line} has this endpoint, path and kind already."
            )
        seen[entry.key()] = entry
    return tuple(entries)


def _entry(row: object, path: Path, line: int) -> Acceptance:
    place = f"{path}, line {line}"
    if not isinstance(row, Mapping):
        raise SettingsError(f"{place}: {row!r} is no table. Allowed keys: {', '.join(_KEYS)}.")
    for key in row:
        if key not in _KEYS:
            near = get_close_matches(str(key), _KEYS, n=1)
            raise SettingsError(
                f"{place}: unknown key {key!r}. Allowed: {', '.join(_KEYS)}.{f' Did you mean {near[0]!r}?' if near else ''}"
            )
    texts = {key: _text(row.get(key, "" if key == "reason" else None), key, place) for key in ("endpoint", "path", "kind", "reason")}
    if texts["kind"] not in {str(kind) for kind in Kind}:
        raise SettingsError(f"{place}: {texts['kind']!r} is no kind. Allowed: {', '.join(map(str, Kind))}.")
    return Acceptance(**texts, values=_values(row.get("values"), place), expires=_date(row.get("expires"), place), line=line)


def _text(value: object, key: str, place: str) -> str:
    if isinstance(value, str) and (value or key in ("reason", "endpoint")):
        return value
    raise SettingsError(f"{place}: {key} " + ("is missing." if value is None else f"= {value!r} is no text."))


def _values(rows: object, place: str) -> tuple[Values, ...]:
    if not isinstance(rows, list) or not rows:
        raise SettingsError(f"{place}: values is no list. Allowed: a list of tables {{primary = '…', candidate = '…'}}.")
    pairs = []
    for row in rows:
        if not isinstance(row, Mapping) or not set(row) <= set(_SIDES) or not all(isinstance(value, str) for value in row.values()):
            raise SettingsError(f"{place}: values: {row!r} is no table {{primary = '…', candidate = '…'}} of JSON texts.")
        pairs.append((row.get("primary", ""), row.get("candidate", "")))
    return tuple(sorted(set(pairs)))


def _date(value: object, place: str) -> date | None:
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    raise SettingsError(f"{place}: expires = {value!s} is no date. Allowed: a date such as 2030-12-31, without quotes.")


def which(acceptances: Iterable[Acceptance], endpoint: str, difference: Difference, today: date) -> Acceptance | None:
    """The entry that lets a difference through; None where none does."""
    key = (endpoint, difference.path, difference.kind)
    for entry in acceptances:
        if (
            entry.key() == key
            and (entry.expires is None or today <= entry.expires)
            and any(_holds(pair, difference) for pair in entry.values)
        ):
            return entry
    return None


def accepts(acceptances: Iterable[Acceptance], endpoint: str, difference: Difference, today: date) -> bool:
    """Whether an entry that has not expired lets a difference through."""
    return which(acceptances, endpoint, difference, today) is not None


def _holds(values: Values, difference: Difference) -> bool:
    return all(_is(accepted, value) for accepted, value in zip(values, _sides(difference), strict=True))


def _is(accepted: str, value: _Side) -> bool:
    if accepted.startswith("shape: "):
        return accepted == value.shape()
    return accepted == value.text()


def record(
    acceptances: Iterable[Acceptance], found: Iterable[tuple[str, Difference]], *, secret: Callable[[Difference], bool] | None = None
) -> tuple[Acceptance, ...]:
    """The entries with those that let the given differences through; reasons and expiry dates stay.

    Args:
        found: endpoints and their differences, in any order.
        secret: whether a difference holds a secret: then its shape is written down, not its value.
    """
    entries = {entry.key(): entry for entry in acceptances}
    for endpoint, difference in found:
        varies = difference.kind == Kind.SHAPE_CHANGED or (secret is not None and secret(difference))
        primary, candidate = (side.shape() if varies else side.text() for side in _sides(difference))
        key = (endpoint, difference.path, difference.kind)
        entry = entries.get(key) or Acceptance(*key, values=())
        entries[key] = replace(entry, values=tuple(sorted({*entry.values, (primary, candidate)})))
    return tuple(entries[key] for key in sorted(entries))


def save(path: Path, acceptances: Sequence[Acceptance]) -> None:
    """Write the file, whole or not at all; the same entries make the same bytes.

    Raises:
        SettingsError: it cannot be written.
    """
    text = _HEAD + "".join(map(_written, sorted(acceptances, key=Acceptance.key)))
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise SettingsError(f"{path}: cannot be written: {error}.") from None


def _written(entry: Acceptance) -> str:
    lines = ["", "[[accepted]]", *(f"{key} = {_quoted(getattr(entry, key))}" for key in ("endpoint", "path", "kind"))]
    lines.append("values = [")
    for pair in entry.values:
        sides = ", ".join(f"{name} = {_quoted(value)}" for name, value in zip(_SIDES, pair, strict=True) if value)
        lines.append(f"  {{{sides}}},")
    lines += ["]", f"reason = {_quoted(entry.reason)}"]
    if entry.expires is not None:
        lines.append(f"expires = {entry.expires.isoformat()}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML string: literal where it can be, for JSON texts are full of quotes."""
    if "'" not in text and '"' in text and text.isprintable():
        return f"'{text}'"
    escaped = json.dumps(_SURROGATE.sub("\ufffd", text), ensure_ascii=False)
    return "".join(f"\\u{ord(character):04X}" if "\x7f" <= character <= "\x9f" else character for character in escaped)


@dataclass(frozen=True, slots=True)
class _Side:
    """One side's value; a value that is missing is not null."""

    value: object
    there: bool

    def text(self) -> str:
        if not self.there:
            return ""
        text = json.dumps(self.value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain)
        text = _SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
        return text if len(text) <= _LONGEST else f"sha256:{sha256(text.encode()).hexdigest()}"

    def shape(self) -> str:
        return f"shape: {_shape(self.value)}" if self.there else ""


def _sides(difference: Difference) -> tuple[_Side, _Side]:
    header = difference.path.startswith("header:")
    there = (
        difference.kind != Kind.ADDED and not (header and difference.primary is None),
        difference.kind != Kind.MISSING and not (header and difference.candidate is None),
    )
    return _Side(difference.primary, there[0]), _Side(difference.candidate, there[1])


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    return value.hex() if isinstance(value, bytes) else repr(value)


def _shape(value: object) -> str:
    """What a value looks like, so that the next one of its sort is let through too."""
    if not isinstance(value, str):
        names: dict[type, str] = {type(None): "null", bool: "boolean", list: "array", dict: "object"}
        return names.get(type(value), "number")
    known = shapes.known(value)
    if known is not None:
        return known
    moment = times.read(value)
    if moment is not None:
        return f"time, {moment.format}"
    return f"text of {len(value)} characters" if len(value) < _TOKEN else f"{shapes.alphabet([value]).name} of {len(value)} characters"
