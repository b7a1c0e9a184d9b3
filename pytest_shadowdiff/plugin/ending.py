"""The end of a run: everything stopped, its parts added up, the reports written, the exit status, the summary."""

from __future__ import annotations

import contextlib
import json
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_shadowdiff.errors import ShadowError
from pytest_shadowdiff.plugin import workers
from pytest_shadowdiff.plugin.parts import Part, Result, add_up

if TYPE_CHECKING:
    from pytest_shadowdiff.plugin.session import Session
    from pytest_shadowdiff.report.outline import RunRecord
    from pytest_shadowdiff.settings import Target

NOTHING_SEEN = "no request was mirrored and compared, although {tests} asked for it: nothing is known of the candidate"


def header(session: Session) -> list[str]:
    """Who is compared with whom, in one line; nothing where nobody is."""
    settings = session.settings
    if not session.compares:
        return []
    control = settings.control if isinstance(settings.control, str) else _name(settings.control) if settings.control else "none"
    versions = f"{_name(settings.primary)} (primary) → {_name(settings.candidate)} (candidate)"
    return [f"shadowdiff: {versions}, mirror {settings.mirror}, tap {settings.tap}, control {control}"]


def _name(target: Target | None) -> str:
    from pytest_shadowdiff.redact import Redactor

    return Redactor().text(target.name) if target else "-"


def finish(session: Session, pytest_session: pytest.Session) -> None:
    """Stop what runs, write the reports, set the exit status."""
    session.stop()
    if not session.compares:
        return
    part = _part(session)
    if workers.is_worker(session.config):
        workers.hand_over(session.config, part)
        return
    session.result = add_up([part, *session.gathered.parts], session.redactor)
    session.notes = list(_notes(session, pytest_session))
    session.written = list(_write(session))


def _part(session: Session) -> Part:
    total = add_up([Part(summary=run.summary.to_dict(), lines=list(run.lines)) for run in session.runs], session.redactor)
    return Part(
        asked=session.asked,
        summary=total.summary.to_dict(),
        records=[str(run.verdicts.records) for run in session.runs if session.settings.reports],
        lines=total.lines,
        accepted=[(*entry.key(), [list(pair) for pair in entry.values]) for run in session.runs for entry in run.accepting.found],
        problems=[session.redactor.text(problem) for problem in session.problems],
        rules=sorted({origin for run in session.runs for origin in run.rules_of_use}),
        used=[list(key) for run in session.runs for key in sorted(run.accepting.used)],
        kept=[os.fspath(run.directory) for run in session.runs if session.settings.keep],
    )


def _notes(session: Session, pytest_session: pytest.Session) -> Iterator[str]:
    """What makes the run fail although each test may have passed."""
    from pytest_shadowdiff.report.notes import idle_rules

    result = session.result
    assert result is not None  # noqa: S101 - set by the only caller
    if session.gathered.silent:
        yield f"worker {', '.join(session.gathered.silent)} ended without a word: its pairs are not counted here"
    if result.asked and not result.summary.pairs:
        tests = "1 test" if result.asked == 1 else f"{result.asked} tests"
        yield NOTHING_SEEN.format(tests=tests)
        _fail(pytest_session)
    yield from result.problems
    if result.problems or result.summary.findings():
        _fail(pytest_session)
    yield from idle_rules(session.settings.rules, result.rules, result.summary.endpoints if result.summary.pairs else ())
    yield from _accept(session, result)


def _accept(session: Session, result: Result) -> Iterator[str]:
    from pytest_shadowdiff import accepting
    from pytest_shadowdiff.acceptances import save

    file = accepting.file_of(session.settings.home)
    if session.settings.accept:
        try:
            save(file, accepting.merged(session.acceptances, result.accepted))
        except ShadowError as error:
            yield str(error)
        else:
            count = sum(len(entry.values) for entry in result.accepted)
            yield f"{count} {'difference is' if count == 1 else 'differences are'} recorded as accepted in {file}: give each a reason"
    for entry in accepting.unused(session.acceptances, result.used, result.summary.endpoints):
        yield f"{file.name}, line {entry.line}: let nothing through ({entry.endpoint}, {entry.path}): is it still needed?"


def _fail(pytest_session: pytest.Session) -> None:
    if pytest_session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        pytest_session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _write(session: Session) -> Iterator[str]:
    from pytest_shadowdiff import report

    record = _record(session)
    for wanted in session.settings.reports:
        try:
            yield report.write(wanted, record, session.config.invocation_params.dir)
        except ShadowError as error:
            yield str(error)


def _record(session: Session) -> RunRecord:
    from pytest_shadowdiff.report.outline import RunRecord

    result, settings = session.result, session.settings
    assert result is not None  # noqa: S101 - set by the only caller
    order = {test: place for place, test in enumerate(session.gathered.order)}
    return RunRecord(
        primary=_name(settings.primary),
        candidate=_name(settings.candidate),
        mirror=settings.mirror,
        summary=result.summary,
        pairs=lambda: in_order(result.records, order),
    )


def in_order(files: Sequence[Path], order: Mapping[str, int]) -> Iterator[dict[str, object]]:
    """The records of all workers, by the order of the tests, then by the time of the requests.

    Only places are held, never records, so a report of any size is written in little memory.

    Args:
        order: the place of each test; without it the time alone decides.
    """
    ranks, places, sources = array("d"), array("Q"), array("H")
    tests = array("Q")
    for number, file in enumerate(files):
        with file.open("rb") as lines:
            at = 0
            for line in lines:
                record = json.loads(line)
                tests.append(order.get(record["test"], len(order)))
                ranks.append(record["started"])
                places.append(at)
                sources.append(number)
                at += len(line)
    with contextlib.ExitStack() as opened:
        opened_files = [opened.enter_context(file.open("rb")) for file in files]
        for index in sorted(range(len(places)), key=lambda index: (tests[index], ranks[index])):
            source = opened_files[sources[index]]
            source.seek(places[index])
            yield json.loads(source.readline())


def summarize(session: Session, terminalreporter: pytest.TerminalReporter) -> None:
    """Print the summary."""
    result = session.result
    if result is None or not (result.asked or result.summary.verdicts):
        return
    from pytest_shadowdiff.report import terminal

    writer = terminalreporter._tw  # noqa: SLF001 - what pytest hands to every plugin that writes in colour
    terminalreporter.section("shadowdiff")
    lines = terminal.summary_lines(
        result.summary,
        width=writer.fullwidth,
        verbosity=session.config.get_verbosity(),
        mirror=result.lines,
        notes=session.notes,
        written=session.written,
    )
    for text, markup in lines:
        terminalreporter.write_line(text, **markup)
    for folder in result.kept:
        terminalreporter.write_line(f"spool kept in {folder}")
