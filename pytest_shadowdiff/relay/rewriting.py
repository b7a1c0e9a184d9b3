"""What one version's requests have that the caller's did not: a prefix, a Host, headers, our marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_shadowdiff.model import Upstream

ID: Final = "x-shadowdiff-id"
RUN: Final = "x-shadowdiff-run"
ATTEMPT: Final = "x-shadowdiff-attempt"


class Rewriting:
    """How the heads of requests to one version are changed; most versions leave them as they are.

    Args:
        run: the run's id, where requests carry it and the pair's.

    Attributes:
        changes: whether it changes anything.
    """

    __slots__ = ("_fixed", "_prefix", "_run", "changes")

    def __init__(self, upstream: Upstream, run: str = "") -> None:
        self._prefix = upstream.prefix.encode("latin-1")
        self._run = run
        self._fixed = list(upstream.headers)
        if upstream.host_header is not None:
            self._fixed.insert(0, ("Host", upstream.host_header))
        self.changes = bool(self._prefix or self._fixed or run)

    def __call__(self, head: bytes, pair: str, attempt: int = 0) -> bytes:
        """The head as this version gets it; asked again, it says for the how manieth time."""
        if not self.changes:
            return head
        line, *fields = head[:-4].split(b"\r\n")
        fixed = [*self._fixed, *self._marks(pair, attempt)]
        return b"\r\n".join([self._line(line), *_placed(fields, fixed), b"", b""])

    def _marks(self, pair: str, attempt: int) -> list[tuple[str, str]]:
        if not self._run:
            return []
        marks = [(ID, pair), (RUN, self._run)]
        return [*marks, (ATTEMPT, str(attempt))] if attempt else marks

    def _line(self, line: bytes) -> bytes:
        method, target, version = line.split(b" ")
        if self._prefix and target.startswith(b"/"):
            target = self._prefix + target
        return b" ".join((method, target, version))


def _placed(fields: list[bytes], fixed: Sequence[tuple[str, str]]) -> list[bytes]:
    """`fields` with each of `fixed` in the place of the first of its name, or at the end (Host: at the beginning)."""
    names = [field.partition(b":")[0].lower() for field in fields]
    for name, value in fixed:
        key = name.lower().encode("latin-1")
        line = f"{name}: {value}".encode("latin-1")
        place = names.index(key) if key in names else 0 if key == b"host" else len(names)
        kept = [index for index, other in enumerate(names) if other != key]
        before = sum(1 for index in kept if index < place)
        fields = [fields[index] for index in kept]
        names = [names[index] for index in kept]
        fields.insert(before, line)
        names.insert(before, key)
    return fields
