"""`shadowdiff report RUN.json --format html`: a run rendered again from its JSON report."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_shadowdiff.errors import ShadowError


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    from pytest_shadowdiff.report import FORMATS

    parser.add_argument("run", type=Path, metavar="RUN.json", help="what --shadow-report=json wrote")
    parser.add_argument("--format", choices=list(FORMATS), default="html", help="default: html")
    parser.add_argument("--output", type=Path, metavar="PATH", help="default: the format's own name, in this folder")


def run(arguments: argparse.Namespace) -> int:
    """Render it.

    Raises:
        ShadowError: the file is no report, or the other cannot be written.
    """
    from pytest_shadowdiff import report
    from pytest_shadowdiff.cli.console import console, show
    from pytest_shadowdiff.report.outline import stored
    from pytest_shadowdiff.settings import Report

    try:
        line = report.write(Report(arguments.format, arguments.output), stored(arguments.run), Path.cwd())
    except ShadowError as error:
        raise ShadowError(str(error).replace("--shadow-report.", "--output.")) from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ShadowError(f"{arguments.run}: is no whole report of a run ({error}). Give a file that --shadow-report=json wrote.") from None
    show(console(), line)
    return 0
