"""The HTML report: one file that needs nothing else, runs nothing but its own script, and can be searched."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.model import Kind, Verdict
from pytest_shadowdiff.report.files import replaced
from pytest_shadowdiff.report.paths import plainly
from pytest_shadowdiff.report.text import duration, seen_apart, visible

if TYPE_CHECKING:
    from pytest_shadowdiff.report.outline import Record, Reported

WHOLE = 500
"""Pairs that are shown with their messages: the first that differ or have no verdict."""
LISTED = 5000
"""Pairs that are listed at all."""

_ORDER = (Verdict.DIFFERENT, Verdict.INCOMPLETE, Verdict.PARTIAL, Verdict.ACCEPTED, Verdict.NOISE, Verdict.SAME, Verdict.SKIPPED)
_SHOWN_WHOLE = frozenset({Verdict.DIFFERENT, Verdict.INCOMPLETE, Verdict.ACCEPTED})
_OPEN = 3
_LONGEST = 16 * 1024
_NOTHING = "(not there)"
_PAGE = Path(__file__).parent / "page"


def write(run: Reported, path: Path) -> Path:
    """Write the report, pair by pair."""
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(_PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    head = run.outline()
    names = (visible(head["primary"]), visible(head["candidate"]))
    environment.filters |= {"shown": visible, "said": _said, "body": _body, "times": _times, "sides": partial(_sides, names)}
    style, script = ((_PAGE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    stream = environment.get_template("page.html.jinja").stream(
        primary=names[0],
        candidate=names[1],
        mirror=visible(head["mirror"]),
        counts=head["summary"],
        verdicts=[str(verdict) for verdict in _ORDER],
        endpoints=sorted(head["endpoints"], key=lambda endpoint: (-endpoint["different"], endpoint["endpoint"])),
        findings=head["findings"],
        reasons=head["reasons"],
        pairs=_listed(run),
        style=Markup(style),  # noqa: S704 - our own files
        style_hash=_hash(style),
        script=Markup(script),  # noqa: S704 - our own files
        script_hash=_hash(script),
    )
    stream.enable_buffering(64)
    with replaced(path) as file:
        file.writelines(stream)
    return path


def _hash(text: str) -> str:
    """As a Content-Security-Policy names what may run."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _listed(run: Reported) -> Iterator[Mapping[str, Any]]:
    """What differs or has no verdict, then all else, in the order of the run."""
    count = whole = 0
    for wanted in (True, False):
        for record in run.records():
            if (record["verdict"] in _SHOWN_WHOLE) is not wanted:
                continue
            count += 1
            if count > LISTED:
                continue
            whole += wanted
            yield _entry(record, whole=wanted and whole <= WHOLE, opened=wanted and whole <= _OPEN)
    if count > LISTED:
        yield {"rest": count - LISTED}


def _entry(record: Record, *, whole: bool, opened: bool) -> Mapping[str, Any]:
    return {**record, "whole": whole, "open": opened, "differences": record["differences"][: 100 if whole else 5]}


def _sides(names: tuple[str, str], difference: Mapping[str, Any]) -> list[tuple[str, tuple[str, str, str]]]:
    """Both values, each in three parts: what is alike, what is not, what is alike again."""
    header = difference["path"].startswith("header:")
    texts = []
    for side, without in (("primary", Kind.ADDED), ("candidate", Kind.MISSING)):
        value = difference[side]
        missing = difference["kind"] == without or (header and value is None)
        texts.append(_NOTHING if missing else visible(json.dumps(value, ensure_ascii=False))[:_LONGEST])
    parts = [(text, "", "") for text in texts] if _NOTHING in texts else seen_apart(*texts)
    return list(zip(names, parts, strict=True))


def _body(message: Mapping[str, Any]) -> str:
    """A body, line by line, with what it holds of control characters made visible."""
    body = message.get("body")
    if body is None:
        return ""
    if isinstance(body, Mapping):
        return f"base64 {body['base64'][:_LONGEST]}"
    more = f"\n… ({message['cut']} more bytes)" if "cut" in message else ""
    return "\n".join(map(visible, body[:_LONGEST].splitlines())) + ("\n…" if len(body) > _LONGEST else "") + more


def _said(reason: str) -> str:
    return visible(plainly(reason))


def _times(latency: Mapping[str, Mapping[str, float]], percentile: str) -> str:
    times = [latency.get(side, {}).get(percentile) for side in ("primary", "candidate")]
    return " → ".join(duration(time) if time is not None else "-" for time in times) if any(times) else ""
