"""Segments -> HTTP exchanges: whose request, whose answer, and what was not captured. Nothing is joined that may not belong together."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pytest_shadowdiff.captures.messages import Message, Parser
from pytest_shadowdiff.captures.segments import Endpoint, Segment
from pytest_shadowdiff.captures.streams import Direction
from pytest_shadowdiff.model import Exchange, Request, Response
from pytest_shadowdiff.spool import records
from pytest_shadowdiff.spool.http import request_of, response_of

MAX_CONNECTIONS = 100_000
_SWITCHING, _FINAL = 101, 200
_OPENS = re.compile(rb"[A-Z]{1,32} [^\0-\x20\x7f]+ HTTP/1\.[01]\r?\n")
_ANSWERS = re.compile(rb"HTTP/1\.[01] [1-9][0-9]{2}")
_JSON = re.compile(r"[/+]json\b", re.IGNORECASE)

NO_BEGINNING = "its beginning was not captured"


@dataclass(frozen=True, slots=True)
class Seen:
    """An exchange, and at which server."""

    exchange: Exchange
    server: Endpoint


@dataclass(slots=True)
class _Connection:
    """Both directions between a client and a server."""

    client: Endpoint
    server: Endpoint
    tap: str
    to_server: Direction = field(default_factory=Direction)
    to_client: Direction = field(default_factory=Direction)
    asked: list[Message] = field(default_factory=list)
    requests: Parser = field(init=False)
    responses: Parser = field(init=False)
    final: bool = False
    started: bool = False

    def __post_init__(self) -> None:
        self.requests = Parser("request")
        self.responses = Parser("response", method=self._method)

    def add(self, segment: Segment) -> None:
        """Take a segment of this connection in."""
        outward = segment.source == self.client
        mine, other = (self.to_server, self.to_client) if outward else (self.to_client, self.to_server)
        if segment.syn and segment.seq is not None:
            mine.begin(segment.seq)
        ack = None if segment.ack is None or segment.syn else other.place(segment.ack)
        mine.add(segment, ack)

    def take(self, left_out: Counter[str], *, final: bool = False) -> Iterator[Exchange]:
        """The exchanges that are complete by now; `final`: nothing more is to come."""
        self.final = final
        for piece in self.to_server.take(final=final):
            self.requests.feed(piece)
        for message in self.requests.messages(ended=self.to_server.ended, final=final):
            self.asked.append(message)
        for piece in self.to_client.take(final=final):
            self.responses.feed(piece)
        for message in self.responses.messages(ended=self.to_client.ended, final=final):
            yield from self._answered(message, left_out)
        if final:
            yield from (self._exchange(request, None) for request in self.asked)
            self.asked.clear()
            self._count(left_out)

    def _count(self, left_out: Counter[str]) -> None:
        for parser in (self.requests, self.responses):
            if parser.other:
                left_out[f"connections that are {parser.other}"] += 1
                return
        if self.requests.skipped or self.responses.skipped:
            left_out["connections of which bytes belong to no message that is whole"] += 1

    def _method(self, ack: int | None) -> bytes | None:
        request = self._of(ack)
        if request is None:
            return None if not self.final and not self._torn and not self.asked else b""
        return bytes(request.wire.split(b" ", 1)[0])

    @property
    def _torn(self) -> bool:
        return self.requests.broken or self.responses.broken

    def _of(self, ack: int | None) -> Message | None:
        """The request that a response answers whose sender had received so much of the requests."""
        if not self.asked:
            return None
        if self._torn:
            fitting = [request for request in self.asked if ack is not None and request.until == ack]
            return fitting[0] if len(fitting) == 1 else None
        first = self.asked[0]
        return first if ack is None or ack > first.at else None

    def _answered(self, response: Message, left_out: Counter[str]) -> Iterator[Exchange]:
        status = int(response.wire[9:12])
        request = self._of(response.ack)
        if request is None:
            left_out[NO_BEGINNING] += 1
            return
        if status < _FINAL and status != _SWITCHING:
            return
        while self.asked[0] is not request:
            yield self._exchange(self.asked.pop(0), None)
        self.asked.pop(0)
        yield self._exchange(request, response)

    def _exchange(self, request: Message, response: Message | None) -> Exchange:
        lossy = request.lossy or (response is not None and response.lossy)
        tap = f"{self.tap}, lossy" if lossy else self.tap
        problem = f"of the request, {request.problem}" if request.problem else ""
        asked = _request(request)
        if response is None:
            missing = "its answer was not captured" if self._torn else "the capture has no answer to it"
            return Exchange(asked, None, request.started, problem=problem or missing, tap=tap)
        answer, damage = _response(response)
        damage = response.problem or damage
        problem = problem or (f"of the answer, {damage}" if damage else "")
        seconds = max(0.0, response.ended - request.started)
        return Exchange(asked, answer, request.started, seconds=seconds, problem=problem, truncated=bool(damage), tap=tap)


def _request(message: Message) -> Request:
    return request_of(bytes(_crlf(message)), message.framing)


def _response(message: Message) -> tuple[Response | None, str]:
    """The response, and what is wrong with it."""
    if message.problem:
        head = response_of(bytes(message.wire[: message.head]), records.NONE)
        if head is None or message.framing == records.CHUNKED:
            return head, ""
        return Response(head.status, head.headers, bytes(message.wire[message.head :]), http_version=head.http_version), ""
    response = response_of(bytes(_crlf(message)), message.framing)
    if response is None or not message.lossy or message.framing == records.NONE:
        return response, ""
    return response, _lost(response, message.length)


def _crlf(message: Message) -> bytearray:
    """With the carriage returns of the head, which text has lost."""
    if not message.lossy:
        return message.wire
    head = re.sub(rb"\r?\n", b"\r\n", bytes(message.wire[: message.head]))
    return bytearray(head + message.wire[message.head :])


def _lost(response: Response, length: int) -> str:
    """Why a body that was read from text does not count; empty where it does."""
    kind = next((value for name, value in response.headers if name.lower() == "content-type"), "")
    coded = any(name.lower() == "content-encoding" and value.lower() != "identity" for name, value in response.headers)
    if not coded and (_JSON.search(kind) or response.body[:1] in {b"{", b"["}):
        try:
            json.loads(response.body)
        except (ValueError, RecursionError):
            return "the text form of tcpdump has lost bytes of it, so that it no longer parses"
        return ""
    if not coded and len(response.body) == length:
        return ""
    return "the text form of tcpdump cannot show its bytes"


class Exchanges:
    """Segments in, in the order of a capture; exchanges out.

    Args:
        tap: what says where they were seen.

    Attributes:
        left_out: what is no exchange, by reason.
    """

    def __init__(self, tap: str) -> None:
        self._tap = tap
        self._connections: dict[frozenset[Endpoint], _Connection] = {}
        self._unknown: dict[frozenset[Endpoint], list[Segment]] = {}
        self.left_out: Counter[str] = Counter()

    def add(self, segment: Segment) -> Iterator[Seen]:
        """Take a segment in; what is complete by it."""
        key = frozenset((segment.source, segment.target))
        connection = self._connections.get(key)
        if connection is not None and segment.syn and segment.seq is not None and self._is_new(connection, segment):
            yield from self._close(key)
            connection = None
        if connection is None:
            connection = self._opened(key, segment)
            if connection is None:
                return
        connection.add(segment)
        if segment.payload or segment.fin or segment.reset:
            for exchange in connection.take(self.left_out):
                yield Seen(exchange, connection.server)

    def finish(self) -> Iterator[Seen]:
        """Nothing more is to come: what there is, with what is missing of it."""
        for key in list(self._connections):
            yield from self._close(key)
        for segments in self._unknown.values():
            if any(segment.payload for segment in segments):
                self.left_out["connections that are no HTTP"] += 1
        self._unknown.clear()

    def settle(self) -> Iterator[Seen]:
        """What is on the way has come: what is still missing of the requests of ended connections is lost."""
        for key, connection in list(self._connections.items()):
            if connection.to_client.ended and connection.to_server.ended:
                yield from self._close(key)

    def _is_new(self, connection: _Connection, segment: Segment) -> bool:
        direction = connection.to_server if segment.source == connection.client else connection.to_client
        return segment.seq is not None and direction.starts_anew(segment.seq)

    def _close(self, key: frozenset[Endpoint]) -> Iterator[Seen]:
        connection = self._connections.pop(key)
        for exchange in connection.take(self.left_out, final=True):
            yield Seen(exchange, connection.server)

    def _opened(self, key: frozenset[Endpoint], segment: Segment) -> _Connection | None:
        """The connection, once it is known who is the client; what came before is taken in."""
        waiting = self._unknown.setdefault(key, [])
        client = _client(segment)
        if client is None:
            if len(waiting) < 64 and len(self._unknown) < MAX_CONNECTIONS:  # noqa: PLR2004 - acknowledgements before the first bytes
                waiting.append(segment)
            return None
        del self._unknown[key]
        server = segment.target if client == segment.source else segment.source
        self._connections[key] = connection = _Connection(client, server, self._tap)
        for earlier in waiting:
            connection.add(earlier)
        return connection


def _client(segment: Segment) -> Endpoint | None:
    if segment.syn:
        return segment.source if segment.ack is None else segment.target
    if _OPENS.match(segment.payload):
        return segment.source
    if _ANSWERS.match(segment.payload):
        return segment.target
    if segment.payload[:2] == b"\x16\x03":
        return segment.source if segment.payload[5:6] == b"\x01" else segment.target
    return None


def exchanges_of(segments: Iterable[Segment], tap: str, left_out: Counter[str]) -> Iterator[Seen]:
    """The exchanges in a whole capture.

    Args:
        segments: in the order of the capture.
        tap: what says where they were seen.
        left_out: is added to: what is no exchange, by reason.
    """
    made = Exchanges(tap)
    for segment in segments:
        yield from made.add(segment)
    yield from made.finish()
    left_out.update(made.left_out)
