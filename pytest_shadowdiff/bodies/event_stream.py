"""Event streams (HTML Living Standard, 9.2.6): the events that a browser would dispatch, `$[0].data`."""

from __future__ import annotations

from pytest_shadowdiff.bodies import Content, Terms, UnreadableError, compare_values, hold
from pytest_shadowdiff.trees.found import Found

_FIELDS = frozenset({"event", "data", "id", "retry"})


def read(content: Content, terms: Terms) -> list[object]:
    """The events; comments (which keep a connection open) mean nothing, and what is not ended by a blank line is no event yet."""
    hold(4 * (content.data.count(b"\n") + content.data.count(b"\r")), terms)
    try:
        text = content.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError("no event stream: it is no UTF-8", f"byte {error.start + 1}") from None
    events: list[object] = []
    event: dict[str, str] = {}
    *lines, last = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for line in [*lines, last] if last else lines:
        terms.budget.spend()
        if not line:
            if event:
                events.append(event)
            event = {}
            continue
        name, _, value = line.partition(":")
        if name in _FIELDS:
            value = value.removeprefix(" ")
            event[name] = f"{event[name]}\n{value}" if name == "data" and "data" in event else value
    if event:
        events.append({**event, "unfinished": "yes"})
    return events


def compare(primary: list[object], candidate: list[object], terms: Terms) -> list[Found]:
    """Where two streams differ; data that is JSON is compared as such."""
    return compare_values(primary, candidate, terms, booleans=False)
