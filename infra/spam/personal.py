"""The port `gateways.spam.learning.PersonalFilters` on Postgres: what each owner taught, asked for a batch of messages.

Whoever taught nothing costs nothing: one query a batch says who did.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection

from domain.ids import MailboxId
from gateways.spam.bayes import learnt
from gateways.spam.learning import Asked, personal_verdict
from gateways.spam.scoring import tokens_of
from gateways.spam.senders import NOBODY, sender_of_address
from gateways.spam.token_ids import TokenIds
from infra.postgres_queue import Connect

_COUNTS = "SELECT mailbox_id, spams, hams FROM spam_counts WHERE mailbox_id = ANY (%s::text[])"
_WORD = """
    SELECT bool_or(is_spam), bool_or(NOT is_spam) FROM spam_taught WHERE sender = %s AND mailbox_id = %s
"""
_TOKENS = "SELECT token, spams, hams FROM spam_tokens WHERE mailbox_id = %s AND token = ANY (%s)"


class StoredFilters:
    """What owners taught, looked up."""

    def __init__(self, connect: Connect, ids: TokenIds) -> None:
        self._connect = connect
        self._ids = ids

    def judge(self, asked: Sequence[Asked]) -> Sequence[bool | None]:
        """The owners' words on these messages; see `PersonalFilters.judge`."""
        if not asked:
            return []
        with self._connect() as connection:
            boxes = list({one.mailbox_id for one in asked})
            counts = {box: (spams, hams) for box, spams, hams in connection.execute(_COUNTS, (boxes,)).fetchall()}
            return [self._word(connection, one, counts) for one in asked]

    def _word(
        self, connection: Connection[Any], asked: Asked, counts: Mapping[MailboxId, tuple[int, int]]
    ) -> bool | None:
        taught = counts.get(asked.mailbox_id)
        if taught is None:
            return None
        said = self._of_sender(connection, asked)
        if said is not None:
            return said
        spams, hams = taught
        if not learnt((), spams=spams, hams=hams).is_enough:
            return None
        tokens = tokens_of(asked.content, self._ids)
        found = connection.execute(_TOKENS, (asked.mailbox_id, list(tokens))).fetchall()
        return personal_verdict(learnt(found, spams=spams, hams=hams), tokens)

    def _of_sender(self, connection: Connection[Any], asked: Asked) -> bool | None:
        """The owner's word on the proven sender; who was called both is neither."""
        sender = sender_of_address(asked.author, self._ids) if asked.screening.dmarc == "pass" else NOBODY
        row = connection.execute(_WORD, (sender, asked.mailbox_id)).fetchone() if sender != NOBODY else None
        if row is None or row[0] == row[1]:
            return None
        return bool(row[0])
