"""The chunked transfer coding taken off an endless stream, cut anywhere (RFC 9112, 7.1)."""

from __future__ import annotations

from pytest_shadowdiff.errors import MirrorError

LONGEST_LINE = 256


class Dechunker:
    """Blocks as they come from the wire -> the content in them.

    Attributes:
        ended: the last chunk has come.
    """

    __slots__ = ("_held", "_left", "ended")

    def __init__(self) -> None:
        self._held = b""
        self._left = 0
        self.ended = False

    def feed(self, block: bytes) -> bytes:
        """What of the content is new.

        Raises:
            MirrorError: this is no chunked coding.
        """
        data = self._held + block
        content: list[bytes] = []
        at = 0
        while at < len(data) and not self.ended:
            if self._left > 0:
                content.append(data[at : at + self._left])
                at += len(content[-1])
                self._left -= len(content[-1])
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            if end > at:  # an empty line is the end of the chunk before
                self._left = _size(data[at:end])
                self.ended = self._left == 0
            at = end + 2
        self._held = data[at:]
        if self._left == 0 and len(self._held) > LONGEST_LINE:
            raise MirrorError("The answer of Envoy's admin interface is no chunked stream.")
        return b"".join(content)


def _size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or digits.strip(b"0123456789abcdefABCDEF"):
        raise MirrorError(f"The answer of Envoy's admin interface is no chunked stream: a chunk's size is {line[:40]!r}.")
    return int(digits, 16)
