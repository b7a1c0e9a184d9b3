"""What a failing test shows: where the candidate means something else, why that is no noise, and how to see it for oneself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_shadowdiff.model import SAFE_METHODS, Difference, Exchange, Kind, Pair, Response, Verdict
from pytest_shadowdiff.report.curl import curl
from pytest_shadowdiff.report.paste import rule_lines
from pytest_shadowdiff.report.paths import general, place, plainly
from pytest_shadowdiff.report.text import as_json, broken, columns, cut, padded, side_by_side, visible

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
    """The text of a failure.

    Args:
        pairs: different or incomplete ones, as `plain.shown` made them.
        view: how it is shown.
    """
    view = view or View()
    first, rest = _unlike(sorted(pairs, key=lambda pair: pair.id), view.pairs)
    blocks: list[Iterable[str]] = [_pair(pair, view) for pair in first]
    if rest:
        blocks.append(_more(rest))
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks)


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


def _pair(pair: Pair, view: View) -> Iterator[str]:
    if pair.verdict is Verdict.INCOMPLETE:
        yield from _incomplete(pair, view)
        return
    yield f"{visible(pair.endpoint or pair.request.method)}: {visible(view.candidate)} means something else than {visible(view.primary)}"
    yield ""
    yield f"  {_request(pair, view)}"
    if view.verbosity < 0:
        for difference in pair.differences[: view.differences]:
            yield cut(f"  {visible(difference.path)}: {_brief(difference)}", view.width)
    else:
        reasons, _ = said_of(pair)
        for difference in pair.differences[: view.differences]:
            yield ""
            yield from _difference(difference, reasons.get(difference.path, ""), view)
    if len(pair.differences) > view.differences:
        yield f"  and {len(pair.differences) - view.differences} more differences (-v shows more)"
    if view.verbosity >= 0:
        yield ""
        yield from _facts(pair, view)
        yield ""
        yield from _commands(pair, view)
        yield from _rule(pair)
    if view.verbosity > 0:
        yield from _noise(pair, view)
    if view.verbosity > 1:
        yield from _explained(pair)
        yield from _messages(pair, view)


def _request(pair: Pair, view: View) -> str:
    request = visible(f"{pair.request.method} {pair.request.target}")
    ident = f"pair {visible(pair.id)}"
    room = view.width - 4 - columns(ident)
    if view.verbosity < 1:
        request = cut(request, max(20, room))
    return f"{padded(request, room)}  {ident}"


def _brief(difference: Difference) -> str:
    one, other = _values(difference)
    return f"{one} → {other} ({difference.kind})"


def _values(difference: Difference) -> tuple[str, str]:
    header = difference.path.startswith("header:")
    return (
        _NOTHING if difference.kind == Kind.ADDED or (header and difference.primary is None) else as_json(difference.primary),
        _NOTHING if difference.kind == Kind.MISSING or (header and difference.candidate is None) else as_json(difference.candidate),
    )


def said_of(pair: Pair) -> tuple[dict[str, str], str]:
    """What a judge said of each difference, by path, and what else it said of the pair."""
    reasons: dict[str, str] = {}
    rest: list[str] = []
    paths = [difference.path for difference in pair.differences]
    for part in pair.reason.split("; ") if pair.reason else ():
        path = next((path for path in paths if part.startswith(f"{path}: ")), None)
        if path is None:
            rest.append(part)
        else:
            reasons[path] = part.removeprefix(f"{path}: ")
    return reasons, "; ".join(rest)


def _difference(difference: Difference, reason: str, view: View) -> Iterator[str]:
    yield f"  {visible(difference.path)}  {difference.kind}"
    label = max(columns(visible(view.primary)), columns(visible(view.candidate)))
    room = view.width - len(_INDENT) - label - 2
    one, other = _values(difference)
    if view.verbosity > 1:
        room = max(room, 4000)
    one, other, pointer = side_by_side(one, other, max(20, room))
    yield f"{_INDENT}{padded(visible(view.primary), label)}  {one}"
    yield f"{_INDENT}{padded(visible(view.candidate), label)}  {other}"
    if pointer and _NOTHING not in (one, other):
        yield f"{_INDENT}{' ' * label}  {pointer}"
    if reason:
        yield from broken(visible(reason), max(20, view.width - len(_INDENT)), _INDENT)


def _facts(pair: Pair, view: View) -> Iterator[str]:
    yield from _wrapped("equal:", _equal(pair), view.width)
    yield from _wrapped("asked:", _asked(pair, view), view.width)


def _wrapped(label: str, text: str, width: int) -> Iterator[str]:
    """A label and a text beside it, broken between words."""
    return broken(visible(text), max(20, width - 13), f"  {label:<11}", " " * 13)


def _equal(pair: Pair) -> str:
    """What was the same, in one line."""
    primary, candidate = _response(pair.primary), _response(pair.candidate)
    if primary is None or candidate is None:
        return "nothing that could be compared"
    paths = [difference.path for difference in (*pair.differences, *pair.noise)]
    parts = [f"status {primary.status}"] if "status" not in paths else []
    same = _equal_headers(primary, candidate)
    parts += [f"{same} header" if same == 1 else f"{same} headers"] if same else []
    return ", ".join(parts + _equal_body(pair, primary, candidate)) or "nothing"


def _equal_headers(primary: Response, candidate: Response) -> int:
    def by_name(response: Response) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        for name, value in response.headers:
            values.setdefault(name.lower(), []).append(value)
        return values

    theirs = by_name(candidate)
    return sum(theirs.get(name) == values for name, values in by_name(primary).items())


def _equal_body(pair: Pair, primary: Response, candidate: Response) -> list[str]:
    if primary.body == candidate.body:
        return [f"the body ({len(primary.body)} bytes)"] if primary.body else []
    try:
        total = _leaves(json.loads(primary.body))
    except (ValueError, RecursionError):
        return []
    inside = [difference.primary for difference in (*pair.differences, *pair.noise) if difference.path.startswith("$")]
    differing = sum(_leaves(value) for value in inside if value is not None)
    return [f"{total - differing} of {total} values in the body"] if 0 < differing < total else []


def _leaves(value: object) -> int:
    """How many values a document holds that hold no others."""
    count, rest = 0, [value]
    while rest:
        item = rest.pop()
        inner = list(item.values()) if isinstance(item, dict) else list(item) if isinstance(item, (list, tuple)) else None
        count += not inner
        rest += inner or ()
    return count


def _response(exchange: Exchange | None) -> Response | None:
    return exchange.response if exchange else None


def _asked(pair: Pair, view: View) -> str:
    """How much was seen, and so why the difference is not taken for noise."""
    _, rest = said_of(pair)
    more = f"; {rest}" if rest else ""
    asked = sum(repeat.control is not None and repeat.control.response is not None for repeat in pair.repeats)
    again = sum(repeat.candidate is not None and repeat.candidate.response is not None for repeat in pair.repeats)
    if asked and again:
        return f"{view.primary} {_times(asked)} more, {view.candidate} {_times(again)} more{more}"
    if asked or (pair.control is not None and pair.control.response is not None):
        return f"{view.primary} {_times(asked or 1)} more{more}"
    if pair.request.method.upper() not in SAFE_METHODS:
        return f"no control: {pair.request.method} is not asked twice{more}"
    return f"no control, so it is not known whether {view.primary} agrees with itself{more}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _commands(pair: Pair, view: View) -> Iterator[str]:
    for name, base in ((view.primary, view.primary_url), (view.candidate, view.candidate_url)):
        yield f"  {visible(name)}:"
        yield f"{_INDENT}{curl(pair.request, base) if base else curl(pair.request, 'http://' + _placeholder(name))}"


def _placeholder(name: str) -> str:
    return "".join(character if character.isalnum() and character.isascii() else "-" for character in name) or "version"


def _rule(pair: Pair) -> Iterator[str]:
    lines = rule_lines(pair.endpoint, ((difference.path, str(difference.kind)) for difference in pair.differences))
    if lines:
        yield ""
        yield "  if this means nothing, in pyproject.toml:"
    for line in lines:
        yield f"{_INDENT}{line}"


def _noise(pair: Pair, view: View) -> Iterator[str]:
    if pair.noise:
        yield ""
        yield "  taken for noise:"
        for difference in pair.noise[: view.differences]:
            yield cut(f"{_INDENT}{visible(difference.path)}: {_brief(difference)}", max(view.width, 200))


def _explained(pair: Pair) -> Iterator[str]:
    """DeepDiff's words for each subtree that differs."""
    subtrees = [each for each in pair.differences if isinstance(each.primary, (dict, list)) and isinstance(each.candidate, (dict, list))]
    if subtrees:
        from deepdiff import DeepDiff

        for difference in subtrees[:10]:
            yield ""
            yield f"  {visible(difference.path)} in detail:"
            for line in DeepDiff(difference.primary, difference.candidate, verbose_level=2).pretty().splitlines():
                yield f"{_INDENT}{visible(line)}"


