"""What `/readyz` and `/metrics` ask in every process that answers them."""

from functools import partial

from infra.composition import Parts
from infra.gauges import DatabaseGauges
from infra.view_states import require_kept

FOLLOWING_VIEWS = ("contacts", "search", "spam")


def following_views(parts: Parts) -> tuple[str, ...]:
    """The views that somebody must keep up; with Kafka it is one to have published what was appended."""
    return (*FOLLOWING_VIEWS, "events") if parts.kafka is not None else FOLLOWING_VIEWS


def add_checks(parts: Parts) -> None:
    """The servers that every role stands on are needed; the views that follow are not. Safe to repeat."""
    parts.checks.add("database", partial(_ask, parts))
    parts.checks.add("keys", parts.keys.check)
    parts.checks.add("blobs", parts.check_blobs)
    if parts.kafka is not None:
        parts.checks.add("queue", parts.kafka.check, needed=False)  # HTTP goes on, and SMTP answers 451 by itself
    if parts.redis is not None:
        parts.checks.add("cache", parts.redis.server.check, needed=False)
    if parts.virus is not None:
        parts.checks.add("clamd", parts.virus.check, needed=False)  # mail waits for it, and is delivered without it
    for view in following_views(parts):
        parts.checks.add(f"view {view}", partial(require_kept, parts.connect, view), needed=False)


def gauges_of(parts: Parts) -> DatabaseGauges:
    """What is measured of the whole installation."""
    elsewhere = None if parts.kafka is None else parts.kafka.backlog.records
    return DatabaseGauges(parts.connect, parts.checks, following_views(parts), elsewhere=elsewhere)


def _ask(parts: Parts) -> None:
    with parts.connect() as connection:
        connection.execute("SELECT 1")
