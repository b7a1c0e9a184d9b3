"""`shadowdiff judge FOLDER`: a run that was kept, judged again by the rules as they are now."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_shadowdiff.cli import outcome

if TYPE_CHECKING:
    from pytest_shadowdiff.kept import Kept

NOTHING = "Nothing was compared: what was kept holds no pair."


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="where `keep = true` left a run; of a run with workers, all of theirs",
    )
    outcome.register(parser)


def run(arguments: argparse.Namespace) -> int:
    """Judge, print, write reports.

    Returns:
        0 where nothing differs, 1 where something does, has no verdict, or nothing was compared.

    Raises:
        ShadowError: a spool or the configuration is wrong.
    """
    from pytest_shadowdiff import kept, replay

    settings = outcome.settings_of(arguments)
    runs = [kept.read(folder) for folder in arguments.folders]
    was = runs[0].terms
    work = outcome.Work(
        was.primary,
        was.candidate,
        mirror=was.mirror,
        nothing=NOTHING,
        judge=lambda terms: replay.judged(runs, terms),
        notes=lambda _view: _hooks(runs),
    )
    return outcome.conclude(arguments, settings, work)


def _hooks(runs: Sequence[Kept]) -> Iterator[str]:
    hooks = sorted({hook for run in runs for hook in run.terms.hooks})
    if hooks:
        names = ", ".join(f"pytest_shadowdiff_{hook}" for hook in hooks)
        yield f"The run had hooks of plugins, which do nothing here: {names}. Verdicts, and what is redacted, may be others."
