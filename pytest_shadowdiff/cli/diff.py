"""`shadowdiff diff PRIMARY CANDIDATE`: two captures, judged and reported as a run is."""

from __future__ import annotations

import argparse
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_shadowdiff.errors import SettingsError, ShadowError
from pytest_shadowdiff.model import Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from pytest_shadowdiff.acceptances import Acceptance
    from pytest_shadowdiff.offline import Judged
    from pytest_shadowdiff.report.failure import View
    from pytest_shadowdiff.settings import Settings
    from pytest_shadowdiff.traffic import Capture

NOTHING = "Nothing was compared: neither capture holds a request."


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    from pytest_shadowdiff.report import FORMATS

    parser.add_argument(
        "primary",
        type=Path,
        metavar="PRIMARY",
        help="what the primary was asked and answered: HAR, pcap, pcapng, what tcpdump -A printed, or an access log",
    )
    parser.add_argument("candidate", type=Path, metavar="CANDIDATE", help="the same of the candidate")
    parser.add_argument("--config", type=Path, metavar="FILE", help="rules, limits and more names of secrets (default: pyproject.toml)")
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="FORMAT",
        help="the format of what is a log, as a target's `log`: a name, a table, an expression; a second one is the candidate's",
    )
    forms = ", ".join(FORMATS)
    parser.add_argument("--report", action="append", default=[], metavar="FORMAT[:PATH]", help=f"write a report: {forms}; repeatable")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes that compare (default: one a core)")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="show more; twice: whole messages")
    parser.add_argument("-q", "--quiet", action="count", default=0, help="show less")


def run(arguments: argparse.Namespace) -> int:
    """Compare, print, write reports.

    Returns:
        0 where nothing differs, 1 where something does, has no verdict, or nothing was compared.

    Raises:
        ShadowError: a file or the configuration is wrong.
    """
    from pytest_shadowdiff import offline, traffic
    from pytest_shadowdiff.acceptances import load
    from pytest_shadowdiff.accepting import file_of
    from pytest_shadowdiff.cli.console import console
    from pytest_shadowdiff.report.failure import View
    from pytest_shadowdiff.traffic.matching import pairs

    settings = _settings(arguments)
    files = (arguments.primary, arguments.candidate)
    captures = [traffic.read(file, log) for file, log in zip(files, _formats(arguments.log), strict=True)]
    out = console()
    view = View(out.width, arguments.verbose - arguments.quiet, *_names(arguments), *(capture.base or None for capture in captures))
    accepted = load(file_of(settings.home))
    with tempfile.TemporaryDirectory(prefix="shadowdiff-") as folder:
        terms = offline.Terms(settings, accepted, secrets.token_bytes(16), Path(folder), records=bool(settings.reports))
        judged = offline.judged(pairs(*captures), terms, arguments.jobs)
        written = list(_reports(settings, judged, view))
        _print(out, judged, view, [*_left_out(captures, view), *_idle(settings, accepted, judged)], written)
    summary = judged.summary
    return int(summary.failed or not summary.pairs)


def _settings(arguments: argparse.Namespace) -> Settings:
    from pytest_shadowdiff.mirror import MIRRORS
    from pytest_shadowdiff.report import FORMATS, require
    from pytest_shadowdiff.rules import rule_from
    from pytest_shadowdiff.settings import configuration, resolve

    try:
        loaded = configuration.load(arguments.config, Path.cwd(), rule_from)
        options = resolve.Options({"report": arguments.report}, {}, loaded)
        settings = resolve.resolve(options, loaded, backends=MIRRORS, formats=FORMATS, folder=Path.cwd())
        for wanted in settings.reports:
            require(wanted.format)
    except SettingsError as error:
        raise SettingsError(str(error).replace("--shadow-", "--")) from None
    return settings


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


def _reports(settings: Settings, judged: Judged, view: View) -> Iterator[str]:
    from pytest_shadowdiff import report
    from pytest_shadowdiff.report.outline import RunRecord, read_records

    record = RunRecord(view.primary, view.candidate, "none (captured)", judged.summary, lambda: read_records(judged.files))
    for wanted in settings.reports:
        try:
            yield report.write(wanted, record, Path.cwd())
        except ShadowError as error:
            raise ShadowError(str(error).replace("--shadow-", "--")) from None


def _left_out(captures: Sequence[Capture], view: View) -> Iterator[str]:
    from pytest_shadowdiff.report.text import counted

    for capture, name in zip(captures, (view.primary, view.candidate), strict=True):
        for reason, count in capture.left_out.items():
            yield f"{name}: {counted(count, 'exchange')} left out: {reason}"


def _idle(settings: Settings, accepted: Sequence[Acceptance], judged: Judged) -> Iterator[str]:
    """Rules and acceptances that were of no use."""
    from pytest_shadowdiff.accepting import file_of, unused
    from pytest_shadowdiff.report.notes import idle_rules

    yield from idle_rules(settings.rules, judged.rules, judged.summary.endpoints)
    for entry in unused(accepted, judged.used, judged.summary.endpoints):
        place = f"{file_of(settings.home).name}, line {entry.line}"
        yield f"{place}: let nothing through ({entry.endpoint}, {entry.path}): is it still needed?"


def _print(out: Console, judged: Judged, view: View, notes: Sequence[str], written: Sequence[str]) -> None:
    from pytest_shadowdiff.cli.console import show
    from pytest_shadowdiff.report.terminal import failure_lines, summary_lines

    for verdict in (Verdict.DIFFERENT, Verdict.INCOMPLETE):
        found = [pair for pair in judged.shown if pair.verdict is verdict]
        if found:
            for text, markup in failure_lines(found, view):
                show(out, text, markup)
            show(out, "")
    notes = notes if judged.summary.pairs else [NOTHING, *notes]
    summary = summary_lines(judged.summary, width=view.width, verbosity=view.verbosity, notes=notes, written=written, tests=False)
    for text, markup in summary:
        show(out, text, markup)
