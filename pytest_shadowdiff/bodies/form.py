"""Forms (application/x-www-form-urlencoded): names and their values, the order of equal names kept, `$.name` or `$.name[1]`."""

from __future__ import annotations

from urllib.parse import parse_qsl

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, compare_values, hold
from pytest_shadowdiff.trees.found import Found


def read(content: Content, terms: Terms) -> dict[str, object]:
    """The values by name; a name that stands more than once has a list."""
    terms.budget.look()
    hold(20 * content.data.count(b"&"), terms)
    try:
        text = content.data.decode("ascii").strip()
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise UnreadableError("no form") from None
    named: dict[str, list[str]] = {}
    for name, value in pairs:
        named.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in named.items()}


def compare(primary: dict[str, object], candidate: dict[str, object], terms: Terms) -> list[Found]:
    """Where two forms differ."""
    return compare_values(primary, candidate, terms, booleans=False)
