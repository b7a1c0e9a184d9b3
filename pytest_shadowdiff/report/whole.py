"""What `-vv` adds: DeepDiff's account of subtrees, and the request and all answers with their headers and bodies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_shadowdiff.model import Pair
from pytest_shadowdiff.report.facts import response_of
from pytest_shadowdiff.report.lines import FAINT, STRONG, Line
from pytest_shadowdiff.report.text import as_json, visible

_INDENT = "    "
_SUBTREES = 10
_LARGEST = 20_000  # characters of JSON: DeepDiff takes milliseconds for a thousand of them


def explained(pair: Pair) -> Iterator[Line]:
    """DeepDiff's words for each subtree that differs."""
    subtrees = [each for each in pair.differences if isinstance(each.primary, (dict, list)) and isinstance(each.candidate, (dict, list))]
    small = [each for each in subtrees if len(as_json(each.primary)) + len(as_json(each.candidate)) < _LARGEST]
    if not small:
        return
    from deepdiff import DeepDiff

    for difference in small[:_SUBTREES]:
        yield Line()
        yield Line(f"  {visible(difference.path)} in detail:", STRONG)
        for line in DeepDiff(difference.primary, difference.candidate, verbose_level=2).pretty().splitlines():
            yield Line(f"{_INDENT}{visible(line)}")


def messages(pair: Pair, primary: str, candidate: str) -> Iterator[Line]:
    """The request and the answers, whole; both versions by their names."""
    yield Line()
    yield Line("  request:", STRONG)
    yield from _message(f"{pair.request.method} {pair.request.target}", pair.request.headers, pair.request.body)
    for name, exchange in ((primary, pair.primary), (candidate, pair.candidate), ("control", pair.control)):
        response = response_of(exchange)
        if response is not None:
            yield Line()
            yield Line(f"  {visible(name)}:", STRONG)
            yield from _message(str(response.status), response.headers, response.body)


def _message(start: str, headers: Iterable[tuple[str, str]], body: bytes) -> Iterator[Line]:
    yield Line(f"{_INDENT}{visible(start)}")
    for name, value in headers:
        yield Line(f"{_INDENT}{visible(name)}: {visible(value)}", FAINT)
    if body:
        yield Line()
    try:
        lines = body.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        lines = [f"({len(body)} bytes that are no text)"]
    for line in lines:
        yield Line(f"{_INDENT}{visible(line)}")
