"""Suppression lists, as they stand in the mailboxes' rows in step."""

from collections.abc import Collection

import msgspec

from domain.ids import MailboxId
from domain.suppression import KIND, suppressed_form
from infra.postgres_queue import Connect

_OF = (
    "SELECT d.document_id, d.body::text FROM mailboxes b JOIN documents d"
    " ON d.mailbox_id = b.mailbox_id AND d.generation = b.generation"
    " WHERE b.mailbox_id = %s AND NOT b.erased AND d.kind = %s AND d.destroyed_seq IS NULL"
)
_AMONG = f"{_OF} AND d.document_id = ANY (%s)"
_PAGE = f"{_OF} AND d.document_id > %s ORDER BY d.document_id LIMIT %s"


class Suppressed(msgspec.Struct, frozen=True):
    """An entry: the address in lower case, why (hard, complaint), since when (unix milliseconds)."""

    address: str
    why: str
    at: int


class _Body(msgspec.Struct):
    why: str
    at: int


class PostgresSuppressions:
    """The port `gateways.bounces.suppression.Suppressions`, and what the command line asks beyond it."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def is_suppressed(self, mailbox_id: MailboxId, addresses: Collection[str]) -> frozenset[str]:
        """See `Suppressions.is_suppressed`."""
        forms = {address: suppressed_form(address) for address in addresses}
        with self._connect() as connection:
            rows = connection.execute(_AMONG, (mailbox_id, KIND, list(set(forms.values())))).fetchall()
        found = {document_id for document_id, _ in rows}
        return frozenset(address for address, form in forms.items() if form in found)

    def page(self, mailbox_id: MailboxId, after: str = "", *, limit: int = 500) -> list[Suppressed]:
        """The entries in the order of their addresses, those behind `after`."""
        with self._connect() as connection:
            rows = connection.execute(_PAGE, (mailbox_id, KIND, after, limit)).fetchall()
        return [_entry(document_id, body) for document_id, body in rows]


def _entry(address: str, body: str) -> Suppressed:
    told = msgspec.json.decode(body, type=_Body)
    return Suppressed(address, told.why, told.at)
