"""Two responses -> differences: status, headers, then the body by its kind. Pure: bytes in, values out, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_shadowdiff import bodies
from pytest_shadowdiff.bodies import Content, Terms
from pytest_shadowdiff.comparing import headers
from pytest_shadowdiff.comparing.content import codings, content_of
from pytest_shadowdiff.comparing.fields import values_of
from pytest_shadowdiff.comparing.given import hold
from pytest_shadowdiff.comparing.mirrored import Mirrored
from pytest_shadowdiff.comparing.summing import equal_parts
from pytest_shadowdiff.errors import IncompleteError
from pytest_shadowdiff.model import Difference, Exchange, Kind, Response, Rule
from pytest_shadowdiff.rules import Selection, rules_from
from pytest_shadowdiff.settings import Limits
from pytest_shadowdiff.trees.budget import Budget
from pytest_shadowdiff.trees.found import Found

__all__ = ["Comparison", "compare", "compare_exchanges"]

_NOT_MIRRORED = Mirrored(None, None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two exchanges have and have not in common.

    Attributes:
        differences: what no rule silences and the mirror does not explain, in the order status, headers, trailers, body.
        silenced: what a rule silences; nothing of it is lost.
        silencing: the rule for each of `silenced`.
        mirror_made: what differs only because the mirror sent the two versions different requests.
        equal_parts: what is equal, in one line ("status, 7 headers and 12 of 13 values are equal").
    """

    differences: tuple[Difference, ...]
    silenced: tuple[Difference, ...] = ()
    silencing: tuple[Rule, ...] = ()
    mirror_made: tuple[Difference, ...] = ()
    equal_parts: str = ""


def compare(
    primary: Response,
    candidate: Response,
    rules: Sequence[Rule] = (),
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> list[Difference]:
    """Where the candidate's response means something else than the primary's.

    Args:
        rules: all of them hold, whatever their `endpoint` says, since a response does not know its request; the first that
            names a path decides.
        limits: bounds on what the comparison may cost.

    Returns:
        The differences, in the order status, headers, trailers, body; empty where both mean the same.

    Raises:
        IncompleteError: a content coding does not decode, or a limit was reached.
        SettingsError: a rule is wrong.
        TypeError: a field of a response is of another type than it should be.
    """
    hold(primary, "primary")
    hold(candidate, "candidate")
    checked = rules_from(rules)
    if primary == candidate:
        return []
    found = _found(primary, candidate, Terms(Selection(checked), Budget(limits)), _NOT_MIRRORED, frozenset(), head=False)
    return [each.difference() for each in found if each.rule is None]


def compare_exchanges(
    primary: Exchange,
    candidate: Exchange,
    rules: Sequence[Rule] = (),
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Comparison:
    """What two exchanges of one request have in common, and what not.

    What only the connection or the mirror made is no difference: where both sides received different requests, an answer that
    echoes just that is the same answer.

    Args:
        rules: those for this request (`rules.matching`); the first that names a path decides.

    Raises:
        IncompleteError: there is no answer, a content coding does not decode, or a limit was reached.
    """
    one, other = primary.response, candidate.response
    if one is None or other is None:
        raise IncompleteError(f"the {'primary' if one is None else 'candidate'}'s answer is missing")
    unseen = primary.not_seen | candidate.not_seen
    mirrored = Mirrored(primary.request, candidate.request, (primary.origins, candidate.origins))
    terms = Terms(Selection(rules), Budget(limits))
    found = _found(one, other, terms, mirrored, unseen, head=primary.request.method.upper() == "HEAD")
    made: list[Found] = []
    left: list[Found] = []
    for each in found:
        (made if mirrored.explains(each) else left).append(each)
    silenced = [(each.difference(), each.rule) for each in left if each.rule is not None]
    differences = tuple(each.difference() for each in left if each.rule is None)
    return Comparison(
        differences=differences,
        silenced=tuple(difference for difference, _ in silenced),
        silencing=tuple(rule for _, rule in silenced),
        mirror_made=tuple(each.difference() for each in made),
        equal_parts=equal_parts(one, left, unseen, limits) if differences else "",
    )


def _found(primary: Response, candidate: Response, terms: Terms, mirrored: Mirrored, unseen: frozenset[str], *, head: bool) -> list[Found]:
    found: list[Found] = []
    if primary.status != candidate.status:
        found.append(_named("status", Kind.STATUS_CHANGED, primary.status, candidate.status, terms.selection))
    contents = _contents(primary, candidate, terms, bodiless=head or "body" in unseen)
    if "headers" not in unseen and not headers.alike(primary.headers, candidate.headers):
        found += _headers(primary, candidate, contents, terms, mirrored)
        if mirrored.alike and not (primary.body or candidate.body or "body" in unseen):
            found += _promised_lengths(primary, candidate, terms.selection)
    if "trailers" not in unseen and primary.trailers != candidate.trailers:
        found += _trailers(primary, candidate, terms)
    if contents is not None and "body" not in unseen:
        found += bodies.differences(*contents, terms)
    return found


def _contents(primary: Response, candidate: Response, terms: Terms, *, bodiless: bool) -> tuple[Content, Content] | None:
    """Both bodies without their codings; None where they are the same as they were sent, or where there are none."""
    if bodiless:
        return None
    applied, other = codings(primary), codings(candidate)
    if primary.body == candidate.body and applied == other:
        return None
    limits = terms.budget.limits
    return content_of(primary, limits, "primary", applied), content_of(candidate, limits, "candidate", other)


def _headers(
    primary: Response, candidate: Response, contents: tuple[Content, Content] | None, terms: Terms, mirrored: Mirrored
) -> list[Found]:
    one, other = (content.data for content in contents) if contents is not None else (primary.body, candidate.body)
    return headers.differences(
        headers.Answer(primary.headers, primary.body, one, mirrored.local_to_primary),
        headers.Answer(candidate.headers, candidate.body, other, mirrored.local_to_candidate),
        terms.selection,
        explained=mirrored.explains_text,
    )


def _promised_lengths(primary: Response, candidate: Response, selection: Selection) -> list[Found]:
    """An answer to HEAD says how long the body would be (RFC 9110, 8.6); where one side frames it by chunks, nothing is said."""
    one, other = (values_of(side.headers, "content-length") for side in (primary, candidate))
    if not one or not other or one == other or "0" in (one[0], other[0]):
        return []
    return [_named("header:content-length", Kind.HEADER_CHANGED, one[0], other[0], selection)]


def _trailers(primary: Response, candidate: Response, terms: Terms) -> list[Found]:
    def unchanged(value: str) -> str:
        return value

    one, other = (headers.Answer(side.trailers, b"", b"", unchanged) for side in (primary, candidate))
    return headers.differences(one, other, terms.selection, explained=str.__eq__)


def _named(path: str, kind: Kind, primary: object, candidate: object, selection: Selection) -> Found:
    decision = selection.named(path)
    return Found(path, kind, primary, candidate, None, decision.rule if decision is not None else None)
