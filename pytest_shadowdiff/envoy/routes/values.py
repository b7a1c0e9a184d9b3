"""The small values of route files: durations, shares, texts to match, patterns, headers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Literal

from pytest_shadowdiff.envoy.routes import fields
from pytest_shadowdiff.envoy.routes.documents import Value
from pytest_shadowdiff.envoy.routes.fields import fields_of
from pytest_shadowdiff.envoy.routes.model import MILLION, HeaderEdit, TextMatch

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|ms|m|s|us|µs|ns))+")
_PART = re.compile(r"([0-9.]+)(h|ms|m|s|us|µs|ns)")
_LONGEST = 365 * 24 * 3600.0

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_FORMATTED = re.compile(r"(?:[^%]|%%|%[A-Z][A-Z0-9_]*(?:\([^()]*\))?(?::[0-9]+)?%)*\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_NOT_RE2 = ((re.compile(r"\(\?<?[=!]"), "lookaround"), (re.compile(r"\\[1-9]"), "back references"), (re.compile(r"\(\?>"), "atomic groups"))
_ONLY_RE2 = re.compile(r"\\[pPQzC]|\[\[:")
_ESCAPED = re.compile(r"\\\\")


def duration(value: Value, *, least: float = 0.001) -> float:
    """Seconds, from Go's notation (`1h`, `1m30s`, `0.5s`, `20ms`); zero is always allowed."""
    text = value.text()
    if text == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        raise value.refuse(f"{text!r} is no duration; write 10s, 500ms, 1m30s")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if seconds and not least <= seconds <= _LONGEST:
        raise value.refuse(f"{text} is outside {least * 1000:g}ms to a year")
    return seconds


def percentage(value: Value) -> int:
    """`{value: 12.5}` as millionths, cut as Istio cuts them."""
    found = fields_of(value, fields.PERCENTAGE)
    if "value" not in found:
        return 0
    return int(found["value"].number(0, 100) * (MILLION // 100))


def percent(value: Value) -> int:
    """A whole number of percent as millionths."""
    return value.integer(0, 100) * (MILLION // 100)


def string_match(value: Value) -> TextMatch:
    """Istio's `{exact|prefix|regex: text}`; empty, or the regex `*`, asks for presence."""
    found = fields_of(value, fields.STRING_MATCH)
    if len(found) > 1:
        raise value.refuse(f"one of exact, prefix and regex, not {' and '.join(found)}")
    for kind, item in found.items():
        if kind == "regex":
            return TextMatch("present") if item.text() == "*" else TextMatch("regex", pattern(item))
        return TextMatch("exact" if kind == "exact" else "prefix", item.text())
    return TextMatch("present")


def demanding_match(value: Value) -> TextMatch:
    """A string match that has to say something."""
    match = string_match(value)
    if match.kind == "present" or (not match.value and match.kind != "exact"):
        raise value.refuse("one of exact, prefix and regex is needed, and not empty")
    return match


def pattern(value: Value) -> str:
    """A regular expression in RE2's syntax; what is plainly none is refused here, before any proxy starts."""
    text = value.text()
    bare = _ESCAPED.sub("", text)
    for sign, what in _NOT_RE2:
        if sign.search(bare):
            raise value.refuse(
                f"{text!r}: {what} are not in RE2, which Envoy uses"
                if what.endswith("s")
                else f"{text!r}: RE2, which Envoy uses, has no {what}"
            )
    if not _ONLY_RE2.search(bare):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            raise value.refuse(f"{text!r} is no regular expression: {error}") from None
    return text


def header_name(value: Value, text: str) -> str:
    """A header's name that may be written, or matched, by a route."""
    if not _HEADER_NAME.match(text):
        raise value.refuse(f"{text!r} is no header name")
    return text


def header_value(value: Value, text: str, *, formatted: bool) -> str:
    """A header's value; `formatted` where Envoy reads `%VARIABLES%` in it."""
    if _CONTROL.search(text):
        raise value.refuse("a header's value has no control characters")
    if formatted and not _FORMATTED.match(text):
        raise value.refuse(f"{text!r}: write %% for a percent sign; %NAME% and %NAME(ARGUMENT)% are Envoy's variables")
    return text


def header_operations(value: Value) -> tuple[HeaderEdit, str]:
    """Istio's `{set, add, remove}`, and the Host that they set."""
    found = fields_of(value, fields.HEADER_OPERATIONS)
    kept: dict[str, list[tuple[str, str]]] = {"set": [], "add": []}
    hosts = {"set": "", "add": ""}
    for operation, pairs in kept.items():
        for name, item in sorted(found[operation].mapping().items()) if operation in found else ():
            if name.lower() in {"host", ":authority"}:
                hosts[operation] = item.text()
            elif name.startswith(":"):
                raise item.refuse("pseudo headers but :authority cannot be changed")
            else:
                pairs.append((header_name(item, name), header_value(item, item.text(), formatted=True)))
    remove = tuple(removable(item) for item in found["remove"].items()) if "remove" in found else ()
    return HeaderEdit(tuple(kept["set"]), tuple(kept["add"]), remove), hosts["set"] or hosts["add"]


def removable(item: Value) -> str:
    """The name of a header that may be taken away."""
    name = header_name(item, item.text())
    if name.lower() == "host":
        raise item.refuse("the Host cannot be removed")
    return name


def texts(value: Value) -> Sequence[str]:
    """A list of texts."""
    return tuple(item.text() for item in value.items())


def one_of(found: dict[str, Value], *names: str) -> str | None:
    """The only one of some fields that is set; None where none is."""
    present = [name for name in names if name in found]
    if len(present) > 1:
        raise found[present[1]].refuse(f"stands beside {present[0]}; only one of them may")
    return present[0] if present else None


def status(value: Value) -> int:
    """An HTTP status that a proxy may answer with."""
    return value.integer(200, 599)


def scheme(value: Value) -> Literal["http", "https"]:
    """`http` or `https`."""
    return "https" if value.choice("http", "https") == "https" else "http"
