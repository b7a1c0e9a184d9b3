"""The summary at the end of a run: counts, endpoints, what differs, and what was not compared and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_shadowdiff.model import Verdict
from pytest_shadowdiff.report.lines import BAD, BEST, DOUBTFUL, FAINT, PLAIN, WORST, Line, marked
from pytest_shadowdiff.report.paste import rule_lines
from pytest_shadowdiff.report.paths import plainly
from pytest_shadowdiff.report.summary import Endpoint, Summary
from pytest_shadowdiff.report.text import broken, columns, counted, cut, cut_middle, duration, padded, visible

_COLOURS = {Verdict.DIFFERENT: BAD, Verdict.INCOMPLETE: BAD, Verdict.PARTIAL: DOUBTFUL, Verdict.SKIPPED: DOUBTFUL}
_COLUMNS = (Verdict.DIFFERENT, Verdict.INCOMPLETE, Verdict.PARTIAL, Verdict.ACCEPTED, Verdict.NOISE, Verdict.SAME, Verdict.SKIPPED)
_ROWS = 12
_BLOCKS = 10


def summary_lines(
    summary: Summary,
    *,
    width: int = 80,
    verbosity: int = 0,
    mirror: Sequence[str] = (),
    notes: Sequence[str] = (),
    written: Sequence[str] = (),
    tests: bool = True,
) -> Iterator[Line]:
    """The lines of a summary.

    Args:
        summary: the counts.
        width: columns of the terminal.
        verbosity: as pytest counts it.
        mirror: what the mirror says of itself.
        notes: what else makes the run fail, or is to be known.
        written: a line for each report.
        tests: requests belong to tests, whose failures name them; those that do not are named here.
    """
    if verbosity >= 0:
        yield from marked(map(visible, mirror))
    yield _counts(summary)
    if verbosity >= 0:
        yield from _table(summary, width, verbosity)
        yield from _differences(summary, width, verbosity)
        yield from _reasons(summary, width, verbosity)
        yield from _named(summary, width, verbosity, tests=tests)
    yield from _findings(summary, width)
    yield from marked((cut(visible(note), 10 * width) for note in notes), DOUBTFUL if summary.pairs else BAD)
    yield from marked(map(visible, written))


def _counts(summary: Summary) -> Line:
    compared = [verdict for verdict in _COLUMNS if summary.verdicts[verdict] and verdict is not Verdict.SKIPPED]
    text = counted(summary.pairs, "pair")
    text += f": {', '.join(f'{summary.verdicts[verdict]} {verdict}' for verdict in compared)}" if compared else ""
    if summary.verdicts[Verdict.SKIPPED]:
        text += f"; {summary.verdicts[Verdict.SKIPPED]} skipped, not compared"
    if summary.findings():
        text += f"; {counted(len(summary.findings()), 'finding')}"
    return Line(text, WORST if summary.failed or not summary.pairs else BEST)


def _table(summary: Summary, width: int, verbosity: int) -> Iterator[Line]:
    """A row an endpoint: those that need looking at first."""
    shown = [verdict for verdict in _COLUMNS if any(endpoint.verdicts[verdict] for endpoint in summary.endpoints.values())]
    if not summary.endpoints:
        return
    ranked = sorted(summary.endpoints.items(), key=lambda item: (*(-item[1].verdicts[verdict] for verdict in _COLUMNS[:3]), item[0]))
    rows = ranked if verbosity > 0 else ranked[:_ROWS]
    widths = [max(len(verdict), 5) for verdict in shown]
    times = [_times(summary, name) for name, _ in rows]
    timed = max(map(len, times), default=0)
    room = max(12, width - 2 - sum(each + 2 for each in widths) - (timed + 2 if timed else 0))
    names = [cut_middle(visible(name), room) for name, _ in rows]
    room = max(map(columns, [*names, "endpoint"]))
    heads = "".join(f"  {verdict:>{each}}" for verdict, each in zip(shown, widths, strict=True))
    yield Line(f"  {padded('endpoint', room)}{heads}" + (f"  {'p50':>{timed}}" if timed else ""), FAINT)
    for name, (_, endpoint), time in zip(names, rows, times, strict=True):
        cells = "".join(f"  {endpoint.verdicts[verdict] or '-':>{each}}" for verdict, each in zip(shown, widths, strict=True))
        yield Line(f"  {padded(name, room)}{cells}" + (f"  {time:>{timed}}" if time else ""), _colour(endpoint))
    if len(ranked) > len(rows):
        yield Line(f"  and {len(ranked) - len(rows)} more endpoints (-v shows all)", FAINT)


def _colour(endpoint: Endpoint) -> Mapping[str, bool]:
    return next((_COLOURS[verdict] for verdict in _COLUMNS if verdict in _COLOURS and endpoint.verdicts[verdict]), PLAIN)


def _times(summary: Summary, name: str) -> str:
    """Half of the answers took no longer than this: the primary's → the candidate's."""
    latency = summary.latency(name)
    one, other = (latency.get(side, {}).get("p50") for side in ("primary", "candidate"))
    return f"{duration(one)} → {duration(other)}" if one is not None and other is not None else ""


def _differences(summary: Summary, width: int, verbosity: int) -> Iterator[Line]:
    """What differs at each endpoint, and the rule that would silence it."""
    differing = [name for name, endpoint in sorted(summary.endpoints.items()) if endpoint.verdicts[Verdict.DIFFERENT]]
    shown = differing if verbosity > 0 else differing[:_BLOCKS]
    for name in shown:
        yield Line()
        yield from _endpoint(name, summary.endpoints[name], width, verbosity)
    if len(differing) > len(shown):
        yield Line()
        yield Line(f"and {len(differing) - len(shown)} more endpoints differ (-v shows all)", BAD)


def _endpoint(name: str, endpoint: Endpoint, width: int, verbosity: int) -> Iterator[Line]:
    verb = "differs" if endpoint.pairs == 1 else "differ"
    yield Line(f"{visible(name)}: {endpoint.verdicts[Verdict.DIFFERENT]} of {counted(endpoint.pairs, 'pair')} {verb}", WORST)
    places = [(key, field) for key, field in sorted(endpoint.fields.items()) if field.count > field.control_count]
    shown = places if verbosity > 0 else places[:_ROWS]
    room = min(max((columns(visible(path)) for (path, _), _ in shown), default=0), max(20, width - 30))
    for (path, kind), field in shown:
        yield Line(f"  {padded(cut_middle(visible(path), room), room)}  {kind:<14}  {field.count - field.control_count}")
    if len(places) > len(shown):
        yield Line(f"  and {len(places) - len(shown)} more places (-v shows all)")
    rule = rule_lines(name, (key for key, _ in shown))
    if rule:
        yield Line("  if that means nothing:")
    yield from marked((f"    {line}" for line in rule), FAINT)


def _named(summary: Summary, width: int, verbosity: int, *, tests: bool) -> Iterator[Line]:
    """The first pairs that differ or have no verdict, by name: those of no test, which nothing else names, or all that were kept."""
    named = [sample for sample in summary.samples if verbosity > 0 or (tests and sample.test is None)]
    if named:
        yield Line()
        yield Line("The first of them:" if verbosity > 0 else "Requests of no test:", BAD)
    for sample in named:
        owner = f"  {visible(sample.test)}" if sample.test else ""
        yield Line(
            cut(f"  {sample.verdict:<10}  {visible(sample.id)}  {visible(sample.request)}{owner}", max(width, 200 * (verbosity > 0)))
        )


def _reasons(summary: Summary, width: int, verbosity: int) -> Iterator[Line]:
    titles = {Verdict.INCOMPLETE: "No verdict was possible", Verdict.SKIPPED: "Not compared, on purpose"}
    for verdict, title in titles.items():
        reasons = summary.reasons.get(verdict)
        if not reasons:
            continue
        yield Line()
        yield Line(f"{title}:", _COLOURS[verdict])
        listed = reasons.most_common(None if verbosity > 0 else _ROWS)
        yield from _by_count(listed, width)
        if len(listed) < len(reasons):
            yield Line(f"  and {len(reasons) - len(listed)} more reasons (-v shows all)")
    if summary.not_seen:
        parts = ", ".join(f"{part} of {count}" for part, count in sorted(summary.not_seen.items()))
        yield Line()
        yield Line(f"The tap cannot show everything; not seen: {parts} pairs.", DOUBTFUL)


def _by_count(items: Iterable[tuple[str, int]], width: int) -> Iterator[Line]:
    listed = list(items)
    digits = max(len(str(count)) for _, count in listed)
    for reason, count in listed:
        lead = f"  {count:>{digits}} x "
        yield from marked(broken(visible(plainly(reason)), max(20, width - len(lead)), lead, " " * len(lead)))


def _findings(summary: Summary, width: int) -> Iterator[Line]:
    findings = summary.findings()
    if findings:
        yield Line()
        yield Line("What only many pairs show:", BAD)
    for finding in findings:
        said = visible(f"{finding.endpoint} {finding.path}: {finding.what} (p = {finding.p:.2g})")
        yield from marked(broken(said, max(20, width - 4), "  ", "    "))
