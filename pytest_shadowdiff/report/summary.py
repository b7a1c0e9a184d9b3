"""The result of a run in outline: it adds up, in any order, whoever counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pytest_shadowdiff.findings import Finding, Statistics
from pytest_shadowdiff.model import Pair, Verdict
from pytest_shadowdiff.redact import Redactor
from pytest_shadowdiff.report.paths import general, place

SAMPLES = 20
"""Pairs of each verdict that a summary names."""
_MOST_FIELDS = 500
_SAMPLED = frozenset({Verdict.DIFFERENT, Verdict.INCOMPLETE})


@dataclass(slots=True)
class Field:
    """How often two answers disagreed at one place of an endpoint's answers.

    Attributes:
        count: pairs whose primary and candidate did.
        control_count: pairs where that was taken for noise, since the primary's own answers disagree there or a rule says so.
    """

    count: int = 0
    control_count: int = 0


@dataclass(slots=True)
class Endpoint:
    """What came of an endpoint's pairs."""

    verdicts: Counter[str] = field(default_factory=Counter)
    fields: dict[tuple[str, str], Field] = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        """Pairs that were compared, or should have been."""
        return self.verdicts.total() - self.verdicts[Verdict.SKIPPED]


@dataclass(frozen=True, slots=True)
class Sample:
    """A pair that a summary names.

    Attributes:
        request: method and target.
        places: where it differs, with the kind of each difference.
    """

    id: str
    test: str | None
    endpoint: str
    verdict: str
    request: str
    reason: str = ""
    places: tuple[tuple[str, str], ...] = ()


class Summary:
    """Counts of judged pairs, by verdict and by endpoint, the first pairs that need looking at, and what many pairs show.

    Args:
        redactor: what the names in it go through.
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or Redactor()
        self.verdicts: Counter[str] = Counter()
        self.endpoints: dict[str, Endpoint] = {}
        self.reasons: dict[str, Counter[str]] = {}
        self.not_seen: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self.statistics = Statistics()
        self._findings: list[Finding] | None = None

    @property
    def pairs(self) -> int:
        """All pairs but those that were skipped on purpose."""
        return self.verdicts.total() - self.verdicts[Verdict.SKIPPED]

    @property
    def failed(self) -> bool:
        """Whether there is a difference, an incomplete pair or a finding."""
        return bool(self.verdicts[Verdict.DIFFERENT] or self.verdicts[Verdict.INCOMPLETE] or self.findings())

    def add(self, pair: Pair) -> None:
        """Count a judged pair."""
        self._findings = None
        text = self._redactor.beside(pair.request)
        verdict, name = str(pair.verdict), text(pair.endpoint)
        self.verdicts[verdict] += 1
        endpoint = self.endpoints.setdefault(name, Endpoint())
        endpoint.verdicts[verdict] += 1
        _count_fields(endpoint, pair, text)
        if pair.verdict in {Verdict.INCOMPLETE, Verdict.SKIPPED}:
            self.reasons.setdefault(verdict, Counter())[text(general(pair.reason or pair.skipped, pair))] += 1
        self.not_seen.update({part for exchange in (pair.primary, pair.candidate) if exchange for part in exchange.not_seen})
        if pair.verdict in _SAMPLED and sum(sample.verdict == verdict for sample in self.samples) < SAMPLES:
            self.samples.append(_sample(pair, text))
        if pair.verdict is not Verdict.SKIPPED:
            self.statistics.add(pair if name == pair.endpoint else replace(pair, endpoint=name))

    def merge(self, other: Summary) -> None:
        """Add what another has counted."""
        self._findings = None
        self.verdicts += other.verdicts
        self.not_seen += other.not_seen
        for name, theirs in other.endpoints.items():
            ours = self.endpoints.setdefault(name, Endpoint())
            ours.verdicts += theirs.verdicts
            for key, counted in theirs.fields.items():
                known = ours.fields.setdefault(key, Field())
                known.count += counted.count
                known.control_count += counted.control_count
        for verdict, reasons in other.reasons.items():
            self.reasons.setdefault(verdict, Counter()).update(reasons)
        self.samples = _first([*self.samples, *other.samples])
        self.statistics.merge(other.statistics)

    def findings(self) -> list[Finding]:
        """What only many pairs show, redacted."""
        if self._findings is None:
            self._findings = [self._finding(finding) for finding in self.statistics.findings()]
        return self._findings

    def latency(self, endpoint: str) -> Mapping[str, Mapping[str, float]]:
        """Percentiles of an endpoint's durations by side, in seconds."""
        return self.statistics.latency(endpoint)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "verdicts": dict(self.verdicts),
            "endpoints": [
                [name, dict(endpoint.verdicts), [[*key, one.count, one.control_count] for key, one in endpoint.fields.items()]]
                for name, endpoint in self.endpoints.items()
            ],
            "reasons": {verdict: dict(reasons) for verdict, reasons in self.reasons.items()},
            "not_seen": dict(self.not_seen),
            "samples": [asdict(sample) for sample in self.samples],
            "statistics": self.statistics.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], redactor: Redactor | None = None) -> Summary:
        """What `to_dict` made."""
        summary = cls(redactor)
        summary.verdicts = Counter(data["verdicts"])
        for name, verdicts, fields in data["endpoints"]:
            known = {(path, kind): Field(count, control_count) for path, kind, count, control_count in fields}
            summary.endpoints[name] = Endpoint(Counter(verdicts), known)
        summary.reasons = {verdict: Counter(reasons) for verdict, reasons in data["reasons"].items()}
        summary.not_seen = Counter(data["not_seen"])
        summary.samples = [Sample(**{**sample, "places": tuple(map(tuple, sample["places"]))}) for sample in data["samples"]]
        summary.statistics = Statistics.from_dict(data["statistics"])
        return summary

    def _finding(self, finding: Finding) -> Finding:
        shown = self._redactor.value
        primary, candidate = (shown(finding.path, dict(side)) for side in (finding.primary, finding.candidate))
        text = self._redactor.text
        return Finding(
            endpoint=text(finding.endpoint),
            path=text(finding.path),
            what=text(finding.what),
            p=finding.p,
            primary=primary if isinstance(primary, dict) else {},
            candidate=candidate if isinstance(candidate, dict) else {},
        )


def _count_fields(endpoint: Endpoint, pair: Pair, text: Callable[[str], str]) -> None:
    noisy = {(place(difference.path), str(difference.kind)) for difference in pair.noise}
    for path, kind in sorted(noisy | {(place(difference.path), str(difference.kind)) for difference in pair.differences}):
        key = (text(path), kind)
        if key in endpoint.fields or len(endpoint.fields) < _MOST_FIELDS:
            counted = endpoint.fields.setdefault(key, Field())
            counted.count += 1
            counted.control_count += (path, kind) in noisy


def _sample(pair: Pair, text: Callable[[str], str]) -> Sample:
    return Sample(
        id=pair.id,
        test=pair.test,
        endpoint=text(pair.endpoint),
        verdict=str(pair.verdict),
        request=f"{pair.request.method} {text(pair.request.target)}",
        reason=text(pair.reason),
        places=tuple((text(difference.path), str(difference.kind)) for difference in pair.differences[:SAMPLES]),
    )


def _first(samples: list[Sample]) -> list[Sample]:
    """The first of each verdict, in an order that does not depend on who counted first."""
    kept: list[Sample] = []
    counts: Counter[str] = Counter()
    for sample in sorted(samples, key=lambda each: (each.endpoint, each.test or "", each.request, each.id)):
        counts[sample.verdict] += 1
        if counts[sample.verdict] <= SAMPLES:
            kept.append(sample)
    return kept
