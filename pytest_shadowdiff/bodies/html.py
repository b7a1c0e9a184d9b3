"""HTML by its structure and its text, as a browser would build it, with XPaths; comments and runs of blanks mean nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, hold
from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.trees.elements import Markup, differences
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.markup import made

if TYPE_CHECKING:
    from lxml.etree import _Element

_AS_WRITTEN = frozenset({"pre", "textarea", "script", "style"})
_IN_LINE = frozenset(
    {
        "a", "abbr", "b", "bdi", "bdo", "button", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "input", "ins", "kbd",
        "label", "mark", "output", "q", "s", "samp", "select", "small", "span", "strong", "sub", "sup", "textarea", "time", "u", "var",
    }
)  # fmt: skip
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_DECLARED = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w:.-]{1,40})", re.IGNORECASE)
_END = re.compile(r"</(?:body|html)\s*>", re.IGNORECASE)
_NORMAL_END = re.compile(r"(?:\s|<!--(?:(?!-->)[\s\S]){0,1000}-->|</(?:body|html)\s*>)*\Z", re.IGNORECASE)
_TAIL = 4096
_DOCTYPE = re.compile(r"\s*<!doctype\b([^>]{0,1000})>", re.IGNORECASE)
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0e-\x1f]")


def read(content: Content, terms: Terms) -> Markup:
    """The document's elements; a charset of its Content-Type comes before one in its markup."""
    from lxml import etree, html

    hold(2 * content.data.count(b"<"), terms)
    text = _text_of(content)
    if _NO_TEXT.search(text):
        raise UnreadableError("no HTML: it holds control characters")
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=False)
    try:
        root = html.document_fromstring(_without_early_end(text).encode("utf-8"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise UnreadableError(f"no HTML: {error}") from None
    for problem in parser.error_log:
        if problem.level == etree.ErrorLevels.FATAL:  # the parser left the rest out
            raise IncompleteError(f"HTML beyond what its parser takes: {problem.message.partition(', ')[0]}")
    terms.budget.look()
    document = made(root, terms.selection, terms.budget, text_of=_text, attribute_of=_attribute)
    doctype = _DOCTYPE.match(text)
    if doctype is not None:  # it decides how a browser lays the page out
        document.root["@doctype"] = _BLANKS.sub(" ", doctype.group(1)).strip().lower()
    return document


def _text_of(content: Content) -> str:
    for mark, charset in _MARKS:
        if content.data.startswith(mark):
            return _decoded(content.data[len(mark) :], charset)
    meta = _DECLARED.search(content.data[:1024])
    charset = content.parameters.get("charset") or (meta.group(1).decode("ascii") if meta else "")
    return _decoded(content.data, charset or "utf-8")


def _decoded(data: bytes, charset: str) -> str:
    """Strictly: a parser would put one sign in place of all bytes that it cannot read."""
    try:
        return data.decode(charset)
    except (UnicodeDecodeError, LookupError):
        raise UnreadableError(f"no HTML: it does not decode as {charset}") from None


def _without_early_end(text: str) -> str:
    """A browser shows what stands after `</html>`; this parser would leave it out."""
    end = _NORMAL_END.search(text, max(0, len(text) - _TAIL))
    before = end.start() if end is not None else len(text)
    return _END.sub("", text[:before]) + text[before:] if _END.search(text, 0, before) else text


def _text(text: str, holder: _Element, before: _Element | None, after: _Element | None) -> str:
    """Runs of blanks as one; none where a block begins or ends, for a browser shows none there."""
    if holder.tag in _AS_WRITTEN:
        return text if text.strip() else ""
    shown = _BLANKS.sub(" ", text)
    if not _flows(before, holder):
        shown = shown.lstrip(" ")
    if not _flows(after, holder):
        shown = shown.rstrip(" ")
    return shown


def _flows(neighbour: _Element | None, holder: _Element) -> bool:
    return (neighbour if neighbour is not None else holder).tag in _IN_LINE


def _attribute(name: str, value: str) -> str:
    """The classes of an element are a set."""
    return " ".join(sorted(set(value.split()))) if name == "class" else value


def compare(primary: Markup, candidate: Markup, terms: Terms) -> list[Found]:
    """Where two documents differ."""
    return differences(primary, candidate, terms.budget)
