"""Traffic that was captured elsewhere: files of exchanges, read as this package sees them. Nothing is sent, and nothing is judged here.

A source is one module with a function `read(path) -> Capture` and one line in `SOURCES`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.model import Exchange

_OPENING = 4096


@dataclass(frozen=True, slots=True)
class Captured:
    """An exchange in a capture.

    Attributes:
        id: our own id of its pair, where the request carried one.
    """

    exchange: Exchange
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """What a file holds.

    Attributes:
        exchanges: in the order in which they began.
        left_out: how many exchanges are not here, by reason ("its beginning was not captured").
        base: where the version was reached (`http://127.0.0.1:8001`); empty where the capture does not tell.
    """

    exchanges: Sequence[Captured]
    left_out: Mapping[str, int] = field(default_factory=dict)
    base: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of a source before it is imported.

    Attributes:
        opening: a pattern for the first bytes of its files.
        described: for the message about a file that is of no source.
    """

    module: str
    opening: re.Pattern[bytes]
    described: str


SOURCES: Mapping[str, Source] = {
    "har": Source("pytest_shadowdiff.traffic.har", re.compile(rb"(?:\xef\xbb\xbf)?\s*\{"), "HTTP Archive (HAR)"),
    "packets": Source(
        "pytest_shadowdiff.traffic.packets",
        re.compile(
            rb"\xa1\xb2[\xc3\x3c][\xd4\x4d]|[\xd4\x4d][\xc3\x3c]\xb2\xa1|\n\r\r\n|\x1f\x8b"  # pcap, pcapng, packed
            rb"|(?:.*\n){0,40}?(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d{6} (?:\S+ +(?:In|Out|M|B|P) +)?IP6? \S+ > \S+: Flags \["
        ),
        "pcap, pcapng, what tcpdump -A prints",
    ),
}
"""By what a file begins with; its name says nothing."""


def read(path: Path) -> Capture:
    """What a file holds, whatever its source.

    Raises:
        SettingsError: it cannot be read, or is nothing that is known here.
    """
    try:
        with path.open("rb") as file:
            opening = file.read(_OPENING)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}. Give a file with captured traffic.") from None
    for source in SOURCES.values():
        if source.opening.match(opening):
            capture: Capture = import_module(source.module).read(path)
            return capture
    known = ", ".join(source.described for source in SOURCES.values())
    raise SettingsError(f"{path}: is no capture that is known here. Allowed: {known}.")
