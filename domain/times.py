"""Times: unix milliseconds inside, RFC 3339 UTC with milliseconds outside."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000
MAX_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


def rfc3339(unix_ms: int) -> str:
    """`2026-11-22T00:31:07.120Z` (RFC 3339 section 5.6); what lies outside the years 1 to 9999 is clamped."""
    clamped = min(max(unix_ms, -62_135_596_800_000), MAX_MS)
    days, millis = divmod(clamped, DAY_MS)
    minutes, millis = divmod(millis, 60_000)
    seconds, millis = divmod(millis, 1000)
    return f"{_day(days)}T{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{millis:03d}Z"


@lru_cache(maxsize=1024)
def _day(days: int) -> str:
    """The date so many days after 1970-01-01."""
    return (_EPOCH + timedelta(days=days)).date().isoformat()


def unix_ms(text: str) -> int:
    """The unix milliseconds of an RFC 3339 time.

    Raises:
        ValueError: the text is no RFC 3339 time with an offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset, as in 2026-11-22T00:31:07.120Z")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000
