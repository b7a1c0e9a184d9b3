"""What each process of a run has to say at its end, and all of it added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_shadowdiff.acceptances import Acceptance
    from pytest_shadowdiff.accepting import Key
    from pytest_shadowdiff.redact import Redactor
    from pytest_shadowdiff.report.summary import Summary


@dataclass(frozen=True, slots=True)
class Part:
    """What one process has to say at its end.

    Attributes:
        asked: how many tests asked for the mirror.
        summary: its summary, as plain data.
        records: files of a report's records, a pair a line.
        lines: what its mirror says of itself.
        accepted: differences to be recorded: endpoint, path, kind, and the values of both sides.
        used: keys of the acceptances that let something through.
        problems: what makes the run fail although each test may have passed.
        rules: origins of the rules that silenced something.
        kept: folders of spools that stay.
    """

    asked: int = 0
    summary: Mapping[str, Any] | None = None
    records: Sequence[str] = ()
    lines: Sequence[str] = ()
    accepted: Sequence[tuple[str, str, str, Sequence[Sequence[str]]]] = ()
    used: Sequence[Sequence[str]] = ()
    problems: Sequence[str] = ()
    rules: Sequence[str] = ()
    kept: Sequence[str] = ()

    def to_plain(self) -> dict[str, Any]:
        """As it travels between processes."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


@dataclass(slots=True)
class Gathered:
    """What the controller has heard of its workers.

    Attributes:
        order: the node ids of the tests in the order of their collection.
        silent: workers that ended without a word.
    """

    parts: list[Part] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


class Result:
    """What all processes of a run have to say together.

    Attributes:
        asked: how many tests asked for the mirror.
        records: files of records, a pair a line.
        lines: what the mirrors say of themselves, each line once.
        accepted: differences to be recorded.
        used: keys of the acceptances that let something through.
        problems: what makes the run fail although each test may have passed, each line once.
        rules: origins of the rules that silenced something.
        kept: folders of spools that stay.
    """

    def __init__(self, summary: Summary) -> None:
        self.asked = 0
        self.summary = summary
        self.records: list[Path] = []
        self.lines: list[str] = []
        self.accepted: list[Acceptance] = []
        self.used: set[Key] = set()
        self.problems: list[str] = []
        self.rules: set[str] = set()
        self.kept: list[str] = []


def add_up(parts: Sequence[Part], redactor: Redactor) -> Result:
    """The parts of all processes as one."""
    from pytest_shadowdiff.acceptances import Acceptance
    from pytest_shadowdiff.report.summary import Summary

    result = Result(Summary(redactor))
    for part in parts:
        result.asked += part.asked
        result.records += [Path(file) for file in part.records]
        result.lines += [line for line in part.lines if line not in result.lines]
        for endpoint, path, kind, values in part.accepted:
            result.accepted.append(Acceptance(endpoint, path, kind, tuple((primary, candidate) for primary, candidate in values)))
        result.problems += [problem for problem in part.problems if problem not in result.problems]
        result.rules.update(part.rules)
        result.kept += part.kept
        result.used |= {(endpoint, path, kind) for endpoint, path, kind in part.used}
        if part.summary is not None:
            result.summary.merge(Summary.from_dict(part.summary))
    return result
