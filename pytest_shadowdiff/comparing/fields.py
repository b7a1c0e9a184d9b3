"""The grammar of header fields (RFC 9110, 5): names, lists, quoted strings, parameters."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_shadowdiff.model import Headers


def values_of(headers: Headers, name: str) -> list[str]:
    """The values of all lines of that name (in lower case), in order."""
    return [value.strip() for each, value in headers if each.lower() == name]


def split(value: str, separator: str = ",") -> list[str]:
    """The parts of a list, without the blanks around them; a separator within quotes does not separate (RFC 9110, 5.6.1)."""
    if '"' not in value:
        return [part for each in value.split(separator) if (part := each.strip())]
    parts: list[str] = []
    start, quoted, n = 0, False, 0
    while n < len(value):
        character = value[n]
        if character == '"':
            quoted = not quoted
        elif character == "\\" and quoted:
            n += 1
        elif character == separator and not quoted:
            parts.append(value[start:n])
            start = n + 1
        n += 1
    parts.append(value[start:])
    return [part for each in parts if (part := each.strip())]


def elements(values: Sequence[str]) -> list[str]:
    """The elements of a list that may stand in several lines."""
    return [part for value in values for part in split(value)]


def unquoted(value: str) -> str:
    """What a quoted string says; anything else as it stands."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':  # noqa: PLR2004 - two quotes
        return value
    said: list[str] = []
    escaped = False
    for character in value[1:-1]:
        if character == "\\" and not escaped:
            escaped = True
            continue
        said.append(character)
        escaped = False
    return "".join(said)


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """What stands before the first semicolon, and the parameters after it, their names in lower case."""
    first, *rest = split(value, ";") or [""]
    named: dict[str, str] = {}
    for part in rest:
        name, _, said = part.partition("=")
        named[name.strip().lower()] = unquoted(said.strip())
    return first, named
