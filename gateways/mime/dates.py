"""The Date field as Unix milliseconds (RFC 5322 section 3.3, and what else senders write)."""

import re
from datetime import date
from email.utils import mktime_tz, parsedate_tz

_USUAL = re.compile(
    r"(?:[A-Za-z]{2,9},?\s*)?(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]*[\s-]+(\d{2,4})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,]\d+)?\s*"
    r"(?:([+-])(\d{2})(\d{2})|([A-Za-z]{1,5}))?"
)
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = dict(zip(_NAMES, range(1, 13), strict=True))
# RFC 5322 section 4.3; a zone that is not in the list says nothing and counts as UTC.
_ZONES = {"edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8}
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MAX_CHARS = 200


def milliseconds(value: str) -> int | None:
    """The moment that ``value`` names, or None where nothing can be made of it."""
    usual = _USUAL.match(value[:_MAX_CHARS])
    if usual is None:
        return _by_the_library(value[:_MAX_CHARS])
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes, zone = usual.groups()
    number = int(year)
    if number < 1000:  # RFC 5322 section 4.3
        number += 2000 if number < 50 else 1900
    try:
        days = date(number, _MONTHS[month.lower()], int(day)).toordinal() - _EPOCH_DAY
    except (KeyError, ValueError):
        return None
    offset = _ZONES.get((zone or "").lower(), 0) * 3600
    if sign is not None:
        offset = (int(zone_hours) * 3600 + int(zone_minutes) * 60) * (-1 if sign == "-" else 1)
    return (days * 86400 + int(hour) * 3600 + int(minute) * 60 + int(second or 0) - offset) * 1000


def _by_the_library(value: str) -> int | None:
    try:
        parsed = parsedate_tz(value)
        return None if parsed is None else int(mktime_tz(parsed)) * 1000
    except (ValueError, OverflowError, TypeError, IndexError, AttributeError):
        return None
