"""Whether two values are near enough, as a rule says."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from decimal import Context, Decimal
from email.utils import parsedate_to_datetime

from pytest_shadowdiff.model import Tolerance

_NUMBER = re.compile(r"[+-]?(?:\d{1,400}\.?\d{0,400}|\.\d{1,400})(?:[eE][+-]?\d{1,4})?\Z")
_ARITHMETIC = Context(prec=60, traps=[])
_FRACTION = re.compile(r"\.(\d+)")


def within(a: object, b: object, tolerance: Tolerance) -> bool:
    """Whether either bound that is given holds: for numbers (also written as text), or for times."""
    one, other = _number(a), _number(b)
    if one is not None and other is not None:
        apart = abs(_ARITHMETIC.subtract(one, other))
        if tolerance.absolute is not None and apart <= _bound(tolerance.absolute):
            return True
        greater = max(abs(one), abs(other))
        if tolerance.relative is not None and apart <= _ARITHMETIC.multiply(greater, _bound(tolerance.relative)):
            return True
    return tolerance.seconds is not None and _seconds_apart(a, b, tolerance.seconds)


def _bound(value: float) -> Decimal:
    return Decimal(repr(value))


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float, Decimal)):
        made = value if isinstance(value, Decimal) else Decimal(value) if isinstance(value, int) else Decimal(repr(value))
        return made if made.is_finite() else None
    if isinstance(value, str) and _NUMBER.match(value):
        return Decimal(value)
    return None


def _seconds_apart(a: object, b: object, most: float) -> bool:
    one, other = moment(a), moment(b)
    if one is None or other is None:
        one, other = _number(a), _number(b)
    return one is not None and other is not None and abs(_ARITHMETIC.subtract(one, other)) <= _bound(most)


def moment(value: object) -> Decimal | None:
    """The Unix seconds of a time written as text: ISO 8601 / RFC 3339 (UTC where no zone is given), or an HTTP date."""
    if not isinstance(value, str) or not 8 <= len(value) <= 64:  # noqa: PLR2004 - the shortest date, and no essay
        return None
    try:
        made = _iso(value)
    except ValueError:
        try:
            made = parsedate_to_datetime(value)
        except (ValueError, TypeError, IndexError):
            return None
    if made.tzinfo is None:
        made = made.replace(tzinfo=timezone.utc)
    apart = made - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return Decimal(apart.days * 86400 + apart.seconds) + Decimal(apart.microseconds) / 1_000_000


def _iso(text: str) -> datetime:
    """Python 3.10 reads neither `Z` nor other than three or six digits of a second."""
    text = text.strip()
    if text[-1] in "zZ":
        text = text[:-1] + "+00:00"
    return datetime.fromisoformat(_FRACTION.sub(lambda found: "." + found.group(1)[:6].ljust(6, "0"), text, count=1))