def _messages(pair: Pair, view: View) -> Iterator[str]:
    """The request and both answers, whole."""
    yield ""
    yield "  request:"
    yield from _message(f"{pair.request.method} {pair.request.target}", pair.request.headers, pair.request.body)
    for name, exchange in ((view.primary, pair.primary), (view.candidate, pair.candidate), ("control", pair.control)):
        response = _response(exchange)
        if response is not None:
            yield ""
            yield f"  {visible(name)}:"
            yield from _message(str(response.status), response.headers, response.body)


def _message(start: str, headers: Iterable[tuple[str, str]], body: bytes) -> Iterator[str]:
    yield f"{_INDENT}{visible(start)}"
    for name, value in headers:
        yield f"{_INDENT}{visible(name)}: {visible(value)}"
    if body:
        yield ""
    try:
        lines = body.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        lines = [f"({len(body)} bytes that are no text)"]
    for line in lines:
        yield f"{_INDENT}{visible(line)}"


def _incomplete(pair: Pair, view: View) -> Iterator[str]:
    yield f"{visible(pair.endpoint or pair.request.method)}: no verdict"
    yield ""
    yield f"  {_request(pair, view)}"
    reason = plainly(pair.reason) or "nothing was seen of it"
    yield from _wrapped("why:", reason, view.width)
    for name, exchange in ((view.primary, pair.primary), (view.candidate, pair.candidate)):
        yield from _wrapped(f"{visible(name)}:", _seen(exchange), view.width)
    hint = next((hint for sign, hint in _HINTS.items() if sign in reason), "")
    if hint:
        yield from _wrapped("next:", hint, view.width)
    if view.verbosity >= 0:
        yield ""
        yield from _commands(pair, view)
    if view.verbosity > 1:
        yield from _messages(pair, view)


def _seen(exchange: Exchange | None) -> str:
    """What was seen of one side."""
    response = _response(exchange)
    if exchange is None or response is None:
        return "no answer was seen"
    took = f" after {exchange.seconds:.3f} s" if exchange.seconds is not None else ""
    short = ", cut off" if exchange.truncated else ""
    return f"status {response.status}, {len(response.body)} bytes{took}{short}"


def _more(pairs: Sequence[Pair]) -> list[str]:
    counts = Counter(f"{visible(pair.endpoint or pair.request.method)}" for pair in pairs)
    one = len(pairs) == 1
    verdicts = ("differs" if one else "differ") if pairs[0].verdict is Verdict.DIFFERENT else f"{'has' if one else 'have'} no verdict"
    head = f"and {len(pairs)} more {'pair' if one else 'pairs'} {verdicts} (-v shows more):"
    rest = [f"  {count} x {endpoint}" for endpoint, count in counts.most_common(10)]
    return [head, *rest]
