"""All exchanges as an HTTP Archive, for tools that read those: two entries a pair, the primary's and the candidate's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from pytest_shadowdiff.report.files import replaced

if TYPE_CHECKING:
    from harfile import Content, PostData, Request, Response

    from pytest_shadowdiff.report.outline import Record, Reported

_MOST_PARAMETERS = 1000


def write(run: Reported, path: Path) -> Path:
    """Write the archive, pair by pair."""
    from harfile import Creator, HarFile, Timings

    head = run.outline()
    names = {"primary": head["primary"], "candidate": head["candidate"], "control": "control"}
    with replaced(path) as file, HarFile(file, creator=Creator(name="pytest-shadowdiff", version=str(head["schema"]))) as archive:
        for record in run.records():
            request = _request(record)
            for side, name in names.items():
                exchange = record.get(side)
                if exchange is None:
                    continue
                took = (exchange["seconds"] or 0.0) * 1000
                archive.add_entry(
                    startedDateTime=datetime.fromtimestamp(exchange.get("started") or 0.0, timezone.utc),
                    time=took,
                    request=request,
                    response=_response(exchange),
                    timings=Timings(send=0, wait=took, receive=0),
                    comment=f"{side} ({name}) of pair {record['id']}: {record['verdict']}",
                )
    return path


def _request(record: Record) -> Request:
    from harfile import Record as Header
    from harfile import Request

    request = record["request"]
    url = request["url"] if "://" in request["url"].partition("?")[0] else f"http://{_host(request)}{request['url']}"
    query = parse_qsl(request["url"].partition("?")[2], keep_blank_values=True, max_num_fields=None)
    return Request(
        method=request["method"],
        url=url,
        httpVersion="HTTP/1.1",
        headers=[Header(name=name, value=value) for name, value in request["headers"]],
        queryString=[Header(name=name, value=value) for name, value in query[:_MOST_PARAMETERS]],
        postData=_posted(request),
    )


def _host(request: Mapping[str, Any]) -> str:
    return next((value for name, value in request["headers"] if name.lower() == "host"), "shadowdiff.invalid")


def _posted(request: Mapping[str, Any]) -> PostData | None:
    from harfile import PostData

    body = request.get("body")
    if body is None:
        return None
    if isinstance(body, Mapping):
        return PostData(mimeType=_type(request["headers"]), text=body["base64"], comment="base64")
    return PostData(mimeType=_type(request["headers"]), text=body)


def _response(exchange: Mapping[str, Any]) -> Response:
    from harfile import Record as Header
    from harfile import Response

    status = exchange["status"]
    location = next((value for name, value in exchange["headers"] if name.lower() == "location"), "")
    return Response(
        status=status,
        statusText=HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "",
        httpVersion=f"HTTP/{exchange.get('http_version', '1.1')}",
        headers=[Header(name=name, value=value) for name, value in exchange["headers"]],
        content=_content(exchange),
        redirectURL=location,
    )


def _content(exchange: Mapping[str, Any]) -> Content:
    from harfile import Content

    body = exchange.get("body")
    kind = _type(exchange["headers"])
    if body is None:
        return Content(size=0, mimeType=kind, comment="not seen")
    note = f"{exchange['cut']} more bytes" if "cut" in exchange else None
    if isinstance(body, Mapping):
        return Content(size=len(body["base64"]) * 3 // 4, mimeType=kind, text=body["base64"], encoding="base64", comment=note)
    return Content(size=len(body.encode("utf-8", "backslashreplace")), mimeType=kind, text=body, comment=note)


def _type(headers: list[list[str]]) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")
