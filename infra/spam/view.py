"""The view that follows what owners call spam: their counts of tokens, from which filters are made.

A message is read when it is first taught, and its tokens are kept beside the word said of it: a word taken back takes
back exactly what was counted. What can no longer be read when the view comes to it teaches nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from domain.events import MessageDelivered, MessageServer, RecordedEvent
from domain.ids import MailboxId, MessageId
from gateways.blobs import BlobArchivedError, BlobMissingError
from gateways.mail_objects import MailAlteredError
from gateways.spam.scoring import tokens_of
from gateways.spam.senders import sender_of_delivered
from gateways.spam.token_ids import TokenIds
from infra.erasing import is_erased
from infra.followers import Source, ViewUnavailableError
from projections.spam_words import SpamWords

TABLES = ("spam_taught", "spam_counts", "spam_tokens")

_RENAME = """
    UPDATE spam_taught t SET message_id = n.new FROM unnest(%s::text[], %s::text[]) AS n(old, new)
    WHERE t.mailbox_id = %s AND t.message_id = n.old
"""
_STORED = "SELECT message_id, is_spam, tokens FROM spam_taught WHERE mailbox_id = %s AND message_id = ANY (%s)"
_WHERE = """
    SELECT x.message_id, x.blob, x.delivered_seq FROM messages x
    JOIN mailboxes b ON b.mailbox_id = x.mailbox_id AND b.generation = x.generation
    WHERE x.mailbox_id = %s AND x.message_id = ANY (%s)
"""
_KEEP = """
    INSERT INTO spam_taught (mailbox_id, message_id, is_spam, sender, tokens) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (mailbox_id, message_id) DO UPDATE SET is_spam = excluded.is_spam
"""
_FLIP = "UPDATE spam_taught SET is_spam = %s WHERE mailbox_id = %s AND message_id = %s"
_COUNT = """
    INSERT INTO spam_tokens AS t (mailbox_id, token, spams, hams)
    SELECT %s, * FROM unnest(%s::bigint[], %s::integer[], %s::integer[]) ORDER BY 2
    ON CONFLICT (mailbox_id, token) DO UPDATE SET spams = t.spams + excluded.spams, hams = t.hams + excluded.hams
"""
_FORGET = "DELETE FROM {} WHERE mailbox_id = %s"
_EMPTY = "DELETE FROM spam_tokens WHERE mailbox_id = %s AND token = ANY (%s) AND spams <= 0 AND hams <= 0"
_COUNT_MESSAGES = """
    INSERT INTO spam_counts AS c (mailbox_id, spams, hams) VALUES (%s, %s, %s)
    ON CONFLICT (mailbox_id) DO UPDATE SET spams = c.spams + excluded.spams, hams = c.hams + excluded.hams
"""


class _Known(NamedTuple):
    is_spam: bool
    tokens: Sequence[int]


class _Change:
    """What is to be added to a mailbox's counts, less what is taken back."""

    def __init__(self) -> None:
        self.messages = Counter[bool]()
        self.tokens: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}

    def teach(self, tokens: Iterable[int], *, is_spam: bool) -> None:
        self.messages[is_spam] += 1
        self.tokens[is_spam].update(tokens)

    def take_back(self, tokens: Iterable[int], *, is_spam: bool) -> None:
        self.messages[is_spam] -= 1
        self.tokens[is_spam].subtract(tokens)


class SpamView:
    """`FollowingView` that counts tokens. `read` gives the whole message under an object's name."""

    name = "spam"

    def __init__(self, reader: Source[RecordedEvent], read: Callable[[str], bytes], ids: TokenIds) -> None:
        self._reader = reader
        self._read = read
        self._ids = ids

    def reached(self, mailbox_id: MailboxId, applied_seq: int) -> int:
        """The cursor as stored: rows and cursor are one transaction."""
        return applied_seq

    def settle(self) -> None:
        """Nothing lies outside the database."""

    def apply(self, connection: Connection[Any], mailbox_id: MailboxId, events: Sequence[RecordedEvent]) -> int:
        """Learn what these events say; of an erased mailbox nothing stays."""
        if is_erased(connection, mailbox_id):
            self.forget(connection, mailbox_id)
            return events[-1].seq
        words = SpamWords()
        words.add(events)
        self.learn(connection, mailbox_id, words)
        return events[-1].seq

    def learn(self, connection: Connection[Any], mailbox_id: MailboxId, words: SpamWords) -> None:
        """Bring the counts to what these words say, within the caller's transaction. Safe to repeat."""
        if words.renamed:
            renamed = (list(words.renamed), list(words.renamed.values()), mailbox_id)
            connection.execute(_RENAME, renamed)
        named = [*words.said, *words.wanted]
        if not named:
            return
        rows = connection.execute(_STORED, (mailbox_id, named)).fetchall()
        known = {MessageId(message_id): _Known(is_spam, tokens) for message_id, is_spam, tokens in rows}
        change = _Change()
        self._take_in(connection, mailbox_id, words, known, change)
        _write(connection, mailbox_id, change)

    def forget(self, connection: Connection[Any], mailbox_id: MailboxId) -> None:
        """Take the view's rows of a mailbox away: for good, or to be made again in the same transaction."""
        for table in TABLES:
            connection.execute(_FORGET.format(table).encode(), (mailbox_id,))

    def _take_in(
        self,
        connection: Connection[Any],
        mailbox_id: MailboxId,
        words: SpamWords,
        known: Mapping[MessageId, _Known],
        change: _Change,
    ) -> None:
        new: dict[MessageId, bool] = dict.fromkeys((one for one in words.wanted if one not in known), False)
        for message_id, is_spam in words.said.items():
            before = known.get(message_id)
            if before is None:
                new[message_id] = is_spam
            elif before.is_spam != is_spam:
                connection.execute(_FLIP, (is_spam, mailbox_id, message_id))
                change.take_back(before.tokens, is_spam=before.is_spam)
                change.teach(before.tokens, is_spam=is_spam)
        for message_id, blob, delivered_seq in connection.execute(_WHERE, (mailbox_id, list(new))).fetchall():
            if (tokens := self._tokens(blob)) is not None:
                sender = self._sender(mailbox_id, delivered_seq)
                is_spam = new[MessageId(message_id)]
                connection.execute(_KEEP, (mailbox_id, message_id, is_spam, sender, tokens))
                change.teach(tokens, is_spam=is_spam)

    def _tokens(self, blob: str) -> list[int] | None:
        try:
            return list(tokens_of(self._read(blob), self._ids))
        except (BlobMissingError, BlobArchivedError, MailAlteredError):
            return None
        except OSError as error:
            raise ViewUnavailableError(str(error)) from error

    def _sender(self, mailbox_id: MailboxId, delivered_seq: int) -> int:
        for recorded in self._reader.batch(mailbox_id, delivered_seq - 1, limit=1):
            event = recorded.event
            if isinstance(event, MessageDelivered) and isinstance(event.server, MessageServer):
                return sender_of_delivered(event, self._ids)
        return 0


def _write(connection: Connection[Any], mailbox_id: MailboxId, change: _Change) -> None:
    spams, hams = change.tokens[True], change.tokens[False]
    moved = [token for token in spams.keys() | hams.keys() if spams[token] or hams[token]]
    if any(change.messages.values()):
        connection.execute(_COUNT_MESSAGES, (mailbox_id, change.messages[True], change.messages[False]))
    if moved:
        counted = ([spams[token] for token in moved], [hams[token] for token in moved])
        connection.execute(_COUNT, (mailbox_id, moved, *counted))
        connection.execute(_EMPTY, (mailbox_id, moved))
