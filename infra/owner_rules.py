"""The port `gateways.filtering.owner_rules.RuleBook` on the views in step with the log, and the directory."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from psycopg import Connection

from domain.ids import MailboxId
from gateways.filtering.owner_rules import OwnerRules
from gateways.sieve.paths import paths
from infra.accounts.outages import Connect

_DOCUMENTS = (
    "SELECT d.mailbox_id, d.kind, d.body::text FROM mailboxes b JOIN documents d USING (mailbox_id, generation)"
    " WHERE b.mailbox_id = ANY(%s) AND d.kind = ANY('{rules,vacation,script}') AND d.document_id = ''"
    " AND d.destroyed_seq IS NULL"
)
_LABELS = (
    "SELECT x.mailbox_id, x.label_id, x.parent_id, x.name FROM mailboxes b JOIN labels x USING (mailbox_id, generation)"
    " WHERE b.mailbox_id = ANY(%s) AND x.destroyed_seq IS NULL"
)
_ADDRESSES = (
    "SELECT mailbox_id, address, 0 FROM directory WHERE mailbox_id = ANY(%(boxes)s)"
    " UNION ALL SELECT mailbox_id, address, 1 FROM aliases WHERE mailbox_id = ANY(%(boxes)s) AND address NOT LIKE '@%%'"
    " ORDER BY 3, 2"
)
_NAMES = (
    "SELECT d.mailbox_id, d.body::text FROM mailboxes b JOIN documents d USING (mailbox_id, generation)"
    " WHERE b.mailbox_id = ANY(%s) AND d.kind = 'profile' AND d.document_id = '' AND d.destroyed_seq IS NULL"
)
_MAX_ALIASES = 1_000


class _Script(msgspec.Struct):
    script: str = ""


class _Reply(msgspec.Struct):
    enabled: bool = False


class _Profile(msgspec.Struct):
    display_name: str = ""


class PostgresRuleBook:
    """Reads rules as they stand: two questions for mailboxes with rules, one for those without."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def rules_of(self, mailbox_ids: Collection[MailboxId]) -> Mapping[MailboxId, OwnerRules]:
        """See `RuleBook.rules_of`."""
        with self._connect() as connection:
            written = _written(connection, mailbox_ids)
            return _filled(connection, written) if written else {}


def _written(connection: Connection[Any], mailbox_ids: Collection[MailboxId]) -> dict[MailboxId, dict[str, Any]]:
    """What each of them has put down that does anything."""
    found: dict[MailboxId, dict[str, Any]] = {}
    for mailbox_id, kind, body in connection.execute(_DOCUMENTS, (sorted(mailbox_ids),)):
        if kind == "script":
            script = msgspec.json.decode(body, type=_Script).script
            if script.strip():
                found.setdefault(MailboxId(mailbox_id), {})[kind] = script
        elif kind == "rules" or msgspec.json.decode(body, type=_Reply).enabled:
            found.setdefault(MailboxId(mailbox_id), {})[kind] = body.encode()
    return found


def _filled(
    connection: Connection[Any], written: Mapping[MailboxId, Mapping[str, Any]]
) -> Mapping[MailboxId, OwnerRules]:
    boxes = list(written)
    labels: dict[str, list[tuple[str, str | None, str]]] = {}
    for mailbox_id, *label in connection.execute(_LABELS, (boxes,)):
        labels.setdefault(mailbox_id, []).append((label[0], label[1], label[2]))
    addresses: dict[str, list[str]] = {}
    for mailbox_id, address, _ in connection.execute(_ADDRESSES, {"boxes": boxes}):
        addresses.setdefault(mailbox_id, []).append(address)
    names = {
        box: msgspec.json.decode(body, type=_Profile).display_name for box, body in connection.execute(_NAMES, (boxes,))
    }
    return {
        mailbox_id: OwnerRules(
            **found,
            addresses=tuple(addresses.get(mailbox_id, ())[:_MAX_ALIASES]),
            name=names.get(mailbox_id, ""),
            labels=paths(labels.get(mailbox_id, ())),
        )
        for mailbox_id, found in written.items()
    }
