"""Following a chunked body (RFC 9112, 7.1) to its end."""

from __future__ import annotations

import re
from typing import Final

from pytest_shadowdiff.relay.framing import FIELDS, MAX_HEAD, FramingError

_CRLF: Final = 2
MAX_LINE: Final = 4 * 1024

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n\0]*)?")


class Chunks:
    """Follows a chunked body through blocks of any size.

    Attributes:
        content: bytes of content so far.
        ended: the last chunk and the trailers are complete.
    """

    __slots__ = ("_left", "_line", "_trailers", "content", "ended")

    def __init__(self) -> None:
        self.content = 0
        self.ended = False
        self._left = 0  # bytes of the chunk's content and its CRLF that are still to come
        self._line = b""
        self._trailers = -1  # bytes of trailers so far; -1 before the last chunk

    def feed(self, data: bytes, at: int) -> int:
        """Follow `data` from `at`; where the body ends in it, or its length.

        Raises:
            FramingError: the chunks are broken.
        """
        size = len(data)
        while at < size and not self.ended:
            at = self._content(data, at) if self._left else self._on_line(data, at)
        return at

    def _content(self, data: bytes, at: int) -> int:
        left = self._left
        if left > _CRLF:
            step = min(left - _CRLF, len(data) - at)
            self.content += step
            self._left = left - step
            return at + step
        if data[at : at + 1] != (b"\r" if left == _CRLF else b"\n"):
            message = "a chunk is longer than its size says"
            raise FramingError(message)
        self._left = left - 1
        return at + 1

    def _on_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        if end < 0:
            self._line += data[at:]
            self._check_length(self._line)
            return len(data)
        line = self._line + data[at:end] if self._line else data[at:end]
        self._line = b""
        self._check_length(line)
        if not line.endswith(b"\r"):
            message = "a bare LF between chunks"
            raise FramingError(message)
        if self._trailers >= 0:
            self._trailer(line)
        else:
            self._size(line)
        return end + 1

    def _size(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line, 0, len(line) - 1)
        if match is None:
            message = "no chunk size where one has to be"
            raise FramingError(message)
        size = int(match[1], 16)
        if size:
            self._left = size + _CRLF
        else:
            self._trailers = 0

    def _trailer(self, line: bytes) -> None:
        if line == b"\r":
            self.ended = True
            return
        self._trailers += len(line)
        if self._trailers > MAX_HEAD:
            message = f"trailers over {MAX_HEAD} bytes"
            raise FramingError(message)
        field = FIELDS.fullmatch(line + b"\n")
        if field is None:
            message = "no trailer field where one has to be"
            raise FramingError(message)

    def _check_length(self, line: bytes) -> None:
        limit = MAX_LINE if self._trailers < 0 else MAX_HEAD
        if len(line) > limit:
            message = f"a line between chunks is over {limit} bytes"
            raise FramingError(message)
