"""One object of a tap stream -> what it says of one exchange. Pure: bytes in, values out.

Envoy's `HttpBufferedTrace`: header names in lower case; the framing is gone; bodies in base64, cut at the limit that was
asked for; a header value that is no UTF-8 has `!` in place of each byte that is not.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pytest_shadowdiff.envoy import marks
from pytest_shadowdiff.errors import MirrorError
from pytest_shadowdiff.model import Exchange, Headers, Request, Response

BODILESS = frozenset({204, 304})
TAP = "envoy"
BROKEN_OFF = b"upstream connect error or disconnect/reset before headers"
"""So begins what the sidecar of a version answers for it, and no header tells it from an answer of the version's own."""
HUNG_UP = "the connection ended before an answer began"


@dataclass(frozen=True, slots=True)
class Traced:
    """What a tap saw.

    Attributes:
        listener: the name of the listener that saw it; empty where Envoy did not say.
        pair: the pair's id; empty where the request has none.
        attempt: how often it was asked again; 0 for a caller's own request.
        probe: the mark of a probe of ours; empty where it is a request of a caller's.
    """

    listener: str
    pair: str
    attempt: int
    probe: str
    exchange: Exchange


def traced(found: Mapping[str, Any]) -> Traced:
    """What one object says.

    Raises:
        MirrorError: it is no buffered HTTP trace.
    """
    try:
        trace = found["http_buffered_trace"]
        asked = dict[str, str]()
        headers = _headers(trace["request"].get("headers", ()))
        for name, value in headers:
            asked.setdefault(name, value)
        attempt = asked.get(marks.ATTEMPT, "0")
        return Traced(
            listener=_listener(trace.get("downstream_connection") or {}),
            pair=asked.get(marks.ID, ""),
            attempt=int(attempt) if attempt.isdecimal() else 0,
            probe=asked.get(marks.PROBE, ""),
            exchange=_exchange(trace, asked, headers),
        )
    except (KeyError, TypeError, AttributeError, ValueError, Base64Error) as error:
        raise MirrorError(f"Envoy's tap stream holds what is no HTTP trace: {error!r}: {str(found)[:200]}") from None


def _exchange(trace: Mapping[str, Any], asked: Mapping[str, str], headers: Headers) -> Exchange:
    request = Request(
        method=asked[":method"],
        target=asked[":path"],
        headers=[("host", asked.get(":authority", "")), *_ordinary(headers)],
        body=_body(trace["request"])[0],
        trailers=_headers(trace["request"].get("trailers", ())),
    )
    started = _seconds(trace["request"].get("headers_received_time"))
    answer = trace.get("response") or {}
    fields = _headers(answer.get("headers", ()))
    told = dict(fields)
    if ":status" not in told:
        return Exchange(request, None, started, problem=HUNG_UP, tap=TAP)
    if told.get(marks.ANSWERED, marks.BY_VERSION) != marks.BY_VERSION:
        return Exchange(request, None, started, problem=f"no answer; Envoy says {told[marks.ANSWERED].strip()}", tap=TAP)
    body, cut = _body(answer)
    if marks.ANSWERED in told and body.startswith(BROKEN_OFF):
        said = body[:200].decode("latin-1")
        return Exchange(request, None, started, problem=f"no answer; the proxy beside the version says {said}", tap=TAP)
    trailers = _headers(answer.get("trailers", ()))
    microseconds = dict(trailers).get(marks.END)
    response = Response(
        int(told[":status"]),
        [field for field in _ordinary(fields) if field[0] != marks.ANSWERED],
        body,
        [field for field in trailers if field[0] != marks.END],
    )
    truncated = cut or (microseconds is None and not _ended(request.method, response))
    return Exchange(
        request,
        response,
        started,
        seconds=None if truncated else _duration(microseconds, started, answer),
        truncated=truncated,
        tap=TAP,
    )


def _ended(method: str, response: Response) -> bool:
    """Whether a response without our mark of the end is whole: one that has no body, or as much as it announces."""
    if method == "HEAD" or response.status in BODILESS:
        return True
    lengths = {value for name, value in response.headers if name == "content-length"}
    return lengths == {str(len(response.body))}


def _duration(microseconds: str | None, started: float, answer: Mapping[str, Any]) -> float | None:
    if microseconds is not None and microseconds.isdecimal():
        return int(microseconds) / 1_000_000
    answered = _seconds(answer.get("headers_received_time"))
    return max(0.0, answered - started) if answered else None


def _headers(fields: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(_latin(field["key"]), _latin(field["value"])) for field in fields]


def _ordinary(headers: Headers) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if not name.startswith(":")]


def _latin(text: str) -> str:
    """Each byte of the wire as one character, as the rest of us has it."""
    return text if text.isascii() else text.encode("utf-8").decode("latin-1")


def _body(message: Mapping[str, Any]) -> tuple[bytes, bool]:
    body = message.get("body") or {}
    return b64decode(body.get("as_bytes", ""), validate=True), bool(body.get("truncated"))


def _listener(connection: Mapping[str, Any]) -> str:
    local = connection.get("local_address") or {}
    inner = local.get("envoy_internal_address") or {}
    return str(inner.get("server_listener_name", ""))


def _seconds(text: str | None) -> float:
    """Unix seconds of a timestamp as Protobuf prints it; 0 where there is none."""
    if not text:
        return 0.0
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
