"""The stream of an admin `/tap`: JSON objects one after the other, cut anywhere. What they mean is not known here."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from pytest_shadowdiff.envoy import marks
from pytest_shadowdiff.envoy.chunked import Dechunker
from pytest_shadowdiff.envoy.filters import TAP_ID
from pytest_shadowdiff.errors import MirrorError, SetupError

BLOCK = 256 * 1024
LONGEST_HEAD = 64 * 1024
CONNECT_SECONDS = 10.0
END_OF_OBJECT = b"\n}\n"
"""Envoy prints each object on many lines, and within a JSON text no line break stands in a string: a line that is just
a closing brace, without indentation, ends an object (MessageUtil::getJsonStringFromMessage, pretty)."""
JSON_OVERHEAD = 4 * 1024 * 1024
"""What of an object is not body: headers, field names, indentation."""


class Splitter:
    """Blocks of bytes -> the objects that end in them.

    Args:
        largest: bytes that one object may have.
    """

    __slots__ = ("_held", "_largest", "_searched")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._held = bytearray()
        self._searched = 0

    def feed(self, block: bytes) -> Iterator[dict[str, Any]]:
        """The objects that are whole by now.

        Raises:
            MirrorError: it is no such stream, or an object is larger than any can be.
        """
        held = self._held
        held += block
        begun = 0
        while (end := held.find(END_OF_OBJECT, max(begun, self._searched))) >= 0:
            begun, piece = end + len(END_OF_OBJECT), bytes(held[begun : end + 2])
            yield _parsed(piece)
        del held[:begun]
        self._searched = max(0, len(held) - len(END_OF_OBJECT) + 1)
        if len(held) > self._largest:
            raise MirrorError(f"Envoy's tap stream holds an object of more than {self._largest} bytes, and none was asked for.")


def _parsed(piece: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(piece)
    except orjson.JSONDecodeError as error:
        raise MirrorError(f"Envoy's tap stream holds what is no JSON object: {error}: {piece[:80]!r}") from None
    if not isinstance(found, dict):
        raise MirrorError(f"Envoy's tap stream holds what is no JSON object: {piece[:80]!r}")
    return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a tap records.

    Attributes:
        run_id: of requests that carry this run's mark.
        body_bytes: of each body, at most; what is longer is marked as truncated.
    """

    run_id: str
    body_bytes: int

    def request(self) -> bytes:
        """The body of `POST /tap`."""
        match = {"http_request_headers_match": {"headers": [{"name": marks.RUN, "string_match": {"exact": self.run_id}}]}}
        output = {
            "sinks": [{"format": "JSON_BODY_AS_BYTES", "streaming_admin": {}}],
            "max_buffered_rx_bytes": self.body_bytes,
            "max_buffered_tx_bytes": self.body_bytes,
        }
        return json.dumps({"config_id": TAP_ID, "tap_config": {"match": match, "output_config": output}}).encode()

    @property
    def largest(self) -> int:
        """Bytes of one object: two bodies in base64, and what is around them."""
        return 2 * (self.body_bytes * 4 // 3 + 4) + JSON_OVERHEAD


class TapStream:
    """One open stream.

    Args:
        admin: address of the admin interface.

    Raises:
        SetupError: Envoy refuses; the message has its reason.
        MirrorError: it does not answer.
    """

    def __init__(self, admin: tuple[str, int], wanted: Wanted) -> None:
        self._place = f"Envoy's admin interface at {admin[0]}:{admin[1]}"
        self._splitter = Splitter(wanted.largest)
        self._dechunker = Dechunker()
        try:
            self._socket = socket.create_connection(admin, CONNECT_SECONDS)
        except OSError as error:
            raise MirrorError(f"{self._place} did not answer: {error}") from None
        try:
            self._waiting = self._ask(wanted.request())
        except OSError as error:
            self.close()
            raise MirrorError(f"{self._place} did not answer POST /tap: {error}") from None
        except BaseException:
            self.close()
            raise

    def read(self, seconds: float) -> Iterator[dict[str, Any]] | None:
        """What came within so many seconds; None where nothing came.

        Raises:
            MirrorError: the stream ended, or is none.
        """
        block, self._waiting = self._waiting, b""
        if not block:
            if not select.select([self._socket], [], [], seconds)[0]:
                return None
            try:
                block = self._socket.recv(BLOCK)
            except OSError as error:
                raise MirrorError(f"Envoy's tap stream broke off: {error}") from None
            if not block or self._dechunker.ended:
                raise MirrorError("Envoy's tap stream ended.")
        return self._splitter.feed(self._dechunker.feed(block))

    def close(self) -> None:
        """End it; safe to call twice."""
        self._socket.close()

    def _ask(self, body: bytes) -> bytes:
        """Send the request, and read the head of the response; what came behind it."""
        lines = ("POST /tap HTTP/1.1", "Host: envoy-admin", "Content-Type: application/json", f"Content-Length: {len(body)}", "", "")
        self._socket.sendall("\r\n".join(lines).encode("ascii") + body)
        head = b""
        while b"\r\n\r\n" not in head:
            block = self._socket.recv(BLOCK)
            if not block or len(head) > LONGEST_HEAD:
                raise MirrorError(f"{self._place} did not answer POST /tap with HTTP.")
            head += block
        head, _, rest = head.partition(b"\r\n\r\n")
        if head.split(b" ", 2)[1:2] != [b"200"]:
            words = rest.decode("utf-8", "replace").strip()
            raise SetupError(f"{self._place} refuses the tap: {words[:500] or head[:100].decode('latin-1')}")
        return rest
