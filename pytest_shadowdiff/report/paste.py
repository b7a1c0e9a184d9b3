"""The rule that would silence a difference, to be pasted into the configuration by whoever knows that it means nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from pytest_shadowdiff.model import Kind
from pytest_shadowdiff.report.paths import place
from pytest_shadowdiff.report.text import visible

_ELEMENT = re.compile(r"\[(?:\d+|\*)\]\Z")
_ONE_SIDED = frozenset({Kind.MISSING, Kind.ADDED})


def rule_lines(endpoint: str, places: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of TOML; none where no rule says it without hiding much more.

    Args:
        endpoint: `METHOD template`.
        places: (path, kind) of each difference.
    """
    ignore, unordered = _sorted_out(places)
    if not ignore and not unordered:
        return []
    lines = ["[[tool.shadowdiff.rules]]", f"endpoint = {_toml(endpoint)}"]
    if ignore:
        lines.append(f"ignore = [{', '.join(map(_toml, ignore))}]")
    if unordered:
        lines.append(f"unordered = [{', '.join(map(_toml, unordered))}]")
    return lines


def _sorted_out(places: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    ignore: dict[str, None] = {}
    unordered: dict[str, None] = {}
    for path, kind in places:
        if kind == Kind.REORDERED:
            unordered[place(path)] = None
        elif kind in _ONE_SIDED and _ELEMENT.search(path):
            # To ignore all elements would hide far more than one that is there or not: only the very element is named.
            ignore |= {} if path.endswith("[*]") else {path: None}
        else:
            ignore[place(path)] = None
    return list(ignore), list(unordered)


def _toml(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for what a terminal must not see."""
    return visible(json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f"))
