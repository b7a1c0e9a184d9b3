"""Reports: what people and programs read after a run. Nothing is judged here, and nothing leaves that was not redacted.

A format is one module with a function `write(run, path) -> None` and one line in `FORMATS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.errors import ShadowError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_shadowdiff.model import Pair
    from pytest_shadowdiff.redact import Redactor
    from pytest_shadowdiff.report.outline import Reported
    from pytest_shadowdiff.settings import Report

__all__ = ["FORMATS", "pair_record", "write"]

FORMATS: Mapping[str, str | None] = {
    "html": "shadowdiff-report.html",
    "json": "shadowdiff-report.json",
    "markdown": "shadowdiff-report.md",
    "har": "shadowdiff-report.har",
    "github": None,
}
"""The formats, with the name of the file that each is written to by default; None where it is no file."""

_NEEDS = {"jinja2": "html", "markupsafe": "html"}


def pair_record(pair: Pair, redactor: Redactor) -> dict[str, Any]:
    """A judged pair in the JSON report's form: decoded, redacted, cut."""
    from pytest_shadowdiff.report import records

    return records.pair_record(pair, redactor)


def write(report: Report, run: Reported, folder: Path) -> str:
    """Write a report.

    Args:
        report: its format, and its path where one was given.
        run: what it tells of.
        folder: where a report without a path goes.

    Returns:
        One line that says what was written where.

    Raises:
        ShadowError: it cannot be written there.
    """
    default = FORMATS[report.format]
    path = report.path or (folder / default if default else None)
    try:
        where = import_module(f"pytest_shadowdiff.report.{report.format}").write(run, path)
    except OSError as error:
        place = error.filename if path is None else path
        raise ShadowError(
            f"The {report.format} report cannot be written to {place}: {error.strerror or error}. Name another place with --shadow-report."
        ) from None
    except ModuleNotFoundError as error:
        extra = _NEEDS.get(error.name or "")
        if extra is None:
            raise
        raise ShadowError(f"The {report.format} report needs {error.name}: pip install 'pytest-shadowdiff[{extra}]'.") from None
    return f"{report.format} report: {where}"
