"""XML by its elements, attributes and text, with XPaths; no entity is expanded, nothing is fetched.

Prefixes, the order of attributes, comments, and the blanks between elements mean nothing; namespaces do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, hold
from pytest_shadowdiff.trees.elements import Markup, differences
from pytest_shadowdiff.trees.found import Found
from pytest_shadowdiff.trees.markup import made

if TYPE_CHECKING:
    from lxml.etree import _Element


def read(content: Content, terms: Terms) -> Markup:
    """The document's elements."""
    from lxml import etree

    hold(2 * content.data.count(b"<"), terms)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content.data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        place = getattr(error, "position", (None, None))
        where = f"line {place[0]}, column {place[1]}" if place[0] is not None else ""
        raise UnreadableError(f"no XML: {str(error).partition(', line')[0]}", where) from None
    terms.budget.look()
    return made(root, terms.selection, terms.budget, text_of=_text, attribute_of=_attribute)


def _text(text: str, holder: _Element, before: _Element | None, after: _Element | None) -> str:
    alone = before is None and after is None
    if text.strip() or (alone and text) or holder.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve":
        return text
    return ""


def _attribute(name: str, value: str) -> str:
    del name
    return value


def compare(primary: Markup, candidate: Markup, terms: Terms) -> list[Found]:
    """Where two documents differ."""
    return differences(primary, candidate, terms.budget)
