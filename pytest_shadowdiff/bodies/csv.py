"""CSV (RFC 4180) and its like with semicolons or tabs: rows, and where the first row names the columns, `$[3].price`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, compare_values, hold
from pytest_shadowdiff.model import Kind
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.places import written

_LOOKED_AT = 4096


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        columns: their names; empty where the first row names none.
        rows: objects by column, or lists where there are no names.
    """

    columns: list[str]
    rows: list[object]


def read(content: Content, terms: Terms) -> Table:
    """The rows of a table, of which there has to be more than text that happens to hold a comma."""
    hold(content.data.count(b",") + 4 * content.data.count(b"\n") + content.data.count(b";") + content.data.count(b"\t"), terms)
    try:
        text = content.data.decode(content.parameters.get("charset") or "utf-8-sig")
    except (UnicodeDecodeError, LookupError):
        raise UnreadableError("no CSV: it does not decode as text") from None
    rows: list[list[str]] = []
    try:
        for row in csv.reader(StringIO(text, newline=""), delimiter=_delimiter(content, text), strict=True):
            terms.budget.spend(1 + len(row))
            if row:
                rows.append(row)
    except csv.Error as error:
        raise UnreadableError(f"no CSV: {error}", f"row {len(rows) + 1}") from None
    return _table(rows, header=content.parameters.get("header", ""))


def _delimiter(content: Content, text: str) -> str:
    if content.media_type == "text/tab-separated-values":
        return "\t"
    first = text[:_LOOKED_AT].partition("\n")[0]
    return max(",;\t", key=first.count)


def _table(rows: list[list[str]], header: str) -> Table:
    names = rows[0] if rows else []
    named = header != "absent" and len(set(names)) == len(names) and all(name.strip() and not _is_number(name) for name in names)
    if not named or any(len(row) != len(names) for row in rows):
        return Table([], list(rows))
    return Table(names, [dict(zip(names, row, strict=True)) for row in rows[1:]])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def compare(primary: Table, candidate: Table, terms: Terms) -> list[Found]:
    """Columns that came, went or moved, then the cells of those that both have."""
    if bool(primary.columns) != bool(candidate.columns):
        return compare_values(_as_lists(primary), _as_lists(candidate), terms, booleans=False)
    lost = [name for name in primary.columns if name not in candidate.columns]
    gained = [name for name in candidate.columns if name not in primary.columns]
    found = [Found(f"$[*]{written([name], '')}", Kind.MISSING, name, None, name) for name in lost]
    found += [Found(f"$[*]{written([name], '')}", Kind.ADDED, None, name, name) for name in gained]
    kept, others = ([name for name in side.columns if name not in (*lost, *gained)] for side in (primary, candidate))
    if kept != others:
        found.append(Found("$", Kind.REORDERED, kept, others))
    rows, counterparts = (_with(side.rows, kept) if lost or gained else side.rows for side in (primary, candidate))
    return found + compare_values(rows, counterparts, terms, booleans=False)


def _as_lists(table: Table) -> list[object]:
    return [table.columns, *(list(row.values()) for row in table.rows if isinstance(row, dict))] if table.columns else table.rows


def _with(rows: list[object], names: list[str]) -> list[object]:
    return [{name: row[name] for name in names} for row in rows if isinstance(row, dict)]
