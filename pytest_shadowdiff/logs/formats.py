"""Formats of access logs: a line -> what it says of a request, or None where it is of another kind.

`combined` and `common` are the formats of Apache, nginx and gunicorn (httpd.apache.org/docs/current/logs.html), `envoy` is
Envoy's and Istio's default (envoyproxy.io, "Access logging"), `json` Istio's JSON encoding of the same fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pytest_shadowdiff.logs.moments import moment

NAMES = ("combined", "common", "envoy", "json")
FIELDS = ("method", "path", "status", "id", "size", "seconds", "time")

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_COMMON = re.compile(rf"\S+ \S+ .{{0,1024}}?\[([^\]\s]+ [+-]\d{{4}})\] {_QUOTED} (\d{{3}}) (\d+|-)(?= |$)(.*)", re.DOTALL)
_COMBINED_REST = re.compile(r' ".*" ".*"', re.DOTALL)
_ENVOY = re.compile(rf'\[([^\]\s]+)\] {_QUOTED} (\d+) \S+ (?:\S+ \S+ "[^"]{{0,4096}}" )?\d+ (\d+) (\d+) \S+ (".*)', re.DOTALL)
_REQUEST = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) (\S+) HTTP/[0-9.]+")
_WORD = re.compile(r'[^\s"\[\]=,;]+')
_STATUS = range(100, 600)

_ENVOY_JSON: Mapping[str, tuple[str, ...]] = {
    "method": ("method",),
    "path": ("path", "x_envoy_original_path"),
    "status": ("response_code", "status"),
    "id": ("x_shadowdiff_id", "x-shadowdiff-id", "shadowdiff_id", "request_id"),
    "size": ("bytes_sent",),
    "time": ("start_time",),
}


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says of one request.

    Attributes:
        target: path, with the query where the format shows it.
        ids: what may be our id.
        seconds: how long the answer took.
        time: Unix seconds, as the version's clock had it.
    """

    method: str
    target: str
    status: int
    ids: tuple[str, ...] = ()
    size: int | None = None
    seconds: float | None = None
    time: float | None = None


Format = Callable[[str], Line | None]


def by_name(name: str) -> Format:
    """One of the formats that have a name."""
    return {"combined": _combined, "common": _common, "envoy": _envoy, "json": _envoy_json}[name]


def by_fields(names: Mapping[str, str]) -> Format:
    """JSON lines, whose fields have these names; dots lead into objects.

    Args:
        names: `method`, `path`, `status` and so on -> the name in the line.
    """
    return lambda line: _from_json(line, {field: (name,) for field, name in names.items()})


def from_groups(groups: Mapping[str, str | None]) -> Line | None:
    """What the named groups of a regular expression say."""
    found = {name: value for name, value in groups.items() if name in FIELDS and value is not None}
    return _line(found)


def _common(line: str) -> Line | None:
    found = _COMMON.match(line)
    return None if found is None else _of_common(found, found[5])


def _combined(line: str) -> Line | None:
    found = _COMMON.match(line)
    if found is None or not _COMBINED_REST.match(found[5]):
        return None
    return _of_common(found, found[5])  # user agents may hold quotes that a server does not escape, so they are not taken apart


def _of_common(found: re.Match[str], rest: str) -> Line | None:
    time, request, status, size, _ = found.groups()
    parts = _REQUEST.fullmatch(request)
    if parts is None or int(status) not in _STATUS:
        return None
    return Line(parts[1], parts[2], int(status), tuple(_WORD.findall(rest[:4096])), _count(size), time=moment(time))


def _envoy(line: str) -> Line | None:
    found = _ENVOY.match(line)
    if found is None:
        return None
    time, request, status, sent, milliseconds, rest = found.groups()
    parts = _REQUEST.fullmatch(request)
    if parts is None or int(status) not in _STATUS:
        return None
    ids = tuple(_WORD.findall(rest[:4096]))
    return Line(parts[1], parts[2], int(status), ids, _count(sent), int(milliseconds[:9]) / 1000, moment(time))


def _envoy_json(line: str) -> Line | None:
    read = _from_json(line, _ENVOY_JSON)
    if read is None:
        return None
    duration = _number(_found(_object(line), ("duration",)))
    return Line(read.method, read.target, read.status, read.ids, read.size, None if duration is None else duration / 1000, read.time)


def _object(line: str) -> Mapping[str, object]:
    if not line.startswith("{"):
        return {}
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _from_json(line: str, names: Mapping[str, Iterable[str]]) -> Line | None:
    value = _object(line.lstrip())
    if not value:
        return None
    found = {field: text for field, keys in names.items() if (text := _found(value, keys)) is not None}
    return _line(found)


def _found(value: Mapping[str, object], keys: Iterable[str]) -> str | None:
    for key in keys:
        at: object = value.get(key, value)
        if at is value:
            for part in key.split("."):
                at = at.get(part) if isinstance(at, dict) else None
        if isinstance(at, (str, int, float)) and not isinstance(at, bool):
            return str(at)
    return None


def _line(found: Mapping[str, str]) -> Line | None:
    status = _count(found.get("status", ""))
    method, path = found.get("method", ""), found.get("path", "")
    if status not in _STATUS or status is None or not method or not path:
        return None
    ids = (found["id"],) if "id" in found else ()
    return Line(method, path, status, ids, _count(found.get("size", "")), _number(found.get("seconds")), moment(found.get("time", "")))


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None  # noqa: PLR2004 - what 64 bits hold


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None and len(text) <= 32 else None  # noqa: PLR2004 - longer than any number is written
    except ValueError:
        return None
    return number if number is not None and 0 <= number < 1e9 else None  # noqa: PLR2004 - thirty years
