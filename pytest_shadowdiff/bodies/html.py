"""HTML by its structure and its text, as a browser would build it, with XPaths; comments and runs of blanks mean nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, hold
from pytest_shadowdiff.trees.elements import Markup, differences
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.markup import collapsed, made

if TYPE_CHECKING:
    from lxml.etree import _Element

_AS_WRITTEN = frozenset({"pre", "textarea", "script", "style"})


def read(content: Content, terms: Terms) -> Markup:
    """The document's elements; a charset of its Content-Type comes before one in its markup."""
    from lxml import etree, html

    hold(2 * content.data.count(b"<"))
    charset = content.parameters.get("charset")
    try:
        parser = html.HTMLParser(encoding=charset, remove_comments=True, remove_pis=True, no_network=True, huge_tree=False)
    except LookupError:
        parser = html.HTMLParser(remove_comments=True, remove_pis=True, no_network=True, huge_tree=False)
    if charset is None and not content.data.startswith((b"\xff\xfe", b"\xfe\xff")) and b"charset" not in content.data[:1024].lower():
        parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=False)
    try:
        root = html.document_fromstring(content.data, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise UnreadableError(f"no HTML: {error}") from None
    terms.budget.look()
    return made(root, terms.selection, terms.budget, text_of=_text, attribute_of=_attribute)


def _text(text: str, holder: _Element) -> str:
    if holder.tag in _AS_WRITTEN:
        return text if text.strip() else ""
    return collapsed(text)


def _attribute(name: str, value: str) -> str:
    """The classes of an element are a set."""
    return " ".join(sorted(set(value.split()))) if name == "class" else value


def compare(primary: Markup, candidate: Markup, terms: Terms) -> list[Found]:
    """Where two documents differ."""
    return differences(primary, candidate, terms.budget)
