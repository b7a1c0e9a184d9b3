"""Access logs: a line for each request, with its status. Headers and bodies are not seen, so a pair is `partial` at best."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.logs import formats
from pytest_shadowdiff.logs.formats import Format, Line
from pytest_shadowdiff.logs.lines import BLOCK, Assembler
from pytest_shadowdiff.logs.regex import Matcher
from pytest_shadowdiff.model import Exchange, Request, Response
from pytest_shadowdiff.traffic import Capture, Captured

OPENING_LINES = 200
"""How many lines may stand before the first one of a request, where the format is not declared."""
_NOT_SEEN = frozenset({"headers", "body", "trailers"})
_OWN_ID = re.compile(r"[0-9a-f]{18}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def read(path: Path, declared: str | Mapping[str, str] | None = None) -> Capture:
    """The requests in an access log, in the order of its lines.

    Args:
        declared: its format, as a target's `log` has it; None where its lines are to tell.

    Raises:
        SettingsError: no line of it is of a request.
        MirrorError: a regular expression took too long.
    """
    if isinstance(declared, str) and declared not in formats.NAMES:
        with closing(Matcher(declared, "--log")) as matcher:
            return _read(path, matcher, declares_id=matcher.has_id)
    if declared is None:
        return _read(path, _recognised(path))
    if isinstance(declared, str):
        return _read(path, formats.by_name(declared))
    return _read(path, formats.by_fields(declared), declares_id="id" in declared)


def _read(path: Path, parse: Format, *, declares_id: bool = False) -> Capture:
    assembler = Assembler()
    lines = [line for text in _lines(path, assembler) if (line := parse(text)) is not None]
    if not lines:
        raise SettingsError(f"{path}: no line of it is of a request. Give its format as --log: {_allowed()}.")
    left_out = {"their lines are too long": assembler.left_out} if assembler.left_out else {}
    return Capture([Captured(_exchange(line, path), _id(line, declares_id=declares_id)) for line in lines], left_out, proves_order=False)


def _exchange(line: Line, path: Path) -> Exchange:
    size = "" if line.size is None else f", {line.size} bytes"
    answer = Response(line.status, (), b"")
    request = Request(line.method, line.target)
    return Exchange(request, answer, line.time or 0.0, seconds=line.seconds, not_seen=_NOT_SEEN, tap=f"log {path.name}{size}")


def _id(line: Line, *, declares_id: bool) -> str | None:
    """What stands for the pair: a declared id, else what looks like ours, else the one UUID."""
    if declares_id:
        return next(iter(line.ids), None)
    own = [word for word in line.ids if _OWN_ID.fullmatch(word)]
    others = {word for word in line.ids if _UUID.fullmatch(word)}
    return own[0] if len(own) == 1 else others.pop() if len(others) == 1 and not own else None


def _recognised(path: Path) -> Format:
    opening = list(islice(_lines(path, Assembler()), OPENING_LINES))
    for name in formats.NAMES:
        parse = formats.by_name(name)
        if any(parse(line) for line in opening):
            return parse
    raise SettingsError(f"{path}: none of its first {OPENING_LINES} lines is of a request. Give its format as --log: {_allowed()}.")


def _lines(path: Path, assembler: Assembler) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield from (line.decode("utf-8", "replace") for line in assembler.feed(block))
            yield from (line.decode("utf-8", "replace") for line in assembler.feed(b"\n"))
        if rest := assembler.waiting():
            yield rest.decode("utf-8", "replace")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}. Give a file with captured traffic.") from None


def _allowed() -> str:
    return f"{', '.join(formats.NAMES)}, a table of field names, or a regular expression with named groups"
