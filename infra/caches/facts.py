"""Counts and labels, kept while they are current."""

from typing import Any

import msgspec

from domain.ids import LabelId, MailboxId
from infra.caches.current import CurrentAnswers
from projections.mailbox_views import Head, MailboxFacts, NetChanges

_Counts = dict[LabelId, dict[str, int]]


class CachedFacts:
    """`projections.mailbox_views.MailboxFacts` in front of another one."""

    def __init__(self, facts: MailboxFacts, answers: CurrentAnswers) -> None:
        self._facts = facts
        self._answers = answers

    def head(self, mailbox_id: MailboxId) -> Head | None:
        """Where the stream stands; see `MailboxFacts.head`."""
        return self._facts.head(mailbox_id)

    def labels(self, mailbox_id: MailboxId) -> list[dict[str, Any]]:
        """Label objects; see `MailboxFacts.labels`."""
        return self._answers.of_log(
            mailbox_id, ("labels-1",), lambda: self._facts.labels(mailbox_id), list[dict[str, Any]]
        )

    def counts(self, mailbox_id: MailboxId) -> _Counts:
        """Total and unread by label; see `MailboxFacts.counts`."""
        return self._answers.of_log(mailbox_id, ("counts-1",), lambda: self._facts.counts(mailbox_id), _Counts)

    def documents(self, mailbox_id: MailboxId, kind: str) -> list[tuple[str, msgspec.Raw]]:
        """Documents of a kind; see `MailboxFacts.documents`."""
        return self._facts.documents(mailbox_id, kind)

    def net_changes(self, mailbox_id: MailboxId, since: int, *, limit: int) -> NetChanges:
        """What changed after `since`; see `MailboxFacts.net_changes`."""
        return self._facts.net_changes(mailbox_id, since, limit=limit)
