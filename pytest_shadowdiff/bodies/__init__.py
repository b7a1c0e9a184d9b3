"""Kinds of body: what two bodies hold is read by one kind's parser and compared as that. Nothing here knows of requests or headers.

A kind is one module with `read(content, terms)` and `compare(primary, candidate, terms)`, and one line in `KINDS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from typing import Any, Protocol, cast

from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.model import Kind
from pytest_shadowdiff.rules import Selection
from pytest_shadowdiff.trees.budget import Budget
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.values import ABSENT
from pytest_shadowdiff.trees.walk import Ground
from pytest_shadowdiff.trees.walk import differences as walk

MOST_VALUES = 3_000_000
_BODY = 16 * 1024 * 1024
_EXCERPT = 160


@dataclass(frozen=True, slots=True)
class Content:
    """A body without its content coding.

    Attributes:
        media_type: in lower case, without parameters; empty where none was declared.
        parameters: those of the media type, names in lower case.
    """

    data: bytes
    media_type: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one comparison: the rules, and what it may cost."""

    selection: Selection
    budget: Budget


class UnreadableError(Exception):
    """A body is not what this kind reads.

    Attributes:
        where: the place, for a person ("line 3, column 7"); empty where none can be named.
    """

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where


class Reader(Protocol):
    """What a kind's module offers."""

    def read(self, content: Content, terms: Terms) -> Any:  # noqa: ANN401 - each kind has its own tree
        """The document.

        Raises:
            UnreadableError: it is none of this kind.
            IncompleteError: a limit was reached.
        """

    def compare(self, primary: Any, candidate: Any, terms: Terms) -> list[Found]:  # noqa: ANN401
        """Where two documents of this kind mean something else."""


@dataclass(frozen=True, slots=True)
class BodyKind:
    """What is known of a kind before its module is imported.

    Attributes:
        media_types: a pattern for the types that it reads.
        opening: a pattern for the first bytes of a body that is of this kind whatever it claims to be.
    """

    module: str
    media_types: re.Pattern[str]
    opening: re.Pattern[bytes] | None = None


def _kind(module: str, media_types: str, opening: bytes | None = None) -> BodyKind:
    return BodyKind(f"{__name__}.{module}", re.compile(media_types), re.compile(opening) if opening is not None else None)


KINDS: Mapping[str, BodyKind] = {
    "json": _kind("json", r".*[/+]json", rb"(?:\xef\xbb\xbf)?[ \t\r\n]*[\[{]"),
    "ndjson": _kind("ndjson", r"application/(?:x-)?(?:ndjson|jsonl|json-lines|jsonlines|json-seq)"),
    "html": _kind("html", r"text/html|application/xhtml\+xml", rb"(?:\xef\xbb\xbf)?\s*(?i:<!doctype\s+html|<html)"),
    "xml": _kind("xml", r"(?:text|application)/xml|.*\+xml", rb"(?:\xef\xbb\xbf)?\s*<\?xml"),
    "csv": _kind("csv", r"text/(?:csv|tab-separated-values|comma-separated-values)|application/csv"),
    "form": _kind("form", r"application/x-www-form-urlencoded"),
    "multipart": _kind("multipart", r"multipart/.*"),
    "event stream": _kind("event_stream", r"text/event-stream"),
    "MessagePack": _kind("msgpack", r"application/(?:x-|vnd\.)?msgpack|.*\+msgpack"),
    "CBOR": _kind("cbor", r"application/cbor|.*\+cbor"),
    "archive": _kind("archive", r"application/(?:zip|gzip|x-gzip|java-archive)|.*\+zip", rb"PK\x03\x04|PK\x05\x06|\x1f\x8b"),
    "image": _kind("image", r"image/png", rb"\x89PNG\r\n\x1a\n"),
}
"""In the order in which they are tried where the declared type does not decide."""

LAST_RESORT: Mapping[str, BodyKind] = {
    "text": _kind("text", r"text/.*|application/(?:javascript|x-javascript|ecmascript|sql|graphql|toml|x-sh|yaml|x-yaml)|.*\+yaml"),
    "binary": _kind("binary", r".*"),
}
"""What reads anything: text that decodes, and bytes."""


