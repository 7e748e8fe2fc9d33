"""What `/readyz` asks in every process that answers it."""

from functools import partial

from infra.composition import Parts
from infra.view_states import require_kept

FOLLOWING_VIEWS = ("contacts", "search")


def add_checks(parts: Parts) -> None:
    """The servers that every role stands on are needed; the views that follow are not. Safe to repeat."""
    parts.checks.add("database", partial(_ask, parts))
    parts.checks.add("keys", parts.keys.check)
    parts.checks.add("blobs", parts.check_blobs)
    if parts.kafka is not None:
        parts.checks.add("queue", parts.kafka.check)
    if parts.redis is not None:
        parts.checks.add("cache", parts.redis.server.check, needed=False)
    for view in FOLLOWING_VIEWS:
        parts.checks.add(f"view {view}", partial(require_kept, parts.connect, view), needed=False)


def _ask(parts: Parts) -> None:
    with parts.connect() as connection:
        connection.execute("SELECT 1")
