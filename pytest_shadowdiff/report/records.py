"""A judged pair -> the JSON report's form."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pytest_shadowdiff.model import Difference, Exchange, Headers, Pair
from pytest_shadowdiff.redact import Redactor
from pytest_shadowdiff.report.plain import shown

_LONGEST = 8 * 1024
_WIDEST = 200
_DEEPEST = 30


def pair_record(pair: Pair, redactor: Redactor) -> dict[str, Any]:
    """A judged pair as the JSON report holds it: decoded, redacted, cut.

    Returns:
        Plain data; values that JSON cannot hold are texts.
    """
    ready = shown(pair, redactor)
    pair, left_out = ready.pair, ready.left_out
    request = {
        "method": pair.request.method,
        "url": pair.request.target,
        "headers": _headers(pair.request.headers),
        **_body(pair.request.body or None, left_out.get("request", 0)),
    }
    record: dict[str, Any] = {
        "id": pair.id,
        "test": pair.test,
        "endpoint": pair.endpoint,
        "verdict": str(pair.verdict) if pair.verdict else None,
        "reason": pair.reason or pair.skipped,
        "request": request,
        "primary": _exchange(pair.primary, left_out.get("primary", 0)),
        "candidate": _exchange(pair.candidate, left_out.get("candidate", 0)),
        "control": _exchange(pair.control, left_out.get("control", 0)),
        "differences": [difference_record(difference) for difference in pair.differences],
    }
    not_seen = sorted({part for exchange in (pair.primary, pair.candidate) if exchange for part in exchange.not_seen})
    beside = {
        "noise": [difference_record(difference) for difference in pair.noise],
        "asked_again": len(pair.repeats),
        "not_seen": not_seen,
    }
    return record | {name: value for name, value in beside.items() if value}


def difference_record(difference: Difference) -> dict[str, Any]:
    """A difference as plain data."""
    return {
        "path": difference.path,
        "kind": str(difference.kind),
        "primary": plain_value(difference.primary),
        "candidate": plain_value(difference.candidate),
    }


def plain_value(value: object, depth: int = 0) -> object:
    """A value that JSON can hold, bounded in size: what is cut ends with an ellipsis."""
    result: object = str(value) if value is not None else None
    if isinstance(value, bool):
        result = value
    elif isinstance(value, str):
        result = _text(str(value))
    elif isinstance(value, (int, float, Decimal)):
        result = _number(value)
    elif isinstance(value, bytes):
        result = {"base64": b64encode(value[:_LONGEST]).decode()}
    elif isinstance(value, (Mapping, list, tuple)) and depth >= _DEEPEST:
        result = "…"
    elif isinstance(value, Mapping):
        result = {str(key): plain_value(item, depth + 1) for key, item in list(value.items())[:_WIDEST]} | _more(len(value))
    elif isinstance(value, (list, tuple)):
        result = [plain_value(item, depth + 1) for item in value[:_WIDEST]] + [f"… ({len(value) - _WIDEST} more)"][: len(value) > _WIDEST]
    return result


def _text(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text) - _LONGEST} more characters)"


def _more(length: int) -> dict[str, str]:
    return {"…": f"{length - _WIDEST} more"} if length > _WIDEST else {}


def _number(value: float | Decimal) -> float | str:
    """A float where it is exact and JSON has it, else the number as it is written."""
    if isinstance(value, int):
        return int(value)
    if not math.isfinite(value):
        return str(value)
    return float(value) if Decimal(repr(float(value))) == value or isinstance(value, float) else str(value)


def _headers(headers: Headers) -> list[list[str]]:
    return [[name, value] for name, value in headers]


def _exchange(exchange: Exchange | None, left_out: int) -> dict[str, Any] | None:
    if exchange is None or exchange.response is None:
        return None
    response = exchange.response
    record: dict[str, Any] = {
        "status": response.status,
        "headers": _headers(response.headers),
        **_body(None if "body" in exchange.not_seen else response.body, left_out),
        "truncated": exchange.truncated,
        "seconds": exchange.seconds,
        "started": exchange.started,
        "tap": exchange.tap,
    }
    beside = {"trailers": _headers(response.trailers), "problem": exchange.problem, "http_version": response.http_version}
    return record | {name: value for name, value in beside.items() if value}


def _body(body: bytes | None, left_out: int) -> dict[str, Any]:
    if body is None:
        return {"body": None}
    record: dict[str, Any]
    try:
        record = {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        record = {"body": {"base64": b64encode(body).decode()}}
    return record | ({"cut": left_out} if left_out else {})
