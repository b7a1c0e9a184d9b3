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
_ARCHIVE = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*\"log\"\s*:")


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
        proves_order: requests that look alike began in this order; False where it is only that in which they were written down.
    """

    exchanges: Sequence[Captured]
    left_out: Mapping[str, int] = field(default_factory=dict)
    base: str = ""
    proves_order: bool = True


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
    "packets": Source(
        "pytest_shadowdiff.traffic.packets",
        re.compile(
            rb"\xa1\xb2[\xc3\x3c][\xd4\x4d]|[\xd4\x4d][\xc3\x3c]\xb2\xa1|\n\r\r\n|\x1f\x8b"  # pcap, pcapng, packed
            rb"|(?:.*\n){0,40}?(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d{6} (?:\S+ +(?:In|Out|M|B|P) +)?IP6? \S+ > \S+: Flags \["
        ),
        "pcap, pcapng, what tcpdump -A prints",
    ),
    "logs": Source(
        "pytest_shadowdiff.traffic.logs",
        re.compile(
            rb'\{(?!\s*"log"\s*:)\s*"[^\n]*\}\r?(?:\n\{|\n?\Z)'  # JSON lines
            rb'|(?!\s*\{)(?:.*\n){0,40}?(?:.*\[\d\d/[A-Za-z]{3}/\d{4}:[\d:]{8} [+-]\d{4}\] "|\[\d{4}-\d\d-\d\dT[\d:.]+Z\] ")'
        ),
        "an access log (combined, common, envoy, json)",
    ),
    "har": Source("pytest_shadowdiff.traffic.har", re.compile(rb"(?:\xef\xbb\xbf)?\s*\{"), "HTTP Archive (HAR)"),
}
"""By what a file begins with; its name says nothing."""


def read(path: Path, log: str | Mapping[str, str] | None = None) -> Capture:
    """What a file holds, whatever its source.

    Args:
        log: what its lines look like, as a target's `log` has it, where it is a log that its beginning does not tell.

    Raises:
        SettingsError: it cannot be read, or is nothing that is known here.
    """
    try:
        with path.open("rb") as file:
            opening = file.read(_OPENING)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}. Give a file with captured traffic.") from None
    found = next((name for name, source in SOURCES.items() if source.opening.match(opening)), None)
    if log is not None and (found in (None, "logs") or (found == "har" and not _ARCHIVE.match(opening))):
        from pytest_shadowdiff.traffic import logs

        return logs.read(path, log)
    if found is not None:
        capture: Capture = import_module(SOURCES[found].module).read(path)
        return capture
    known = ", ".join(source.described for source in SOURCES.values())
    raise SettingsError(f"{path}: is no capture that is known here. Allowed: {known}.")
