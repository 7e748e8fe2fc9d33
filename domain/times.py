"""Times: unix milliseconds inside, RFC 3339 UTC with milliseconds outside."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000
MAX_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


def rfc3339(unix_ms: int) -> str:
    """`2026-11-22T00:31:07.120Z` (RFC 3339 section 5.6); what lies outside the years 1 to 9999 is clamped."""
    clamped = min(max(unix_ms, -62_135_596_800_000), MAX_MS)
    seconds, millis = divmod(clamped, 1000)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment.year:04d}{moment.strftime('-%m-%dT%H:%M:%S')}.{millis:03d}Z"


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
