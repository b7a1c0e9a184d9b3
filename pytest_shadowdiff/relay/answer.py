"""Following one message's body, and one whole answer, through the blocks in which they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.relay.chunks import Chunks
from pytest_shadowdiff.relay.framing import MAX_HEAD, TLS, FramingError, ResponseHead, bare_newline, response_head
from pytest_shadowdiff.spool.records import CHUNKED, CLOSE, NONE

if TYPE_CHECKING:
    from pytest_shadowdiff.relay.recording import Place

SPILL: Final = 256 * 1024  # a message longer than this is written to the spool piece by piece
MAX_INTERIM: Final = 100


class Body:
    """Follows a body to its end.

    Attributes:
        content: bytes of content so far, chunk framing not counted.
    """

    __slots__ = ("_chunks", "_left", "content", "ended")

    def __init__(self, framing: int, length: int) -> None:
        self.content = 0
        self._chunks = Chunks() if framing == CHUNKED else None
        self._left = length if framing != CLOSE else -1
        self.ended = not length and framing not in {CHUNKED, CLOSE}

    def follow(self, data: bytes, at: int) -> int:
        """Where the body ends in `data`, or the length of `data`."""
        if self.ended:
            return at
        chunks, size = self._chunks, len(data)
        if chunks is not None:
            end = chunks.feed(data, at)
            self.content = chunks.content
            self.ended = chunks.ended
            return end
        if self._left < 0:
            self.content += size - at
            return size
        end = min(at + self._left, size)
        self.content += end - at
        self._left -= end - at
        self.ended = not self._left
        return end


EMPTY: Final = Body(NONE, 0)


class Answer:
    """Follows one answer, and keeps it as it was on the wire up to a limit.

    Attributes:
        limit: bytes of its body that are kept.
        head: None until the final answer's head is complete.
        begun: a byte of an answer has come.
        ended: the answer is complete.
        over: its body is longer than is kept.
        excess: bytes followed the answer's end.

    Args:
        place: where in the spool it goes; None where it is not recorded.
        asked: the request asked for an upgrade.
    """

    __slots__ = (
        "_asked",
        "_body",
        "_held",
        "_interim",
        "_method",
        "_parts",
        "_place",
        "_size",
        "begun",
        "ended",
        "excess",
        "head",
        "limit",
        "over",
    )

    def __init__(self, method: bytes, limit: int, place: Place | None, *, asked: bool = False) -> None:
        self._method = method
        self._place = place
        self._asked = asked
        self._held = b""
        self._parts: list[bytes] = []
        self._size = 0
        self._interim = 0
        self._body = EMPTY
        self.limit = limit
        self.head: ResponseHead | None = None
        self.begun = self.ended = self.over = self.excess = False

    @property
    def framing(self) -> int:
        """How the end of the body is found."""
        return self.head.framing if self.head is not None else NONE

    @property
    def final(self) -> bool:
        """The connection cannot be used again after it."""
        head = self.head
        return head is None or head.close or head.framing == CLOSE or head.tunnel or self.excess

    def feed(self, data: bytes) -> bytes:
        """Follow one block; what of it, and of what was held back before, may go on.

        Raises:
            FramingError: this is no answer, or one that can be read in two ways.
        """
        self.begun = True
        at = start = 0
        if self.head is None:
            if self._held:
                data, self._held = self._held + data, b""
            at, start = self._on_head(data)
            if self.head is None:
                return data[:at]
        body = self._body
        stop = body.follow(data, start)
        self.ended = body.ended
        if stop != len(data):
            self.excess = True
            data = data[:stop]
        if self._place is not None:
            self._keep(data[at:] if at else data, body.content)
        return data

    def take(self) -> bytes:
        """What was kept and has not been written yet; once."""
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts) or self._held

    def forget(self) -> None:
        """It is only followed from now on, not kept."""
        self._place = None
        self._parts = []

    def end(self) -> bool:
        """The connection has ended; whether the answer had, or ends by that."""
        if self.head is not None and self.head.framing == CLOSE:
            self.ended = True
        return self.ended

    def _keep(self, data: bytes, content: int) -> None:
        if content > self.limit:
            self.over = True
            return
        self._parts.append(data)
        self._size += len(data)
        if self._size > SPILL and self._place is not None:
            self._place.write(self.take())
            self._size = 0

    def _on_head(self, data: bytes) -> tuple[int, int]:
        """Where the final answer's head begins and ends in `data`; the second is 0 where it is not complete."""
        at = 0
        while True:
            end = data.find(b"\r\n\r\n", at)
            if end < 0:
                self._hold(data[at:])
                return at, 0
            end += 4
            if end - at > MAX_HEAD:
                raise _endless()
            head = response_head(data[at:end], self._method, asked=self._asked)
            if not head.interim:
                break
            self._interim += 1
            if self._interim > MAX_INTERIM:
                message = f"more than {MAX_INTERIM} interim answers (1xx)"
                raise FramingError(message)
            at = end
        self.head = head
        self._body = Body(head.framing, head.length)
        return at, end

    def _hold(self, data: bytes) -> None:
        if len(data) > MAX_HEAD:
            raise _endless()
        if bare_newline(data):
            message = "a bare LF in the header section"
            raise FramingError(message)
        if data and not b"HTTP/1.".startswith(data[:7]):
            message = "it speaks TLS, and this is plain HTTP" if data.startswith(TLS) else "no status line of HTTP/1.0 or HTTP/1.1"
            raise FramingError(message)
        self._held = data


def _endless() -> FramingError:
    return FramingError(f"a header section over {MAX_HEAD} bytes")
