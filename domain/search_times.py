"""Days and spans as a search writes them: `2026-11-22`, `2026/11/22`, `3d`, `2w`, `1m`, `1y`."""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final

_DAY = re.compile(r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})", re.ASCII)
_SPAN = re.compile(r"(\d{1,5})([dwmy])", re.ASCII | re.IGNORECASE)
_DAY_MS: Final = 86_400_000
_DAYS: Final = {"d": 1, "w": 7}
_MONTHS: Final = {"m": 1, "y": 12}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)


def day_start_ms(text: str) -> int:
    """The moment (unix milliseconds) at which a UTC day begins. Raises: ValueError."""
    day = _DAY.fullmatch(text)
    if day is None:
        raise ValueError("a day is written 2026-11-22")
    try:
        return _unix_ms(datetime(int(day[1]), int(day[3]), int(day[4]), tzinfo=UTC))
    except ValueError:
        raise ValueError("there is no such day") from None


def moment_before_ms(text: str, now_ms: int) -> int:
    """The moment (unix milliseconds) a span before now; months and years are the calendar's. Raises: ValueError."""
    span = _SPAN.fullmatch(text)
    if span is None:
        raise ValueError("a span is written 3d, 2w, 1m or 1y")
    count, unit = int(span[1]), span[2].lower()
    if unit in _DAYS:
        return now_ms - count * _DAYS[unit] * _DAY_MS
    return _unix_ms(_months_before(_EPOCH + timedelta(milliseconds=now_ms), count * _MONTHS[unit]))


def _months_before(now: datetime, months: int) -> datetime:
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    if year < 1:
        return _FIRST
    return now.replace(year=year, month=month + 1, day=min(now.day, monthrange(year, month + 1)[1]))


def _unix_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
