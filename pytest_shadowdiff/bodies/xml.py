"""XML by its elements, attributes and text, with XPaths; no entity is expanded, nothing is fetched.

Prefixes, the order of attributes, comments, and the blanks between elements mean nothing; namespaces do, and so do processing
instructions and the document type: since nothing is expanded, it holds what entities and defaults of attributes say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, hold
from pytest_shadowdiff.model import Kind
from pytest_shadowdiff.trees.budget import Budget
from pytest_shadowdiff.trees.elements import Markup, differences
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.markup import made

if TYPE_CHECKING:
    from lxml.etree import _Element

_TOKEN = re.compile(r"""<!--.*?-->|<\?.*?\?>|"[^"]*"|'[^']*'|[][<>]|\s+|[^][<>"'\s]+""", re.DOTALL)
_MARKS = frozenset("[]<>")
_LONGEST_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Document:
    """An XML document, read.

    Attributes:
        doctype: the document type declaration with its internal subset; None where there is none.
    """

    markup: Markup
    doctype: str | None


def read(content: Content, terms: Terms) -> Document:
    """The document's elements and its type."""
    from lxml import etree

    hold(2 * content.data.count(b"<"), terms)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
    )
    try:
        root = etree.fromstring(content.data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        place = getattr(error, "position", (None, None))
        where = f"line {place[0]}, column {place[1]}" if place[0] is not None else ""
        raise UnreadableError(f"no XML: {str(error).partition(', line')[0]}", where) from None
    terms.budget.look()
    info = root.getroottree().docinfo
    doctype = _doctype(_decoded(content.data, info.encoding or "utf-8"), terms.budget) if info.internalDTD is not None else None
    return Document(made(root, terms.selection, terms.budget, text_of=_text, attribute_of=_attribute), doctype)


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding, "backslashreplace")
    except LookupError:  # a name that only the parser knows
        return data.decode("latin-1")


def _doctype(text: str, budget: Budget) -> str:
    """The document type declaration (XML 1.0, 2.8) of a text that is well formed: without comments, with runs of blanks as one."""
    parts: list[str] = []
    blank = inside = False
    for match in _TOKEN.finditer(text):
        budget.spend()
        piece = match.group()
        if piece.startswith("<!--") or not (parts or piece == "<"):  # before the declaration only other markup stands
            continue
        if piece.isspace():
            blank = True
            continue
        if piece == "[" or (blank and parts[-1] not in _MARKS and piece not in _MARKS):
            parts.append(" ")
        blank = False
        parts.append(_quoted(piece))
        inside = piece == "[" or (inside and piece != "]")
        if piece == ">" and not inside:
            break
    return "".join(parts)


def _quoted(piece: str) -> str:
    """A literal in one sort of quotes, where both would do."""
    return f'"{piece[1:-1]}"' if piece[0] == "'" and '"' not in piece else piece


def _text(text: str, holder: _Element, before: _Element | None, after: _Element | None) -> str:
    alone = before is None and after is None
    if text.strip() or (alone and text) or holder.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve":
        return text
    return ""


def _attribute(name: str, value: str) -> str:
    del name
    return value


def compare(primary: Document, candidate: Document, terms: Terms) -> list[Found]:
    """Where two documents differ."""
    found = differences(primary.markup, candidate.markup, terms.budget)
    if primary.doctype == candidate.doctype:
        return found
    kind = Kind.ADDED if primary.doctype is None else Kind.MISSING if candidate.doctype is None else Kind.VALUE_CHANGED
    decision = terms.selection.named("doctype")
    rule = decision.rule if decision is not None and decision.action == "ignore" else None
    return [Found("doctype", kind, _shown(primary.doctype), _shown(candidate.doctype), "doctype", rule), *found]


def _shown(doctype: str | None) -> str | None:
    if doctype is None or len(doctype) <= _LONGEST_SHOWN:
        return doctype
    digest = sha256(doctype.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{doctype[:_LONGEST_SHOWN]}… ({len(doctype)} characters, sha256 {digest})"
