"""GitHub Actions: the Markdown report as the job's summary, and an annotation for each test that differs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_shadowdiff.model import Verdict
from pytest_shadowdiff.report.markdown import lines
from pytest_shadowdiff.report.paths import plainly
from pytest_shadowdiff.report.text import visible

if TYPE_CHECKING:
    from pytest_shadowdiff.report.outline import Record, Reported

ANNOTATIONS = 10
"""GitHub shows ten errors of a step."""
_SUMMARY_LIMIT = 1000 * 1024
_VARIABLE = "GITHUB_STEP_SUMMARY"


def write(run: Reported, path: Path | None) -> str:
    """Append to the job's summary (or to `path`), and print annotations to stdout."""
    for annotation in _annotations(run):
        sys.stdout.write(f"\n{annotation}")  # a command counts only where it begins a line
    sys.stdout.write("\n")
    sys.stdout.flush()
    file = str(path) if path else os.environ.get(_VARIABLE)
    if not file:
        return f"annotations on stdout; no summary, since {_VARIABLE} is not set"
    with Path(file).open("a", encoding="utf-8", errors="backslashreplace") as summary:
        written = 0
        for line in lines(run):
            written += len(line.encode("utf-8", "backslashreplace")) + 1
            if written > _SUMMARY_LIMIT:
                summary.write("\n… cut here: GitHub takes no more.\n")
                break
            summary.write(f"{line}\n")
    return f"{file}, and annotations on stdout"


def _annotations(run: Reported) -> Iterator[str]:
    """An error for each of the first tests with a difference or without a verdict, and one for each finding."""
    tests: set[object] = set()
    for finding in run.outline()["findings"][:ANNOTATIONS]:
        yield _annotation("", finding["endpoint"], f"{finding['path']}: {finding['what']}")
    for record in run.records():
        if record["verdict"] in (Verdict.DIFFERENT, Verdict.INCOMPLETE) and record["test"] not in tests:
            tests.add(record["test"])
            if len(tests) > ANNOTATIONS:
                return
            yield _annotation(record["test"] or "", f"{record['endpoint']}: {record['verdict']}", _message(record))


def _message(record: Record) -> str:
    if record["verdict"] == Verdict.INCOMPLETE:
        return plainly(record["reason"])
    places = [f"{difference['path']} ({difference['kind']})" for difference in record["differences"]]
    return ", ".join(places[:5]) + (f" and {len(places) - 5} more" if len(places) > 5 else "")  # noqa: PLR2004


def _annotation(test: str, title: str, message: str) -> str:
    file = test.partition("::")[0]
    properties = [f"file={_property(file)}"] if file else []
    return f"::error {','.join([*properties, f'title={_property(title)}'])}::{_data(f'{test}: {message}' if test else message)}"


def _data(text: str) -> str:
    """As the runner's commands want it; what could begin another command is escaped."""
    return visible(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
