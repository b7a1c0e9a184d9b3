"""HTTP Archive 1.2 (w3c.github.io/web-performance/specs/HAR), as browsers, proxies and test tools write it.

A HAR holds bodies without their content coding, and sometimes none at all: what is not there is said to be not seen.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.model import Exchange, Headers, Request, Response
from pytest_shadowdiff.traffic import Capture, Captured

_UNDONE = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_EMPTY = frozenset({204, 205, 304})
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d|)")
_ID = "x-shadowdiff-id"


def read(path: Path) -> Capture:
    """The exchanges in a HAR file.

    Raises:
        SettingsError: it is none, with the place that is wrong.
    """
    entries = _entries(path)
    exchanges: list[Captured] = []
    bases: Counter[str] = Counter()
    for number, entry in enumerate(entries):
        try:
            exchange, base = _exchange(entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise SettingsError(f"{path}, log.entries[{number}]: {what}. Give an HTTP Archive 1.2.") from None
        bases[base] += 1
        exchanges.append(Captured(exchange, _header(exchange.request.headers, _ID) or None))
    exchanges.sort(key=lambda captured: captured.exchange.started)
    return Capture(exchanges, base=bases.most_common(1)[0][0] if bases else "")


def _entries(path: Path) -> list[Any]:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: is no JSON: {error}. Give an HTTP Archive 1.2.") from None
    log = document.get("log") if isinstance(document, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise SettingsError(f"{path}: has no list log.entries. Give an HTTP Archive 1.2.")
    return entries


def _exchange(entry: Mapping[str, Any]) -> tuple[Exchange, str]:
    url = urlsplit(entry["request"]["url"])
    request = _request(entry["request"], url.netloc.rpartition("@")[2], _target(entry["request"]["url"]))
    response, not_seen = _response(entry["response"], request.method)
    time = float(entry.get("time") or 0)
    error = entry["response"].get("_error") or entry["response"].get("comment") or "the archive has no status for it"
    exchange = Exchange(
        request=request,
        response=response,
        started=_time(entry["startedDateTime"]),
        seconds=time / 1000 if time > 0 and response is not None else None,
        problem="" if response is not None else f"there is no answer: {error}",
        not_seen=not_seen,
        tap="HAR",
    )
    return exchange, f"{url.scheme}://{url.netloc.rpartition('@')[2]}" if url.netloc else ""


def _target(url: str) -> str:
    """Path and query as they were written, without the authority and the fragment."""
    rest = url.partition("#")[0]
    scheme, found, after = rest.partition("://")
    if found and scheme.isalnum():
        start = min((at for at in (after.find("/"), after.find("?")) if at >= 0), default=len(after))
        rest = after[start:]
    return rest if rest.startswith("/") else f"/{rest}"


def _time(text: str) -> float:
    """ISO 8601, with whatever fraction of a second."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"startedDateTime {text!r} is no time")
    zone = found[3].replace("Z", "+00:00") or "+00:00"
    zone = zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    return datetime.fromisoformat(f"{found[1]}{zone}").timestamp() + float(f"0{found[2] or '.0'}")


def _request(request: Mapping[str, Any], authority: str, target: str) -> Request:
    headers = _headers(request)
    if authority and not _header(headers, "host"):
        headers = [("Host", authority), *headers]
    return Request(str(request["method"]), target, headers, _posted(request.get("postData") or {}), http_version=_version(request))


def _posted(posted: Mapping[str, Any]) -> bytes:
    if posted.get("text"):
        return _encoded(posted["text"], posted.get("encoding"))
    pairs = (f"{each['name']}={each.get('value') or ''}" for each in posted.get("params") or ())
    return "&".join(pairs).encode("utf-8", "surrogatepass")


def _response(response: Mapping[str, Any], method: str) -> tuple[Response | None, frozenset[str]]:
    """The response, and the parts of it that the archive does not have; None where there was none."""
    status = int(response["status"])
    if status <= 0:
        return None, frozenset()
    content = response.get("content") or {}
    text = content.get("text")
    headers = [(name, value) for name, value in _headers(response) if name.lower() not in _UNDONE]
    bare = method.upper() == "HEAD" or status in _EMPTY or content.get("size") == 0
    not_seen = frozenset() if text is not None or bare else frozenset({"body"})
    body = _encoded(text or "", content.get("encoding"))
    return Response(status, headers, body, http_version=_version(response)), not_seen


def _encoded(text: str, encoding: str | None) -> bytes:
    if encoding == "base64":
        try:
            return b64decode(text, validate=True)
        except ValueError:
            raise ValueError("its body is said to be base64, and is not") from None
    return text.encode("utf-8", "surrogatepass")


def _headers(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in _named(message) if not name.startswith(":")]


def _named(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for each in message.get("headers") or ():
        yield str(each["name"]), str(each["value"])


def _header(headers: Headers, wanted: str) -> str:
    return next((value for name, value in headers if name.lower() == wanted), "")


def _version(message: Mapping[str, Any]) -> str:
    version = str(message.get("httpVersion") or "").lower().removeprefix("http/")
    return {"h2": "2", "2.0": "2", "h3": "3", "3.0": "3"}.get(version, version if version in ("1.0", "1.1", "2", "3") else "1.1")
