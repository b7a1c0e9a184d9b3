"""What a report is made from: the run in outline, and its pairs one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_shadowdiff.errors import ShadowError
from pytest_shadowdiff.model import Verdict
from pytest_shadowdiff.report.records import plain_value

if TYPE_CHECKING:
    from pytest_shadowdiff.report.summary import Summary

SCHEMA = 1
"""The version of the JSON report's schema."""

Record = Mapping[str, Any]
"""A judged pair in the JSON report's form, redacted."""


class Reported(Protocol):
    """What a report needs to know of a run."""

    def outline(self) -> Mapping[str, Any]:
        """The JSON report without its pairs."""

    def records(self) -> Iterator[Record]:
        """All pairs, one at a time; each call begins anew."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run that has just ended.

    Attributes:
        primary: the primary's name.
        candidate: the candidate's name.
        mirror: the mirror's name.
        summary: counts of all pairs.
        pairs: begins a new pass over the records of all pairs; they are read from disk, one at a time.
    """

    primary: str
    candidate: str
    mirror: str
    summary: Summary
    pairs: Callable[[], Iterator[Record]]

    def records(self) -> Iterator[Record]:
        """All pairs, one at a time."""
        return self.pairs()

    def outline(self) -> Mapping[str, Any]:
        """The JSON report without its pairs."""
        summary = self.summary
        return {
            "schema": SCHEMA,
            "primary": self.primary,
            "candidate": self.candidate,
            "mirror": self.mirror,
            "summary": {"pairs": summary.pairs, **{str(verdict): summary.verdicts[verdict] for verdict in Verdict}},
            "endpoints": [_endpoint(summary, name) for name in sorted(summary.endpoints)],
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


def _endpoint(summary: Summary, name: str) -> dict[str, Any]:
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


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as a JSON report tells of it."""

    document: Mapping[str, Any]

    def records(self) -> Iterator[Record]:
        """All pairs, one at a time."""
        return iter(self.document["pairs"])

    def outline(self) -> Mapping[str, Any]:
        """The JSON report without its pairs."""
        head = {name: value for name, value in self.document.items() if name != "pairs"}
        head.setdefault("reasons", {})
        return head


def stored(path: Path) -> StoredRun:
    """The run in a JSON report.

    Raises:
        ShadowError: it is none.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ShadowError(f"{path}: cannot be read: {error.strerror}. Give a file that --shadow-report=json wrote.") from None
    except (ValueError, RecursionError) as error:
        raise ShadowError(f"{path}: is no JSON: {error}. Give a file that --shadow-report=json wrote.") from None
    if not isinstance(document, dict) or not {"schema", "summary", "endpoints", "findings", "pairs"} <= document.keys():
        raise ShadowError(f"{path}: is no report of a run. Give a file that --shadow-report=json wrote.")
    if document["schema"] != SCHEMA:
        raise ShadowError(
            f"{path}: has schema {document['schema']!r}, and this release reads schema {SCHEMA}. Use the release that wrote it."
        )
    return StoredRun(document)


def read_records(files: Sequence[Path]) -> Iterator[Record]:
    """The records in files that hold one a line; what a killed process left half written is left out."""
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)
