"""What a failing test shows: where the candidate means something else, why that is no noise, and how to see it for oneself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_shadowdiff.model import Difference, Kind, Pair, Verdict
from pytest_shadowdiff.report.curl import curl
from pytest_shadowdiff.report.facts import asked, equal, said_of, seen
from pytest_shadowdiff.report.lines import BAD, FAINT, GOOD, STRONG, WORST, Line, marked
from pytest_shadowdiff.report.paste import rule_lines
from pytest_shadowdiff.report.paths import general, place, plainly
from pytest_shadowdiff.report.text import as_json, broken, columns, cut, padded, side_by_side, visible
from pytest_shadowdiff.report.whole import explained, messages

_NOTHING = "(not there)"
_INDENT = "    "
_HINTS = {
    " within ": "see whether it answers at all by the command below; --shadow-timeout=SECONDS gives it longer",
    "max_body": "`max_body` in [tool.shadowdiff.limits] lets larger bodies through",
    "max_ratio": "`max_ratio` in [tool.shadowdiff.limits] lets bodies inflate further",
    "max_depth": "`max_depth` in [tool.shadowdiff.limits] lets documents nest deeper",
    "max_compare_seconds": "`max_compare_seconds` in [tool.shadowdiff.limits] gives a comparison longer",
}
"""What to do next, by what a reason says."""


@dataclass(frozen=True, slots=True)
class View:
    """How it is shown, and to whom.

    Attributes:
        width: columns of the terminal.
        verbosity: as pytest counts it: -1 for `-q`, 2 for `-vv`.
        primary: the primary's name.
        candidate: the candidate's name.
        primary_url: where the primary is reached, without a trailing slash; None where nobody here can reach it.
        candidate_url: the same of the candidate.
    """

    width: int = 80
    verbosity: int = 0
    primary: str = "primary"
    candidate: str = "candidate"
    primary_url: str | None = None
    candidate_url: str | None = None

    @property
    def pairs(self) -> int:
        """How many pairs are shown in full."""
        return (1, 3, 10, 50)[min(max(self.verbosity, -1), 2) + 1]

    @property
    def differences(self) -> int:
        """How many differences of a pair are shown."""
        return (5, 10, 100, 1000)[min(max(self.verbosity, -1), 2) + 1]


def failure(pairs: Sequence[Pair], view: View | None = None) -> str:
    """The text of a failure, without colours; as `failure_lines`."""
    return "\n".join(line.text for line in failure_lines(pairs, view))


def failure_lines(pairs: Sequence[Pair], view: View | None = None) -> list[Line]:
    """What a failing test shows.

    Args:
        pairs: different or incomplete ones, as `plain.shown` made them.
        view: how it is shown.
    """
    view = view or View()
    first, rest = _unlike(sorted(pairs, key=lambda pair: pair.id), view.pairs)
    lines: list[Line] = []
    for number, pair in enumerate(first):
        lines += [Line()] if number else []
        lines += _incomplete(pair, view) if pair.verdict is Verdict.INCOMPLETE else _different(pair, view)
    lines += _more(rest) if rest else []
    return [Line(line.text.rstrip(), line.markup) for line in lines]


def _unlike(pairs: Sequence[Pair], most: int) -> tuple[list[Pair], list[Pair]]:
    """The pairs to show, each of which says something that those before it do not, and the rest."""
    first: list[Pair] = []
    rest: list[Pair] = []
    known: set[object] = set()
    for pair in pairs:
        says = (pair.endpoint, pair.verdict, general(pair.reason, pair), *((place(each.path), each.kind) for each in pair.differences))
        (rest if says in known or len(first) == most else first).append(pair)
        known.add(says)
    return first, rest


def _different(pair: Pair, view: View) -> Iterator[Line]:
    yield Line(f"{_endpoint(pair)}: {visible(view.candidate)} means something else than {visible(view.primary)}", WORST)
    yield Line()
    yield Line(f"  {_request(pair, view)}")
    yield from _differences(pair, view)
    if view.verbosity >= 0:
        yield Line()
        yield from _beside("equal:", equal(pair), view)
        yield from _beside("asked:", asked(pair, view.primary, view.candidate), view)
        yield Line()
        yield from _commands(pair, view)
        yield from _rule(pair)
    if view.verbosity > 0:
        yield from _noise(pair, view)
    if view.verbosity > 1:
        yield from explained(pair)
        yield from messages(pair, view.primary, view.candidate)


def _endpoint(pair: Pair) -> str:
    return visible(pair.endpoint or pair.request.method)


def _request(pair: Pair, view: View) -> str:
    request = visible(f"{pair.request.method} {pair.request.target}")
    ident = f"pair {visible(pair.id)}"
    room = view.width - 4 - columns(ident)
    if view.verbosity < 1:
        request = cut(request, max(20, room))
    return f"{padded(request, room)}  {ident}"


def _differences(pair: Pair, view: View) -> Iterator[Line]:
    reasons, _ = said_of(pair)
    for difference in pair.differences[: view.differences]:
        if view.verbosity < 0:
            yield Line(cut(f"  {visible(difference.path)}: {_brief(difference)}", view.width))
        else:
            yield Line()
            yield from _difference(difference, reasons.get(difference.path, ""), view)
    if len(pair.differences) > view.differences:
        yield Line(f"  and {len(pair.differences) - view.differences} more differences (-v shows more)")


def _brief(difference: Difference) -> str:
    one, other = _values(difference)
    return f"{one} → {other} ({difference.kind})"


def _values(difference: Difference) -> tuple[str, str]:
    header = difference.path.startswith("header:")
    return (
        _NOTHING if difference.kind == Kind.ADDED or (header and difference.primary is None) else as_json(difference.primary),
        _NOTHING if difference.kind == Kind.MISSING or (header and difference.candidate is None) else as_json(difference.candidate),
    )


def _difference(difference: Difference, reason: str, view: View) -> Iterator[Line]:
    yield Line(f"  {visible(difference.path)}  {difference.kind}", STRONG)
    label = max(columns(visible(view.primary)), columns(visible(view.candidate)))
    room = view.width - len(_INDENT) - label - 2
    one, other, pointer = side_by_side(*_values(difference), max(room, 4000 if view.verbosity > 1 else 20))
    yield Line(f"{_INDENT}{padded(visible(view.primary), label)}  {one}", GOOD)
    yield Line(f"{_INDENT}{padded(visible(view.candidate), label)}  {other}", BAD)
    if pointer and _NOTHING not in (one, other):
        yield Line(f"{_INDENT}{' ' * label}  {pointer}", BAD)
    if reason:
        yield from marked(broken(visible(reason), max(20, view.width - len(_INDENT)), _INDENT), FAINT)


def _beside(label: str, text: str, view: View) -> Iterator[Line]:
    """A label and a text beside it, broken between words."""
    return marked(broken(visible(text), max(20, view.width - 13), f"  {label:<11}", " " * 13))


def _commands(pair: Pair, view: View) -> Iterator[Line]:
    for name, base in ((view.primary, view.primary_url), (view.candidate, view.candidate_url)):
        yield Line(f"  {visible(name)}:")
        yield Line(f"{_INDENT}{curl(pair.request, base or f'http://{_placeholder(name)}')}", FAINT)


def _placeholder(name: str) -> str:
    return "".join(character if character.isalnum() and character.isascii() else "-" for character in name) or "version"


def _rule(pair: Pair) -> Iterator[Line]:
    rule = rule_lines(pair.endpoint, ((difference.path, str(difference.kind)) for difference in pair.differences))
    if rule:
        yield Line()
        yield Line("  if this means nothing, in pyproject.toml:")
        yield from marked((f"{_INDENT}{line}" for line in rule), FAINT)


def _noise(pair: Pair, view: View) -> Iterator[Line]:
    if pair.noise:
        yield Line()
        yield Line("  taken for noise:")
        brief = (f"{_INDENT}{visible(difference.path)}: {_brief(difference)}" for difference in pair.noise[: view.differences])
        yield from marked((cut(line, max(view.width, 200)) for line in brief), FAINT)


def _incomplete(pair: Pair, view: View) -> Iterator[Line]:
    yield Line(f"{_endpoint(pair)}: no verdict", WORST)
    yield Line()
    yield Line(f"  {_request(pair, view)}")
    reason = plainly(pair.reason) or "nothing was seen of it"
    yield from _beside("why:", reason, view)
    for name, exchange in ((view.primary, pair.primary), (view.candidate, pair.candidate)):
        yield from _beside(f"{visible(name)}:", seen(exchange), view)
    hint = next((hint for sign, hint in _HINTS.items() if sign in reason), "")
    if hint:
        yield from _beside("next:", hint, view)
    if view.verbosity >= 0:
        yield Line()
        yield from _commands(pair, view)
    if view.verbosity > 1:
        yield from messages(pair, view.primary, view.candidate)


def _more(pairs: Sequence[Pair]) -> Iterator[Line]:
    counts = Counter(map(_endpoint, pairs))
    one = len(pairs) == 1
    verdicts = ("differs" if one else "differ") if pairs[0].verdict is Verdict.DIFFERENT else f"{'has' if one else 'have'} no verdict"
    yield Line()
    yield Line(f"and {len(pairs)} more {'pair' if one else 'pairs'} {verdicts} (-v shows more):")
    yield from marked(f"  {count} x {endpoint}" for endpoint, count in counts.most_common(10))
