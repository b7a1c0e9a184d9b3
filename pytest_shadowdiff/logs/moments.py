"""Times as logs write them -> Unix seconds. A time without a zone says nothing here: whose clock it is cannot be known."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_COMMON = re.compile(r"(\d{2})/([A-Za-z]{3})/(\d{4}):(\d{2}):(\d{2}):(\d{2})(\.\d{1,9})? ([+-])(\d{2})(\d{2})")
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})([.,]\d{1,9})? ?(Z|z|[+-]\d{2}:?\d{2})")
_UNIX = re.compile(r"\d{9,10}(\.\d{1,9})?")
_UNIX_MILLIS = re.compile(r"\d{12,13}")
_UNIX_MICROS = re.compile(r"\d{15,16}")


def moment(text: str) -> float | None:
    """Unix seconds.

    Args:
        text: `07/Dec/2020:03:00:37 +0000`, ISO 8601 with a zone, or Unix time in seconds, milliseconds or microseconds.
    """
    text = text.strip().strip("[]")
    try:
        return _common(text) or _iso(text) or _unix(text)
    except (ValueError, OverflowError):
        return None


def _common(text: str) -> float | None:
    found = _COMMON.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second, fraction, sign, zone_hours, zone_minutes = found.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    zone = timezone(-offset if sign == "-" else offset)
    whole = datetime(int(year), _MONTHS.index(month.lower()) + 1, int(day), int(hour), int(minute), int(second), tzinfo=zone)
    return whole.timestamp() + float(fraction or 0)


def _iso(text: str) -> float | None:
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    day, time, fraction, zone = found.groups()
    zone = "+00:00" if zone in "Zz" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    return datetime.fromisoformat(f"{day}T{time}{zone}").timestamp() + float((fraction or "0").replace(",", "."))


def _unix(text: str) -> float | None:
    if _UNIX.fullmatch(text):
        return float(text)
    if _UNIX_MILLIS.fullmatch(text):
        return int(text) / 1e3
    return int(text) / 1e6 if _UNIX_MICROS.fullmatch(text) else None
