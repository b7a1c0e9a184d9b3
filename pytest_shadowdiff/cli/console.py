"""Where a subcommand prints: in the terminal's width and colours, if it is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console() -> Console:
    """Standard output; plain text where it is no terminal."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def show(out: Console, text: str, markup: Mapping[str, bool] | None = None) -> None:
    """Print a line with pytest's names for colours."""
    names = {"light": "dim"}
    style = " ".join(names.get(name, name) for name, wanted in (markup or {}).items() if wanted)
    out.print(text, style=style or None)
