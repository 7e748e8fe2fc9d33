"""Where what may be lost is counted and kept."""

from dataclasses import dataclass
from pathlib import Path

from infra import settings_readers as read
from infra.settings.variable import setting


@dataclass(frozen=True, kw_only=True)
class Counters:
    """Where what may be lost is counted and kept, and how to reach Redis."""

    cache: str = setting(
        "CACHE",
        read.one_of("postgres", "redis"),
        "postgres",
        "Where failures to sign in are counted and answers kept for a while: `postgres` or `redis`.",
    )
    redis: str | None = setting(
        "REDIS", read.redis_url, None, "URL of the Redis (6.2 or later), `rediss:` with TLS; all in it may be lost."
    )
    redis_ca: Path | None = setting(
        "REDIS_CA", read.readable_file, None, "Who vouches for the Redis, PEM.", unset="whom the machine trusts"
    )
