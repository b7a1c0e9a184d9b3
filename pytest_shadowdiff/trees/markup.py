"""lxml's trees -> trees of elements, with what rules say of their nodes. Names are local: prefixes mean nothing by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.rules import Decision, Selection
from pytest_shadowdiff.trees.budget import Budget
from pytest_shadowdiff.trees.elements import CHILDREN, INSTRUCTION, NAME, Element, Markup

if TYPE_CHECKING:
    from lxml.etree import _Element

_MOST_ATTRIBUTES = 1000  # lxml takes quadratic time to list them
Text = Callable[[str, "_Element", "_Element | None", "_Element | None"], str]


def made(root: _Element, selection: Selection, budget: Budget, *, text_of: Text, attribute_of: Callable[[str, str], str]) -> Markup:
    """The tree of elements below a root.

    Args:
        text_of: a text as it counts, by the element that holds it and those before and after it there; empty where it means nothing.
        attribute_of: an attribute's value as it counts.
    """
    top: Element = {}
    elements: dict[_Element, Element] = {}
    rest: list[tuple[Any, Element, int]] = [(root, top, 1)]
    keep = bool(selection.elements())
    while rest:
        node, element, depth = rest.pop()
        budget.spend()
        budget.descend(depth)
        if keep:
            elements[node] = element
        element[NAME] = local(node.tag)
        namespace, parent = _namespace(node), node.getparent()
        if namespace != (_namespace(parent) if parent is not None else ""):
            element["@xmlns"] = namespace
        if len(node.attrib) > _MOST_ATTRIBUTES:
            raise IncompleteError(f"an element has more than {_MOST_ATTRIBUTES} attributes")
        for name, value in node.attrib.items():
            element[f"@{_attribute(name)}"] = attribute_of(name, value)
        children = _children(node, rest, depth, text_of, budget, elements if keep else None)
        if children:
            element[CHILDREN] = children
    around = [
        _instruction(node, budget, elements if keep else None)
        for node in (*reversed(list(root.itersiblings(preceding=True))), *root.itersiblings())
        if _is_instruction(node)
    ]
    return Markup(top, _said(root, elements, selection, budget) if keep else {}, around)


def _children(
    node: _Element,
    rest: list[tuple[Any, Element, int]],
    depth: int,
    text_of: Text,
    budget: Budget,
    elements: dict[_Element, Element] | None,
) -> list[Any]:
    children: list[Any] = []
    pending = node.text or ""
    before: _Element | None = None
    for child in node:
        if not isinstance(child.tag, str):
            if _is_instruction(child):
                _add(children, text_of(pending, node, before, child))
                children.append(_instruction(child, budget, elements))
                pending, before = child.tail or "", child
            else:  # a comment, or an entity that was not expanded
                pending += (child.text or "" if _is_entity(child) else "") + (child.tail or "")
            continue
        budget.spend()
        _add(children, text_of(pending, node, before, child))
        below: Element = {}
        children.append(below)
        rest.append((child, below, depth + 1))
        pending = child.tail or ""
        before = child
    _add(children, text_of(pending, node, before, None))
    return children


def _add(children: list[Any], text: str) -> None:
    if text:
        children.append(text)


def _instruction(node: Any, budget: Budget, elements: dict[_Element, Element] | None) -> Element:  # noqa: ANN401 - lxml has no type with a target
    budget.spend()
    made: Element = {NAME: f"processing-instruction('{node.target}')", INSTRUCTION: node.text or ""}
    if elements is not None:
        elements[node] = made
    return made


def _is_instruction(node: Any) -> bool:  # noqa: ANN401 - its tag is typed as a text
    from lxml import etree

    return bool(node.tag is etree.PI)


def _is_entity(node: _Element) -> bool:
    from lxml import etree

    return node.tag is etree.Entity


def local(tag: str | bytes) -> str:
    """A name without its namespace."""
    return str(tag).rpartition("}")[2]


def _namespace(node: _Element) -> str:
    """The namespace of an element's name; where it is its parent's, there is no need to tell it again."""
    return str(node.tag).rpartition("}")[0].lstrip("{")


def _attribute(name: str) -> str:
    """An attribute's name, with its namespace where it has one: XPath 3.1 writes it so too."""
    if name.startswith("{http://www.w3.org/XML/1998/namespace}"):
        return f"xml:{local(name)}"
    return f"Q{name}" if name.startswith("{") else name


def _said(root: _Element, elements: dict[_Element, Element], selection: Selection, budget: Budget) -> dict[tuple[int, str], Decision]:
    """What each XPath of the rules finds, the first rule that names a node deciding."""
    from lxml import etree

    for node in root.iter():
        if "}" in str(node.tag):
            node.tag = local(node.tag)  # so that a rule needs no namespaces, as the paths that are shown have none
    said: dict[tuple[int, str], Decision] = {}
    for decision, path in selection.elements():
        try:
            results: Any = root.getroottree().xpath(path)
        except etree.XPathError as error:
            raise IncompleteError(f"the rule's path {path!r} cannot be followed here: {error}") from None
        budget.look()
        found: list[Any] = results if isinstance(results, list) else []
        for key in _keys(found, elements):
            if key not in said or decision.rank < said[key].rank:
                said[key] = decision
    return said


def _keys(results: Iterable[Any], elements: dict[_Element, Element]) -> Iterable[tuple[int, str]]:
    for result in results:
        owner = result.getparent() if hasattr(result, "is_attribute") else result
        if getattr(result, "is_tail", False):
            owner = owner.getparent()
        if owner not in elements:  # a number, or the text of what is left out
            continue
        what = NAME
        if getattr(result, "is_attribute", False):
            what = f"@{_attribute(result.attrname)}"
        elif hasattr(result, "is_attribute"):
            what = CHILDREN
        yield id(elements[owner]), what
