"""Writes the tables of mirrors.md from what the code declares: `python docs/tables.py`, with `--check` to compare only."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from pytest_shadowdiff.mirror import MIRRORS
from pytest_shadowdiff.tap import TAPS

PAGE = Path(__file__).with_name("mirrors.md")
PARTS = ("status", "headers", "body", "trailers")
WAYS = ("url", "command", "image", "workload")


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def mark(*, there: bool) -> str:
    return "yes" if there else "no"


def mirrors() -> str:
    lines = [row(["mirror", *(f"`{way}`" for way in WAYS), "route files", "taps, its best first"]), row(["---"] * (len(WAYS) + 3))]
    for name, mirror in sorted(MIRRORS.items()):
        ways = [mark(there=way in mirror.ways) for way in WAYS]
        lines.append(row([f"`{name}`", *ways, mark(there=mirror.enacts_routes), ", ".join(f"`{tap}`" for tap in mirror.taps)]))
    return "\n".join(lines)


def taps() -> str:
    lines = [row(["tap", *PARTS, "best verdict", "with the mirrors"]), row(["---"] * (len(PARTS) + 3))]
    for name, tap in sorted(TAPS.items()):
        seen = [mark(there=part not in tap.not_seen) for part in PARTS]
        having = ", ".join(f"`{mirror}`" for mirror, backend in sorted(MIRRORS.items()) if name in backend.taps)
        lines.append(row([f"`{name}`", *seen, "`partial`" if tap.not_seen else "`same`", having]))
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with the tables as they have to be."""
    for name, table in (("mirrors", mirrors()), ("taps", taps())):
        begin, end = f"<!-- {name}: docs/tables.py -->", f"<!-- end of {name} -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        sys.exit(0 if written(text) == text else "docs/mirrors.md is not what the code declares: run `python docs/tables.py`")
    PAGE.write_text(written(text), encoding="utf-8")
