"""What an owner taught, made again from the log while it is followed: a mailbox a transaction.

The log says what was called spam; the words are read from the messages again. A message that was destroyed for good
can teach nothing any more.
"""

from typing import Any

from psycopg import Connection

from domain.ids import MailboxId
from infra.contacts_rebuild import BATCH_EVENTS
from infra.spam.view import SpamView
from infra.store.reading import StreamReader
from projections.spam_words import SpamWords

_CURSOR = "INSERT INTO followers (view, mailbox_id) VALUES ('spam', %s) ON CONFLICT DO NOTHING"
_LOCK = "SELECT applied_seq FROM followers WHERE view = 'spam' AND mailbox_id = %s FOR NO KEY UPDATE"
_MOVE = (
    "UPDATE followers SET applied_seq = %s, parked_error = NULL, parked_at = NULL"
    " WHERE view = 'spam' AND mailbox_id = %s"
)
_APPLIED = "SELECT coalesce(max(applied_seq), 0) FROM followers WHERE view = 'spam' AND mailbox_id = %s"
_TAUGHT = "SELECT message_id, is_spam, tokens FROM spam_taught WHERE mailbox_id = %s"
_COUNTED = "SELECT spams, hams FROM spam_counts WHERE mailbox_id = %s"
_TOKENS = "SELECT token, spams, hams FROM spam_tokens WHERE mailbox_id = %s"


def rebuild_spam(connection: Connection[Any], reader: StreamReader, mailbox_id: MailboxId, view: SpamView) -> int:
    """Learn anew what a mailbox's log says; how many events that took. The old counts are read until the new stand."""
    words = SpamWords()
    with connection.transaction():
        connection.execute(_CURSOR, (mailbox_id,))
        connection.execute(_LOCK, (mailbox_id,))
        seq = 0
        while events := reader.batch(mailbox_id, seq, limit=BATCH_EVENTS):
            words.add(events)
            seq = events[-1].seq
        view.forget(connection, mailbox_id)
        view.learn(connection, mailbox_id, words)
        connection.execute(_MOVE, (seq, mailbox_id))
    return seq


def verify_spam(connection: Connection[Any], reader: StreamReader, mailbox_id: MailboxId) -> list[str]:
    """Every message taught otherwise than the log says, and every count that is not the sum of them (must be none)."""
    with connection.transaction():
        rows = connection.execute(_APPLIED, (mailbox_id,)).fetchall()
        taught = connection.execute(_TAUGHT, (mailbox_id,)).fetchall()
        counted = connection.execute(_COUNTED, (mailbox_id,)).fetchone() or (0, 0)
        tokens = {token: (spams, hams) for token, spams, hams in connection.execute(_TOKENS, (mailbox_id,))}
    words = SpamWords()
    words.add(reader.recorded(mailbox_id, until=rows[0][0]))
    said = dict.fromkeys(words.wanted, False) | words.said
    differences = [
        f"message {message_id} was taught as {_kind(is_spam)}, the log says {_kind(said.get(message_id))}"
        for message_id, is_spam, _ in taught
        if said.get(message_id) != is_spam
    ]
    if tuple(counted) != (sum(row[1] for row in taught), sum(not row[1] for row in taught)):
        differences.append(f"{counted[0]} spams and {counted[1]} hams are counted, which are not those taught")
    if tokens != _summed(taught):
        differences.append("the counts of tokens are not those of the messages taught")
    return differences


def _summed(taught: list[tuple[Any, ...]]) -> dict[int, tuple[int, int]]:
    sums: dict[int, tuple[int, int]] = {}
    for _, is_spam, tokens in taught:
        for token in tokens:
            spams, hams = sums.get(token, (0, 0))
            sums[token] = (spams + is_spam, hams + (not is_spam))
    return sums


def _kind(is_spam: bool | None) -> str:
    return {True: "spam", False: "ham", None: "nothing"}[is_spam]
