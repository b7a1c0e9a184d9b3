"""Where the counts of the two sides differ by more than chance explains, and by enough to matter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_shadowdiff.findings.counts import SIDES, Endpoint, Shift

_LEAST_PAIRS = 20
_LEAST_UNEVEN = 10
"""Pairs that do not agree, below which nothing is said of a field."""
_LEAST_SHARE = 0.1
"""The least difference of two shares."""
_LEAST_SHIFT = 0.3
"""The least shift of a number, in standard deviations of the primary's."""
_LEAST_SLOWER = (2.0, 0.025)
"""How many times slower, and how many seconds, the median answer has to be."""
_LEAST_SIZE = 0.1
"""The least change of a body's size, as a share of it."""
_LEAST_RUNS = 8
_SCATTERED = 0.5
"""A value that is drawn anew each time comes in about as many runs as chance lays; one that is kept for a while, in fewer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A distribution that shifted.

    Attributes:
        path: where: `status`, `latency`, `size`, `header:NAME`, or a path in the body with list positions left out.
        what: one sentence for people.
        p: the probability of a shift this large by chance, corrected for the number of tests.
        primary: what the primary's answers showed.
        candidate: what the candidate's answers showed.
    """

    endpoint: str
    path: str
    what: str
    p: float
    primary: Mapping[str, object]
    candidate: Mapping[str, object]


def tests(name: str, endpoint: Endpoint) -> Iterator[Finding]:
    """Every test that is made at an endpoint; what is too small an effect counts as a test and says nothing."""
    if endpoint.pairs < _LEAST_PAIRS:
        return
    for path, counted in sorted(endpoint.fields.items()):
        if path.removesuffix(" length") in endpoint.told:
            continue
        shift = counted.numbers
        if shift.pairs >= _LEAST_UNEVEN:
            if path == "latency":
                yield _latency(name, endpoint, shift)
            elif path == "size":
                yield _size(name, endpoint.pairs, shift)
            else:
                yield _number(name, path, endpoint.pairs, shift)
        for value, counts in sorted(counted.values.items()):
            if counts[0] + counts[1] >= _LEAST_UNEVEN:
                yield _share(name, path, endpoint.pairs, value, counts)


def _share(name: str, path: str, pairs: int, value: str, counts: list[int]) -> Finding:
    ours, theirs, *runs = counts
    more = "more" if theirs > ours else "less"
    shift = abs(theirs - ours) / pairs
    often = max(ours, theirs)
    scattered = max(runs) >= max(_LEAST_RUNS, _SCATTERED * often * (pairs - often + 1) / pairs)
    shows = (
        "it shows more of it in {} of {} pairs, the primary in {}"
        if "[*]" in path
        else "it alone shows it in {} of {} pairs, the primary alone in {}"
    )
    what = f"{value} is {more} frequent in the candidate: {shows.format(theirs, pairs, ours)}"
    shown: list[dict[str, object]] = [{"value": value, "alone": count, "pairs": pairs} for count in (ours, theirs)]
    return Finding(name, path, what if shift >= _LEAST_SHARE and scattered else "", sign_test(ours, theirs), *shown)


def _number(name: str, path: str, pairs: int, shift: Shift) -> Finding:
    of_length = path.endswith(" length")
    mean = shift.total / shift.pairs
    deviation = math.sqrt(shift.squares / shift.pairs) if of_length else shift.deviation()
    large = abs(mean) >= _LEAST_SHIFT * deviation and shift.pairs >= _LEAST_SHARE * pairs and shift.independent()
    word = ("longer" if mean > 0 else "shorter") if of_length else ("larger" if mean > 0 else "smaller")
    what = (
        f"{word} in the candidate in {max(shift.more, shift.less)} of {shift.pairs} pairs that differ here, by {abs(mean):.4g} on average"
    )
    start = 0.0 if of_length else shift.ours / shift.pairs
    ours: dict[str, object] = {} if of_length else {"mean": start, "larger": shift.less}
    theirs: dict[str, object] = {"longer_by": mean} if of_length else {"mean": start + mean, "larger": shift.more}
    return Finding(name, path.removesuffix(" length"), what if large else "", sign_test(shift.less, shift.more), ours, theirs)


def _size(name: str, pairs: int, shift: Shift) -> Finding:
    ours, apart = shift.ours / shift.pairs, shift.total / shift.pairs
    large = abs(apart) >= _LEAST_SIZE * ours and shift.pairs >= _LEAST_SHARE * pairs and shift.independent()
    word = "larger" if apart > 0 else "smaller"
    what = (
        f"bodies are {word} in the candidate in {max(shift.more, shift.less)} of {shift.pairs} pairs, by {abs(apart):.0f} bytes on average"
    )
    return Finding(name, "size", what if large else "", sign_test(shift.less, shift.more), {"mean": ours}, {"mean": ours + apart})


def _latency(name: str, endpoint: Endpoint, shift: Shift) -> Finding:
    ours, theirs = (endpoint.latency[side].percentile(0.5) or 0.0 for side in SIDES)
    slower, apart = _LEAST_SLOWER
    large = theirs > ours * slower and theirs - ours > apart
    what = f"the candidate is slower: half of its answers take more than {theirs:.3g} s, of the primary's more than {ours:.3g} s"
    return Finding(name, "latency", what if large else "", sign_test(shift.less, shift.more), {"p50": ours}, {"p50": theirs})


def sign_test(less: int, more: int) -> float:
    """The probability that a fair coin falls as unevenly as this, or more so; two-sided and exact."""
    tosses, fewer = less + more, min(less, more)
    if 2 * fewer >= tosses:
        return 1.0
    log_half = -tosses * math.log(2)
    logs = [math.lgamma(tosses + 1) - math.lgamma(k + 1) - math.lgamma(tosses - k + 1) + log_half for k in range(fewer + 1)]
    largest = max(logs)
    return min(1.0, 2 * math.exp(largest) * sum(math.exp(each - largest) for each in logs))
