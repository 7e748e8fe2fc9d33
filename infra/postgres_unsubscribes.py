"""Who wants no more bulk mail of a sender, as the mailboxes' rows in step have it.

Before this was an event of the sender's log it was a row of `unsubscribed`: what was said then still counts.
"""

from collections.abc import Collection

import msgspec

from domain.ids import MailboxId
from domain.suppression import UNSUBSCRIBED
from infra.postgres_queue import Connect

_TOLD = (
    "SELECT d.document_id AS address, (d.body->>'at')::bigint AS at FROM mailboxes b JOIN documents d"
    " ON d.mailbox_id = b.mailbox_id AND d.generation = b.generation"
    " WHERE b.mailbox_id = %(mailbox)s AND NOT b.erased AND d.kind = %(kind)s AND d.destroyed_seq IS NULL"
)
_AMONG = (
    f"{_TOLD} AND d.document_id = ANY (%(addresses)s)"  # noqa: S608 - constants only
    " UNION SELECT address, at FROM unsubscribed WHERE mailbox_id = %(mailbox)s AND address = ANY (%(addresses)s)"
)
_PAGE = (
    f"SELECT address, min(at) FROM ({_TOLD} AND d.document_id > %(after)s"  # noqa: S608 - constants only
    " UNION SELECT address, at FROM unsubscribed WHERE mailbox_id = %(mailbox)s AND address > %(after)s) AS told"
    " GROUP BY address ORDER BY address LIMIT %(limit)s"
)


class Unsubscribed(msgspec.Struct, frozen=True):
    """An address and since when (unix milliseconds) it wants no more."""

    address: str
    at: int


class PostgresUnsubscribes:
    """The port `gateways.unsubscribes.Unsubscribes`, and what the command line asks beyond it."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def among(self, mailbox_id: MailboxId, addresses: Collection[str]) -> Collection[str]:
        """Those that want no more; see `Unsubscribes.among`."""
        asked = {"mailbox": mailbox_id, "kind": UNSUBSCRIBED, "addresses": list(addresses)}
        with self._connect() as connection:
            return {address for address, _ in connection.execute(_AMONG.encode(), asked)}

    def page(self, mailbox_id: MailboxId, after: str = "", *, limit: int = 500) -> list[Unsubscribed]:
        """Those who want no more, in the order of their addresses, those behind `after`."""
        asked = {"mailbox": mailbox_id, "kind": UNSUBSCRIBED, "after": after, "limit": limit}
        with self._connect() as connection:
            return [Unsubscribed(address, at) for address, at in connection.execute(_PAGE.encode(), asked)]
