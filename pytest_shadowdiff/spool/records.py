"""The format on disk: a header for each segment, then records with a length and a checksum each.

A segment is named `NAME.NNNNN.spool`. It begins with `MAGIC` (16 bytes) and the version (u16, little endian).
A record is its payload's length (u32), the CRC-32 of kind and payload (u32), its kind (u8), and the payload:
one MessagePack array with the fields of the structure of that kind, in order.

The relay writes what it saw as raw bytes (`OpenRecord` to `SkipRecord`), so that it decodes nothing; a tap that
knows exchanges writes the events themselves. Either way the reader yields events.
"""

from __future__ import annotations

import struct
from typing import Final
from zlib import crc32

import msgspec

from pytest_shadowdiff.model import Role

MAGIC: Final = b"shadowdiff spool"
VERSION: Final = 1
SEGMENT_HEADER: Final = MAGIC + struct.pack("<H", VERSION)
RECORD: Final = struct.Struct("<IIB")
TAGS: Final = [crc32(b"%c" % kind) for kind in range(256)]  # a record's checksum begins with its kind
SUFFIX: Final = ".spool"

ROLES: Final[tuple[Role, ...]] = ("primary", "candidate", "control")
REQUEST: Final = 3  # the stream of a request's body, beside those of the three roles' answers

# How the end of a body is found.
NONE, LENGTH, CHUNKED, CLOSE = 0, 1, 2, 3

# What a Seen record says of the request.
AS_OPENED, NEW_HEAD, WHOLE = 0, 1, 2


class OpenRecord(msgspec.Struct, array_like=True, gc=False):
    """A request has begun.

    Attributes:
        owed: bits of the roles whose answers are owed.
        own: bits of the roles whose answers this writer will write.
        more: the body is not complete yet; a `RestRecord` follows.
        wire: head and body as they came, body still framed.
    """

    pair: str
    test: str | None
    started: float
    owed: int = 0
    own: int = 0
    more: bool = False
    framing: int = NONE
    wire: bytes = b""


class PartRecord(msgspec.Struct, array_like=True, gc=False):
    """A piece of a long message; its rest stands in the record that ends the message.

    Attributes:
        stream: a role's index, or `REQUEST`.
    """

    pair: str
    stream: int
    attempt: int
    wire: bytes


class RestRecord(msgspec.Struct, array_like=True, gc=False):
    """The end of a request's body."""

    pair: str
    wire: bytes


class SeenRecord(msgspec.Struct, array_like=True, gc=False):
    """One side's exchange has ended.

    Attributes:
        form: what `request` holds: nothing (as opened), a head (the body as opened), or all of it.
        framing: of the answer.
        request_framing: of the request, where `form` is `WHOLE`.
        wire: head and body of the final answer, body still framed; empty where there was none.
    """

    pair: str
    role: int
    attempt: int
    started: float
    seconds: float | None
    problem: str = ""
    truncated: bool = False
    form: int = AS_OPENED
    request_framing: int = NONE
    framing: int = NONE
    request: bytes = b""
    wire: bytes = b""


class SkipRecord(msgspec.Struct, array_like=True, gc=False):
    """The pair is not compared, on purpose."""

    pair: str
    reason: str


OPEN, PART, REST, SEEN, SKIP = 1, 2, 3, 4, 5
EVENT_OPENED, EVENT_SEEN, EVENT_SKIPPED, EVENT_GAP, EVENT_ROUTED = 17, 18, 19, 20, 21

Raw = OpenRecord | PartRecord | RestRecord | SeenRecord | SkipRecord
