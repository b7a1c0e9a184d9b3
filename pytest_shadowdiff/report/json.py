"""The JSON report, schema 1, written pair by pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.model import Verdict
from pytest_shadowdiff.report.files import replaced
from pytest_shadowdiff.report.records import plain_value

if TYPE_CHECKING:
    from pytest_shadowdiff.report.outline import RunRecord
    from pytest_shadowdiff.report.summary import Summary

SCHEMA = 1


def write(run: RunRecord, path: Path) -> Path:
    """Write the report; a file that stood there is replaced only by a whole one."""
    with replaced(path) as file:
        file.write(json.dumps(outline(run), indent=1).removesuffix("\n}") + ',\n "pairs": [')
        separator = "\n  "
        for record in run.pairs():
            file.write(separator + json.dumps(record))
            separator = ",\n  "
        file.write("\n ]\n}\n")
    return path


def outline(run: RunRecord) -> dict[str, Any]:
    """All of the report but its pairs."""
    summary = run.summary
    return {
        "schema": SCHEMA,
        "primary": run.primary,
        "candidate": run.candidate,
        "mirror": run.mirror,
        "summary": {"pairs": summary.pairs, **{str(verdict): summary.verdicts[verdict] for verdict in Verdict}},
        "endpoints": [endpoint_record(summary, name) for name in sorted(summary.endpoints)],
        "findings": [
            {
                "endpoint": finding.endpoint,
                "path": finding.path,
                "what": finding.what,
                "p": finding.p,
                "primary": plain_value(finding.primary),
                "candidate": plain_value(finding.candidate),
            }
            for finding in summary.findings()
        ],
        "reasons": {verdict: dict(reasons.most_common()) for verdict, reasons in sorted(summary.reasons.items())},
    }


def endpoint_record(summary: Summary, name: str) -> dict[str, Any]:
    """An endpoint with its counts, its places and its latency."""
    endpoint = summary.endpoints[name]
    return {
        "endpoint": name,
        "pairs": endpoint.pairs,
        "different": endpoint.verdicts[Verdict.DIFFERENT],
        "fields": [
            {"path": path, "kind": kind, "count": counted.count, "control_count": counted.control_count}
            for (path, kind), counted in sorted(endpoint.fields.items())
        ],
        "latency": {side: dict(percentiles) for side, percentiles in summary.latency(name).items()},
        "verdicts": {str(verdict): count for verdict in Verdict if (count := endpoint.verdicts[verdict])},
    }