def differences(primary: Content, candidate: Content, terms: Terms) -> list[Found]:
    """Where two bodies mean something else.

    Raises:
        IncompleteError: a limit was reached.
    """
    if primary.data == candidate.data and primary.parameters.get("charset") == candidate.parameters.get("charset"):
        return []
    kind, document, refused = _read(primary, terms)
    other, counterpart, refused_other = _read(candidate, terms)
    if kind == other == "empty":
        return []
    if kind == other:
        found: list[Found] = _reader(kind).compare(document, counterpart, terms)
        return found
    return [kind_changed(_described(primary, kind, refused), _described(candidate, other, refused_other), terms)]


def compare_values(primary: object, candidate: object, terms: Terms, *, booleans: bool = True) -> list[Found]:
    """Where two trees of values differ: what a kind that is none of JSON, but means such a tree, ends in."""
    marks = terms.selection.marks(primary, candidate)
    return walk(primary, candidate, Ground(terms.budget, marks, booleans=booleans, unfold=unfolding(terms)))


def reader(kind: str) -> Reader:
    """A kind's module, for a kind that holds documents of another."""
    return _reader(kind)


def unfolding(terms: Terms) -> Callable[[str], object]:
    """A function that reads a text which is itself a JSON document; ABSENT where it is none."""

    def unfold(text: str) -> object:
        if text[:1] not in "{[" or len(text) < 2:  # noqa: PLR2004 - the shortest document
            return ABSENT
        try:
            return cast("Any", _reader("json")).exactly(text.encode("utf-8"), terms)
        except (UnreadableError, UnicodeEncodeError):
            return ABSENT

    return unfold


def hold(count: int, terms: Terms) -> None:
    """Refuse more values than memory should hold, before any is made; whoever allows greater bodies allows more of them.

    Raises:
        IncompleteError: it is more than a document may hold.
    """
    most = MOST_VALUES * max(1, terms.budget.limits.body // _BODY)
    if count > most:
        raise IncompleteError(f"a document holds more than {most} values")


def kind_changed(primary: str, candidate: str, terms: Terms, path: str = "body") -> Found:
    """The difference of two bodies that are not of one kind, or that no parser reads."""
    decision = terms.selection.named("body")
    rule = decision.rule if decision is not None and decision.action == "ignore" else None
    return Found(path, Kind.BODY_CHANGED, primary, candidate, None, rule)


def _read(content: Content, terms: Terms) -> tuple[str, Any, UnreadableError | None]:
    """The body's kind, its document, and why it is not what it claims to be, where it is not."""
    refused: UnreadableError | None = None
    if not content.data or content.data.isspace():
        return "empty", content.data, None
    for name in _candidates(content):
        try:
            return name, _reader(name).read(content, terms), refused
        except UnreadableError as error:
            refused = refused or error
    raise AssertionError(content)  # bytes can always be read as bytes


def _candidates(content: Content) -> Iterator[str]:
    declared = _declared(content.media_type)
    json = KINDS["json"].opening
    if declared in _VAGUE and json is not None and json.match(content.data):
        yield "json"
    yield from declared
    for name, kind in KINDS.items():
        if name not in declared and kind.opening is not None and kind.opening.match(content.data):
            yield name
    if "text" not in declared:
        yield "text"
    yield "binary"


_VAGUE = (("text",), ("html", "text"))
"""What servers say by default, also of JSON."""


@lru_cache(maxsize=256)
def _declared(media_type: str) -> tuple[str, ...]:
    every = {**KINDS, **LAST_RESORT}
    return tuple(name for name, kind in every.items() if name != "binary" and kind.media_types.fullmatch(media_type))


@lru_cache
def _reader(name: str) -> Reader:
    return cast("Reader", import_module({**KINDS, **LAST_RESORT}[name].module))


def _described(content: Content, kind: str, refused: UnreadableError | None) -> str:
    if kind == "empty":
        return "empty"
    text = content.data[:_EXCERPT].decode("utf-8", "backslashreplace") if kind != "binary" else f"sha256 {sha256(content.data).hexdigest()}"
    cut = "…" if kind != "binary" and len(content.data) > _EXCERPT else ""
    why = f" ({refused.reason}{' at ' + refused.where if refused.where else ''})" if refused is not None else ""
    return f"{kind}, {len(content.data)} bytes{why}: {text}{cut}"
