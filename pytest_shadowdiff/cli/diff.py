"""`shadowdiff diff PRIMARY CANDIDATE`: two captures, judged and reported as a run is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_shadowdiff.cli import outcome
from pytest_shadowdiff.errors import SettingsError

if TYPE_CHECKING:
    from pytest_shadowdiff.report.failure import View
    from pytest_shadowdiff.traffic import Capture

NOTHING = "Nothing was compared: neither capture holds a request."


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "primary",
        type=Path,
        metavar="PRIMARY",
        help="what the primary was asked and answered: HAR, pcap, pcapng, what tcpdump -A printed, or an access log",
    )
    parser.add_argument("candidate", type=Path, metavar="CANDIDATE", help="the same of the candidate")
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="FORMAT",
        help="the format of what is a log, as a target's `log`: a name, a table, an expression; a second one is the candidate's",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes that compare (default: one a core)")
    outcome.register(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print, write reports.

    Returns:
        0 where nothing differs, 1 where something does, has no verdict, or nothing was compared.

    Raises:
        ShadowError: a file or the configuration is wrong.
    """
    from pytest_shadowdiff import offline, traffic
    from pytest_shadowdiff.traffic.matching import pairs

    settings = outcome.settings_of(arguments)
    files = (arguments.primary, arguments.candidate)
    captures = [traffic.read(file, log) for file, log in zip(files, _formats(arguments.log), strict=True)]
    work = outcome.Work(
        *_names(arguments),
        mirror="none (captured)",
        nothing=NOTHING,
        judge=lambda terms: offline.judged(pairs(*captures), terms, arguments.jobs),
        notes=lambda view: _left_out(captures, view),
        urls=(captures[0].base or None, captures[1].base or None),
    )
    return outcome.conclude(arguments, settings, work)


def _formats(given: Sequence[str]) -> list[str | Mapping[str, str] | None]:
    """The format of each side's log, where it is declared."""
    from pytest_shadowdiff.settings.configuration import log_format

    if len(given) > len(("PRIMARY", "CANDIDATE")):
        raise SettingsError(f"--log: {len(given)} formats for two captures. Give one for both, or the primary's and the candidate's.")
    formats = [log_format("--log", text) for text in given]
    return [formats[0], formats[-1]] if formats else [None, None]


def _names(arguments: argparse.Namespace) -> tuple[str, str]:
    """The files' names, where they tell the two apart."""
    names = (arguments.primary.stem, arguments.candidate.stem)
    return names if names[0] != names[1] else ("primary", "candidate")


def _left_out(captures: Sequence[Capture], view: View) -> Iterator[str]:
    from pytest_shadowdiff.report.text import counted

    for capture, name in zip(captures, (view.primary, view.candidate), strict=True):
        for reason, count in capture.left_out.items():
            yield f"{name}: {counted(count, 'exchange')} left out: {reason}"
