"""Renders docs/failure.svg from what a run really prints: python docs/picture.py (needs rich, and what examples/02-own-service needs)."""

from __future__ import annotations

import io
import os
import re
import subprocess
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
COMMAND = ["pytest", "--no-header", "-p", "no:asyncio", "--color=yes", "--shadow-target=v2"]
FONT_FROM_ELSEWHERE = re.compile(r"@font-face \{.*?\}", re.DOTALL)
COLUMNS = 92


def main() -> None:
    """Run the example's tests in a terminal of a fixed width, and draw what they print."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS)}
    done = subprocess.run(COMMAND, cwd=ROOT / "examples" / "02-own-service", env=environment, capture_output=True, text=True, check=False)
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text("$ pytest --shadow-target=v2", style="bold"))
    console.print(Text.from_ansi(done.stdout))
    svg = FONT_FROM_ELSEWHERE.sub("", console.export_svg(title="pytest-shadowdiff"))
    (ROOT / "docs" / "failure.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
