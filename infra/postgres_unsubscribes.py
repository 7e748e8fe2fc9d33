"""Who wants no more bulk mail of a sender, in Postgres."""

import time
from collections.abc import Collection

from domain.ids import MailboxId
from infra.postgres_queue import Connect

_ADD = (
    "INSERT INTO unsubscribed (mailbox_id, address, at)"
    " SELECT mailbox_id, %s, %s FROM mailboxes WHERE mailbox_id = %s AND NOT erased ON CONFLICT DO NOTHING"
)
_AMONG = "SELECT address FROM unsubscribed WHERE mailbox_id = %s AND address = ANY (%s)"


class PostgresUnsubscribes:
    """The port `gateways.unsubscribes.Unsubscribes`; see there."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def add(self, mailbox_id: MailboxId, address: str) -> None:
        """This address wants no more; see `Unsubscribes.add`."""
        with self._connect() as connection:
            connection.execute(_ADD, (address, time.time_ns() // 1_000_000, mailbox_id))

    def among(self, mailbox_id: MailboxId, addresses: Collection[str]) -> Collection[str]:
        """Those that want no more; see `Unsubscribes.among`."""
        with self._connect() as connection:
            return [address for (address,) in connection.execute(_AMONG, (mailbox_id, list(addresses)))]
