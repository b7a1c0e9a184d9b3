"""Points in time as text: which format, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = "|".join(_MONTHS)
_CLOCK = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)"

ISO = re.compile(
    rf"(?P<year>[12]\d{{3}})(?P<dash>-?)(?P<month>0\d|1[0-2])(?P=dash)(?P<day>[0-3]\d)"
    rf"(?:(?P<between>[Tt ]){_CLOCK}(?::(?P<second>[0-6]\d)(?P<fraction>[.,]\d{{1,9}})?)?(?P<zone> ?(?:[Zz]|UTC|GMT|[+-]\d\d:?\d\d))?)?"
)
HTTP = re.compile(
    r"(?P<weekday>(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*), ?(?P<day>\d\d?)(?P<dash>[ -])"
    rf"(?P<month>{_MONTH})(?P=dash)(?P<year>\d{{4}}) {_CLOCK}:(?P<second>[0-6]\d) (?P<zone>GMT|UTC|[+-]\d{{4}})"
)
LOG = re.compile(rf"(?P<day>[0-3]\d)/(?P<month>{_MONTH})/(?P<year>\d{{4}}):{_CLOCK}:(?P<second>[0-6]\d) (?P<zone>[+-]\d{{4}})")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time that was read from text.

    Attributes:
        format: what its text looks like, but for the digits of its fraction.
        digits: digits of the fraction of a second.
        step: the seconds between two values that the format can show.
        epoch: Unix seconds; a text without zone is taken for UTC.
    """

    format: str
    digits: int
    step: float
    epoch: float


def read(text: str) -> Moment | None:
    """The moment that the whole text names, in ISO 8601 / RFC 3339, RFC 9110's formats, or the format of access logs."""
    if not 8 <= len(text) <= 40:  # noqa: PLR2004 - the shortest is 20260131, the longest names a weekday, a fraction and a zone
        return None
    for name, pattern in (("ISO 8601", ISO), ("HTTP date", HTTP), ("log time", LOG)):
        match = pattern.fullmatch(text)
        if match:
            return _moment(name, match)
    return None


def _moment(name: str, match: re.Match[str]) -> Moment | None:
    part = match.groupdict()
    month = part["month"]
    fraction = part.get("fraction") or ""
    clock = part["hour"] is not None
    second = part["second"]
    try:
        day = datetime(
            int(part["year"]),
            int(month) if month.isdigit() else _MONTHS.index(month) + 1,
            int(part["day"]),
            int(part["hour"] or 0),
            int(part["minute"] or 0),
            min(int(second or 0), 59),
            tzinfo=timezone.utc,
        )
    except ValueError:
        return None
    zone = part["zone"] or ""
    epoch = (day - _offset(zone)).timestamp() + (float("0." + fraction[1:]) if fraction else 0.0)
    step = 10.0 ** -len(fraction[1:]) if fraction else 1.0 if second else 60.0 if clock else 86400.0
    marks = [part.get("dash") or "", part.get("between") or "", "s" if second else "", fraction[:1], _zone_form(zone)]
    return Moment(" ".join([name, *filter(None, marks)]), len(fraction[1:]), step, epoch)


def _offset(zone: str) -> timedelta:
    digits = zone.strip().replace(":", "")
    if digits[:1] not in ("+", "-"):
        return timedelta()
    offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    return -offset if digits[0] == "-" else offset


def _zone_form(zone: str) -> str:
    return zone or "no zone"
