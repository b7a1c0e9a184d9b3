"""As much of WebSocket (RFC 6455) as the API server's streams need, on asyncio: whole binary messages out and in."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import struct
from collections.abc import Mapping
from http import HTTPStatus

LARGEST = 16 * 1024 * 1024
HEAD = 64 * 1024
BINARY, CLOSE, PING, PONG, CONTINUATION = 0x2, 0x8, 0x9, 0xA, 0x0
LENGTH_16, LENGTH_64 = 126, 127
LIMIT_16 = 1 << 16


class Refused(Exception):  # noqa: N818 (an answer, that the caller makes an error of)
    """The server did not switch protocols.

    Attributes:
        status, body: what it answered.
    """

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body[:300].decode('utf-8', 'replace')}")
        self.status = status
        self.body = body


class WebSocket:
    """An open one.

    Attributes:
        frames: how many have come, so that silence can be told.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.frames = 0

    async def receive(self) -> bytes | None:
        """The next message; None at the end.

        Raises:
            OSError, asyncio.IncompleteReadError: it broke off.
        """
        message = b""
        while True:
            final, opcode, payload = await self._frame()
            if opcode == CLOSE:
                return None
            if opcode == PING:
                await self._send(PONG, payload)
            elif opcode != PONG:
                message = message + payload if opcode == CONTINUATION else payload
                if len(message) > LARGEST:
                    raise OSError("the API server sent a message without end")
                if final:
                    return message

    async def _frame(self) -> tuple[bool, int, bytes]:
        first, second = await self._reader.readexactly(2)
        self.frames += 1
        length = second & 0x7F
        if length == LENGTH_16:
            (length,) = struct.unpack(">H", await self._reader.readexactly(2))
        elif length == LENGTH_64:
            (length,) = struct.unpack(">Q", await self._reader.readexactly(8))
        if length > LARGEST or second & 0x80:
            raise OSError("the API server sent a frame that is none")
        return bool(first & 0x80), first & 0x0F, await self._reader.readexactly(length)

    async def send(self, message: bytes) -> None:
        """Send a message; returns when there is room for more.

        Raises:
            OSError: it broke off.
        """
        await self._send(BINARY, message)

    async def ping(self) -> None:
        """Ask for a sign of life, which `receive` swallows."""
        await self._send(PING, b"")

    async def _send(self, opcode: int, payload: bytes) -> None:
        self._writer.write(frame(opcode, payload))
        await self._writer.drain()

    def close(self) -> None:
        """Close it, without waiting; safe to call twice."""
        if not self._writer.is_closing():
            self._writer.write(frame(CLOSE, struct.pack(">H", 1000)))
            self._writer.close()


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame: final, masked."""
    length = len(payload)
    if length < LENGTH_16:
        head = struct.pack(">BB", 0x80 | opcode, 0x80 | length)
    elif length < LIMIT_16:
        head = struct.pack(">BBH", 0x80 | opcode, 0x80 | LENGTH_16, length)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, 0x80 | LENGTH_64, length)
    mask = os.urandom(4)
    return head + mask + _masked(payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    length = len(payload)
    key = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")


async def upgrade(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, host: str, protocol: str, headers: Mapping[str, str]
) -> WebSocket:
    """Switch an HTTP connection to WebSocket.

    Raises:
        Refused: the server answered something else.
        OSError, asyncio.IncompleteReadError: the connection broke off.
    """
    lines = [
        f"GET {target} HTTP/1.1",
        f"host: {host}",
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        f"sec-websocket-key: {base64.b64encode(os.urandom(16)).decode()}",
        f"sec-websocket-protocol: {protocol}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise OSError("the API server answered with a head without end") from error
    status = _status(head)
    if status != HTTPStatus.SWITCHING_PROTOCOLS:
        raise Refused(status, await _body(reader, head))
    return WebSocket(reader, writer)


def _status(head: bytes) -> int:
    words = head.split(None, 2)
    if len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004 (version and status)
        raise OSError("the API server answered something that is no HTTP")
    return int(words[1])


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            return await reader.readexactly(min(int(value), HEAD))
    return b""


def tls(configuration: object) -> ssl.SSLContext | None:
    """The TLS of a client configuration of Kubernetes; None where its server is plain HTTP."""
    if not str(getattr(configuration, "host", "")).startswith("https"):
        return None
    authorities = getattr(configuration, "ca_cert_data", None)
    data = authorities.decode() if isinstance(authorities, bytes) else authorities
    context = ssl.create_default_context(cafile=getattr(configuration, "ssl_ca_cert", None), cadata=data)
    if getattr(configuration, "verify_ssl", True) is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = getattr(configuration, "cert_file", None)
    if certificate:
        context.load_cert_chain(certificate, getattr(configuration, "key_file", None))
    return context
