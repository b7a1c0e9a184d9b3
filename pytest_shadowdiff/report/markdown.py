"""The Markdown report: counts, endpoints, and the first pairs that need looking at, for a merge request or a page of a job."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.model import Kind, Verdict
from pytest_shadowdiff.report.files import replaced
from pytest_shadowdiff.report.paste import rule_lines
from pytest_shadowdiff.report.paths import plainly
from pytest_shadowdiff.report.text import cut_middle, duration, visible

if TYPE_CHECKING:
    from pytest_shadowdiff.report.outline import Record, Reported

SHOWN = 20
"""Pairs that are shown."""

_ROWS = 100
_DIFFERENCES = 20
_LONGEST = 200
_COLUMNS = (Verdict.DIFFERENT, Verdict.INCOMPLETE, Verdict.PARTIAL, Verdict.ACCEPTED, Verdict.NOISE, Verdict.SAME, Verdict.SKIPPED)
_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>()#+!|~&"})


def write(run: Reported, path: Path) -> Path:
    """Write the report."""
    with replaced(path) as file:
        file.writelines(f"{line}\n" for line in lines(run))
    return path


def lines(run: Reported) -> Iterator[str]:
    """The report, line by line."""
    head = run.outline()
    yield f"# {escaped(head['candidate'])} against {escaped(head['primary'])}"
    yield ""
    yield headline(head)
    yield from _endpoints(head)
    yield from _findings(head)
    yield from _reasons(head)
    wanted = (record for record in run.records() if record["verdict"] in (Verdict.DIFFERENT, Verdict.INCOMPLETE))
    shown = list(islice(wanted, SHOWN))
    for record in shown:
        yield from _pair(record, head)
    rest = sum(1 for _ in wanted)
    if rest:
        yield f"… and {rest} more; the JSON report has them all."


def headline(head: Mapping[str, Any]) -> str:
    """The counts, in one line."""
    counts = head["summary"]
    emphasis = {verdict: "**" if verdict in _COLUMNS[:2] else "" for verdict in _COLUMNS}
    parts = [f"{emphasis[verdict]}{counts[verdict]} {verdict}{emphasis[verdict]}" for verdict in _COLUMNS if counts[verdict]]
    pairs = "1 pair" if counts["pairs"] == 1 else f"{counts['pairs']} pairs"
    return f"{pairs} by the mirror {escaped(head['mirror'])}" + (f": {', '.join(parts)}." if parts else ".")


def escaped(text: str) -> str:
    """A text that means nothing to Markdown."""
    return visible(text).translate(_SPECIAL)


def code(text: str) -> str:
    """A text as code, in a table too; a backtick within ends nothing."""
    shown = cut_middle(visible(text), _LONGEST).replace("|", "\\|")
    fence = "`" * (max(map(len, (run for run in shown.replace("\\", " ").split("`") if not run)), default=0) + 1)
    while fence in shown:
        fence += "`"
    return f"{fence} {shown} {fence}" if "`" in shown else f"`{shown}`"


def _endpoints(head: Mapping[str, Any]) -> Iterator[str]:
    if not head["endpoints"]:
        return
    shown = [verdict for verdict in _COLUMNS if head["summary"][verdict]]
    yield ""
    yield f"| endpoint | {' | '.join(shown)} | p50 |"
    yield f"| --- |{' ---: |' * (len(shown) + 1)}"
    ranked = sorted(head["endpoints"], key=lambda endpoint: (-endpoint["different"], endpoint["endpoint"]))
    for endpoint in ranked[:_ROWS]:
        counts = " | ".join(str(endpoint.get("verdicts", {}).get(verdict, "")) for verdict in shown)
        yield f"| {code(endpoint['endpoint'])} | {counts} | {_times(endpoint['latency'])} |"
    if len(ranked) > _ROWS:
        yield ""
        yield f"… and {len(ranked) - _ROWS} more endpoints."


def _times(latency: Mapping[str, Mapping[str, float]]) -> str:
    times = [latency.get(side, {}).get("p50") for side in ("primary", "candidate")]
    return " → ".join(duration(time) for time in times if time is not None)


def _findings(head: Mapping[str, Any]) -> Iterator[str]:
    if head["findings"]:
        yield ""
        yield "## What only many pairs show"
        yield ""
    for finding in head["findings"]:
        yield f"- {code(finding['endpoint'])} {code(finding['path'])}: {escaped(finding['what'])} (p = {finding['p']:.2g})"


def _reasons(head: Mapping[str, Any]) -> Iterator[str]:
    for verdict, title in ((Verdict.INCOMPLETE, "No verdict was possible"), (Verdict.SKIPPED, "Not compared, on purpose")):
        reasons = head["reasons"].get(verdict)
        if reasons:
            yield ""
            yield f"## {title}"
            yield ""
            yield from (f"- {count} × {escaped(plainly(reason))}" for reason, count in reasons.items())  # noqa: RUF001 - a sign, no letter


def _pair(record: Record, head: Mapping[str, Any]) -> Iterator[str]:
    request = record["request"]
    yield ""
    asked = code(f"{request['method']} {request['url']}")
    yield f"### {record['verdict']}: {asked}"
    yield ""
    yield f"{escaped(record['test'] or '')} (pair {escaped(record['id'])})"
    if record["verdict"] == Verdict.INCOMPLETE:
        yield ""
        yield escaped(plainly(record["reason"]))
        return
    yield ""
    yield f"| path | kind | {escaped(head['primary'])} | {escaped(head['candidate'])} |"
    yield "| --- | --- | --- | --- |"
    for difference in record["differences"][:_DIFFERENCES]:
        yield f"| {code(difference['path'])} | {difference['kind']} | {_value(difference, 'primary')} | {_value(difference, 'candidate')} |"
    more = len(record["differences"]) - _DIFFERENCES
    if more > 0:
        yield ""
        yield f"… and {more} more differences."
    rule = rule_lines(record["endpoint"], ((difference["path"], difference["kind"]) for difference in record["differences"]))
    if rule:
        yield ""
        yield from ("If that means nothing:", "", "```toml", *rule, "```")


def _value(difference: Mapping[str, Any], side: str) -> str:
    value = difference[side]
    missing = difference["kind"] == (Kind.ADDED if side == "primary" else Kind.MISSING) or (
        value is None and difference["path"].startswith("header:")
    )
    return "(not there)" if missing else code(json.dumps(value, ensure_ascii=False))
