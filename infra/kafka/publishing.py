"""Where the publishing of `mailbox_events` stands: a view among those that follow, as long as it is wanted."""

from typing import Any

from psycopg import Connection

NAME = "events"

_BEGIN_AT_HEADS = (
    "INSERT INTO followers (view, mailbox_id, applied_seq) SELECT %(view)s, mailbox_id, head FROM mailboxes"
    " WHERE NOT EXISTS (SELECT FROM followers WHERE view = %(view)s) ORDER BY mailbox_id ON CONFLICT DO NOTHING"
)


def begin_at_heads(connection: Connection[Any]) -> int:
    """Where nothing was ever published, begin with what is appended from now on; of how many mailboxes that is said.

    What lies before, views read in the log: their cursors tell them.
    """
    with connection.transaction():
        return connection.execute(_BEGIN_AT_HEADS, {"view": NAME}).rowcount


def forget(connection: Connection[Any]) -> None:
    """Nobody publishes here any more: nothing is to count as behind, nor to wait until it was published."""
    with connection.transaction():
        connection.execute("DELETE FROM followers WHERE view = %s", (NAME,))
        connection.execute("DELETE FROM follower_wakes WHERE view = %s", (NAME,))
