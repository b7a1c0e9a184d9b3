"""Reports: what people and programs read after a run. Nothing is judged here, and nothing leaves that was not redacted.

A format is one module with a function `write(run, path) -> None` and one line in `FORMATS`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.errors import SettingsError, ShadowError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_shadowdiff.model import Pair
    from pytest_shadowdiff.redact import Redactor
    from pytest_shadowdiff.report.outline import Reported
    from pytest_shadowdiff.settings import Report

__all__ = ["FORMATS", "pair_record", "require", "write"]

FORMATS: Mapping[str, str | None] = {
    "html": "shadowdiff-report.html",
    "json": "shadowdiff-report.json",
    "markdown": "shadowdiff-report.md",
    "har": "shadowdiff-report.har",
    "github": None,
}
"""The formats, with the name of the file that each is written to by default; None where it is no file."""

_NEEDS = {"html": "jinja2"}
"""What a format needs that is installed by the extra of its name alone."""


def require(name: str) -> None:
    """Whether a format can be written here, asked before anything runs.

    Raises:
        SettingsError: it needs something that is not installed.
    """
    needed = _NEEDS.get(name)
    if needed is not None and find_spec(needed) is None:
        raise SettingsError(f"--shadow-report={name} needs {needed}, which is not installed: pip install 'pytest-shadowdiff[{name}]'.")


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
        ShadowError: it cannot be written there, or not at all.
    """
    require(report.format)
    default = FORMATS[report.format]
    path = report.path or (folder / default if default else None)
    try:
        where = import_module(f"pytest_shadowdiff.report.{report.format}").write(run, path)
    except OSError as error:
        place = error.filename if path is None else path
        raise ShadowError(
            f"The {report.format} report cannot be written to {place}: {error.strerror or error}. Name another place with --shadow-report."
        ) from None
    return f"{report.format} report: {where}"
