"""What a report is made from: the run in outline, and its pairs one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_shadowdiff.report.summary import Summary

Record = Mapping[str, Any]
"""A judged pair in the JSON report's form, redacted."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, as reports see it.

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


def read_records(files: Sequence[Path]) -> Iterator[Record]:
    """The records in files that hold one a line; what a killed process left half written is left out."""
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)
