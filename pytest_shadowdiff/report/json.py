"""The JSON report, written pair by pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_shadowdiff.report.files import replaced

if TYPE_CHECKING:
    from pytest_shadowdiff.report.outline import Reported


def write(run: Reported, path: Path) -> Path:
    """Write the report; a file that stood there is replaced only by a whole one."""
    with replaced(path) as file:
        file.write(json.dumps(run.outline(), indent=1).removesuffix("\n}") + ',\n "pairs": [')
        separator = "\n  "
        for record in run.records():
            file.write(separator + json.dumps(record))
            separator = ",\n  "
        file.write("\n ]\n}\n")
    return path
