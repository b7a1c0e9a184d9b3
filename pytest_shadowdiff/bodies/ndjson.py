"""One JSON document a line (and RFC 7464, where a control character begins each): a list of documents, `$[2].total`."""

from __future__ import annotations

from typing import Any

import orjson

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, reader
from pytest_shadowdiff.trees.found import Found


def read(content: Content, terms: Terms) -> Any:  # noqa: ANN401 - as JSON reads it
    """The lines as one list; blank lines mean nothing."""
    lines = [line for line in content.data.replace(b"\x1e", b"\n").splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        terms.budget.spend(1 + len(line) // 100)
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError:
            _read_exactly(line, number, terms)
    return reader("json").read(Content(b"[" + b",".join(lines) + b"]"), terms)


def _read_exactly(line: bytes, number: int, terms: Terms) -> None:
    try:
        reader("json").read(Content(line), terms)
    except UnreadableError as error:
        raise UnreadableError(error.reason, f"document {number}, {error.where}") from None


def compare(primary: Any, candidate: Any, terms: Terms) -> list[Found]:  # noqa: ANN401
    """Where the two lists differ."""
    return reader("json").compare(primary, candidate, terms)
