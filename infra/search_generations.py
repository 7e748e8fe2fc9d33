"""What following, rebuilding and verifying a search index needs of it beside the port that is asked and fed."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.ids import MailboxId, MessageId
from domain.search_query import Everything, Query
from projections.search import SearchIndex

PAGE = 1_000


class WholeIndex(SearchIndex, Protocol):
    """One generation of an index, or whichever is live. Raises SearchUnavailableError."""

    def cursors(self, mailbox_ids: Sequence[MailboxId]) -> Mapping[MailboxId, int]:
        """The cursor of each mailbox: `SearchIndex.cursor` of many at once."""

    def messages(self, mailbox_id: MailboxId) -> tuple[set[MessageId], int]:
        """Every message of the mailbox that the index has, and the seq that it had reached then."""

    def close(self) -> None:
        """Let go of what writing and reading holds."""


class LiveIndex(WholeIndex, Protocol):
    """The generation that is live, whichever that is at the moment."""

    def identity(self) -> str:
        """Another text whenever another index stands in this one's place, though it be a lost one made anew."""

    def check(self) -> None:
        """Nothing, where it answers at once. Raises: SearchUnavailableError."""


class SearchGenerations(Protocol):
    """The generations of an index: the live one, and one that is built beside it. One at a time builds."""

    def begin(self) -> tuple[int, WholeIndex]:
        """The generation that an interrupted rebuild left, or a new, empty one.

        Raises: SearchUnavailableError.
        """

    def switch(self, generation: int) -> None:
        """Make it the live one: atomic for every reader, durable on return."""

    def remove_old(self) -> bool:
        """Remove the generations before the live one; whether that could be done now."""


def paged_messages(index: SearchIndex, mailbox_id: MailboxId) -> tuple[set[MessageId], int]:
    """`WholeIndex.messages` of an index that is asked page by page; what moves meanwhile may be missed."""
    found: set[MessageId] = set()
    cursor, as_of = None, index.cursor(mailbox_id)
    while True:
        hits = index.search(mailbox_id, Query(Everything(), anywhere=True), limit=PAGE, cursor=cursor)
        found.update(hits.message_ids)
        if (cursor := hits.cursor) is None:
            return found, as_of
