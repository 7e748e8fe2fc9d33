"""Answers that are kept for as long as they are current: their names hold the history that they belong to.

The head's hash stands for everything that ever happened in a mailbox, so an answer of a restored or rewound log, or of
any head but the present one, is never found. The position is read before the answer is asked for, so an answer is at
least as new as its name says.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from domain.ids import MailboxId
from infra.caches.decoding import decoded
from infra.caches.sealed import SealedCache
from infra.views.database import Database

T = TypeVar("T")

KEPT_S = 300
_POSITION = "SELECT head_hash, generation, NOT erased FROM mailboxes WHERE mailbox_id = %s"
_OF_VIEW = (
    "SELECT b.head_hash, b.generation, NOT b.erased, f.applied_seq FROM mailboxes b"
    " LEFT JOIN followers f ON f.mailbox_id = b.mailbox_id AND f.view = %s WHERE b.mailbox_id = %s"
)


class CurrentAnswers:
    """Of a mailbox that was erased, or does not exist, nothing is kept."""

    def __init__(self, cache: SealedCache, database: Database) -> None:
        self._cache = cache
        self._database = database

    def of_log(self, mailbox_id: MailboxId, question: tuple[Any, ...], ask: Callable[[], T], kind: type[T]) -> T:
        """The answer of a view in step: what is kept, or what `ask` gives. `question` begins with what is asked."""
        return self._answer(mailbox_id, self._database.one(_POSITION, (mailbox_id,)), question, ask, kind)

    def of_view(
        self, view: str, mailbox_id: MailboxId, question: tuple[Any, ...], ask: Callable[[], T], kind: type[T]
    ) -> T:
        """The answer of a view that follows, as of what it has applied."""
        return self._answer(mailbox_id, self._database.one(_OF_VIEW, (view, mailbox_id)), question, ask, kind)

    def _answer(
        self,
        mailbox_id: MailboxId,
        position: tuple[Any, ...] | None,
        question: tuple[Any, ...],
        ask: Callable[[], T],
        kind: type[T],
    ) -> T:
        if position is None or not position[2]:
            return ask()
        what, *details = question
        parts = msgspec.msgpack.encode((position, details))
        kept = decoded(self._cache.get(mailbox_id, what, parts), kind)
        if kept is not None:
            return kept
        found = ask()
        self._cache.put(mailbox_id, what, parts, value=msgspec.msgpack.encode(found), for_s=KEPT_S)
        return found
