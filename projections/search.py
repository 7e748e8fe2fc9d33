"""Which messages does a search find? The document that is indexed of each message, and the port of the index.

A view that follows: whoever feeds an index hands it documents and removals together with the seq that they reach, and
the index keeps both in one commit.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from domain.ids import LabelId, MailboxId, MessageId, ThreadId
from domain.search_query import Query


class SearchDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a search sees it. Times are unix milliseconds; addresses are `name address` or the address alone."""

    mailbox_id: MailboxId
    message_id: MessageId
    thread_id: ThreadId
    seq: int
    received_at: int
    listed_at: int
    size: int
    subject: str = ""
    from_: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    text: str = ""
    filenames: tuple[str, ...] = ()
    labels: tuple[LabelId, ...] = ()
    keywords: tuple[str, ...] = ()
    has_attachment: bool = False
    message_id_header: str = ""


class MessageMarks(msgspec.Struct, frozen=True, kw_only=True):
    """What may change about a message while it says the same, as it stood at `seq`. Times are unix milliseconds."""

    mailbox_id: MailboxId
    message_id: MessageId
    seq: int
    listed_at: int
    labels: tuple[LabelId, ...] = ()
    keywords: tuple[str, ...] = ()


class Hits(msgspec.Struct, frozen=True):
    """One page of what a search found, newest `listed_at` first (then the greater message id).

    `total` counts all pages; `cursor` gives the next page and is None on the last; `as_of_seq` is the seq that the
    index had reached in this mailbox.
    """

    message_ids: tuple[MessageId, ...]
    total: int
    cursor: str | None
    as_of_seq: int


class SearchCursorInvalidError(Exception):
    """The cursor is not one that this search has given."""


class SearchTooBroadError(Exception):
    """A phrase ends with the beginning of more words than an index follows; another letter helps."""


class SearchUnavailableError(Exception):
    """The index cannot answer now; a later try may."""


class SearchIndex(Protocol):
    """Finds messages by what they say. Safe to feed again with what it has had; what `apply` took, it keeps.

    An index that several processes feed passes over what is older, by its seq, than what it has of a message, and never
    takes a message again that was taken out: ids are not reused.
    """

    def apply(
        self,
        upserts: Sequence[SearchDocument],
        deletes: Sequence[tuple[MailboxId, MessageId]],
        cursors: Mapping[MailboxId, int],
    ) -> None:
        """Put documents in (each replaces the one of its message), take messages out, and only then set the cursors.

        Durable and visible to every reader on return. A message both in `upserts` and in `deletes` is taken out.

        Raises: SearchUnavailableError, after which no cursor has been set and the same call may be made again.
        """

    def relabel(self, marks: Sequence[MessageMarks]) -> Sequence[MessageMarks]:
        """Change what may change of messages that are in the index; those that must come as documents instead.

        Those are messages that it does not have, or all of them where it cannot change a part of a document. What was
        changed is durable, and visible to every reader with the next cursor of its mailbox at the latest.

        Raises: SearchUnavailableError, after which the same call may be made again.
        """

    def cursor(self, mailbox_id: MailboxId) -> int:
        """The seq up to which this mailbox has been applied; 0 where nothing has."""

    def search(self, mailbox_id: MailboxId, query: Query, *, limit: int = 50, cursor: str | None = None) -> Hits:
        """The messages of this mailbox, and of no other, that a resolved query finds.

        Raises: SearchCursorInvalidError, SearchTooBroadError, SearchUnavailableError.
        """

    def drop_mailbox(self, mailbox_id: MailboxId) -> None:
        """Forget a mailbox with its cursor; durable on return."""
