"""At which fill a mailbox's owner is warned."""

WARNING_LEVELS = (80, 90, 95)


def level_passed(used_bytes: int, limit_bytes: int) -> int:
    """The highest of 80, 90 and 95 (per cent) that the use has reached; 0 below, 95 where there is no room at all."""
    return max((level for level in WARNING_LEVELS if used_bytes * 100 >= limit_bytes * level), default=0)
