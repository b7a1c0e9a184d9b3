"""What the commands that judge have in common: their options, and how they end, which is as a run does."""

from __future__ import annotations

import argparse
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_shadowdiff.errors import SettingsError, ShadowError
from pytest_shadowdiff.model import Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from pytest_shadowdiff.acceptances import Acceptance
    from pytest_shadowdiff.offline import Judged, Terms
    from pytest_shadowdiff.report.failure import View
    from pytest_shadowdiff.settings import Settings


@dataclass(frozen=True, slots=True)
class Work:
    """What one of the commands does.

    Attributes:
        primary: the primary's name.
        candidate: the candidate's.
        mirror: what brought the answers, for the reports.
        nothing: what is said where there was no pair.
        judge: terms -> what came of it.
        notes: lines for the end.
        urls: where both were, so far as that is known.
    """

    primary: str
    candidate: str
    mirror: str
    nothing: str
    judge: Callable[[Terms], Judged]
    notes: Callable[[View], Iterable[str]]
    urls: tuple[str | None, str | None] = (None, None)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that both commands have."""
    from pytest_shadowdiff.report import FORMATS

    parser.add_argument("--config", type=Path, metavar="FILE", help="rules, limits and more names of secrets (default: pyproject.toml)")
    forms = ", ".join(FORMATS)
    parser.add_argument("--report", action="append", default=[], metavar="FORMAT[:PATH]", help=f"write a report: {forms}; repeatable")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="show more; twice: whole messages")
    parser.add_argument("-q", "--quiet", action="count", default=0, help="show less")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The configuration, and the reports that are asked for.

    Raises:
        SettingsError: one of them is wrong.
    """
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


def conclude(arguments: argparse.Namespace, settings: Settings, work: Work) -> int:
    """Judge, write reports, print.

    Returns:
        The exit status: 0 where nothing differs, 1 where something does, has no verdict, or nothing was compared.

    Raises:
        ShadowError: what is judged, or a report, is wrong.
    """
    from pytest_shadowdiff import offline
    from pytest_shadowdiff.acceptances import load
    from pytest_shadowdiff.accepting import file_of
    from pytest_shadowdiff.cli.console import console
    from pytest_shadowdiff.report.failure import View

    out = console()
    view = View(out.width, arguments.verbose - arguments.quiet, work.primary, work.candidate, *work.urls)
    accepted = load(file_of(settings.home))
    with tempfile.TemporaryDirectory(prefix="shadowdiff-") as folder:
        terms = offline.Terms(settings, accepted, secrets.token_bytes(16), Path(folder), records=bool(settings.reports))
        judged = work.judge(terms)
        written = list(_reports(settings, judged, view, work.mirror))
    notes = [*([] if judged.summary.pairs else [work.nothing]), *work.notes(view), *_idle(settings, accepted, judged)]
    _show(out, judged, view, notes, written)
    return int(judged.summary.failed or not judged.summary.pairs)


def _reports(settings: Settings, judged: Judged, view: View, mirror: str) -> Iterator[str]:
    """Write the reports, and say where.

    Raises:
        ShadowError: one of them cannot be written.
    """
    from pytest_shadowdiff import report
    from pytest_shadowdiff.report.outline import RunRecord, read_records

    record = RunRecord(view.primary, view.candidate, mirror, judged.summary, lambda: read_records(judged.files))
    for wanted in settings.reports:
        try:
            yield report.write(wanted, record, Path.cwd())
        except ShadowError as error:
            raise ShadowError(str(error).replace("--shadow-", "--")) from None


def _idle(settings: Settings, accepted: Sequence[Acceptance], judged: Judged) -> Iterator[str]:
    """Rules and acceptances that were of no use."""
    from pytest_shadowdiff.accepting import file_of, unused
    from pytest_shadowdiff.report.notes import idle_rules

    yield from idle_rules(settings.rules, judged.rules, judged.summary.endpoints)
    for entry in unused(accepted, judged.used, judged.summary.endpoints):
        place = f"{file_of(settings.home).name}, line {entry.line}"
        yield f"{place}: let nothing through ({entry.endpoint}, {entry.path}): is it still needed?"


def _show(out: Console, judged: Judged, view: View, notes: Sequence[str], written: Sequence[str]) -> None:
    """Print what a run prints at its end."""
    from pytest_shadowdiff.cli import console
    from pytest_shadowdiff.report.terminal import failure_lines, summary_lines

    for verdict in (Verdict.DIFFERENT, Verdict.INCOMPLETE):
        found = [pair for pair in judged.shown if pair.verdict is verdict]
        if found:
            for text, markup in failure_lines(found, view):
                console.show(out, text, markup)
            console.show(out, "")
    summary = summary_lines(judged.summary, width=view.width, verbosity=view.verbosity, notes=notes, written=written, tests=False)
    for text, markup in summary:
        console.show(out, text, markup)
