"""A view that follows, which tells of each message that has come into it."""

import time
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET
from psycopg import Connection

from domain.events import MessageDelivered, RecordedEvent
from domain.ids import MailboxId
from infra.direct_delivery import is_direct
from infra.followers import FollowingView
from infra.trail.stages import stage_of_many

NEWS_MS = 7 * 86_400_000
"""What is older is no news: a view that begins anew reads all there ever was."""


class ToldView:
    """The port `infra.followers.FollowingView`; see there."""

    def __init__(self, view: FollowingView) -> None:
        self._view = view

    @property
    def name(self) -> str:
        """See `FollowingView.name`."""
        return self._view.name

    def reached(self, mailbox_id: MailboxId, applied_seq: int) -> int:
        """See `FollowingView.reached`."""
        return self._view.reached(mailbox_id, applied_seq)

    def apply(self, connection: Connection[Any], mailbox_id: MailboxId, events: Sequence[RecordedEvent]) -> int:
        """See `FollowingView.apply`. What is told may be taken back by a crash before the commit, and is told again."""
        began = time.time()
        reached = self._view.apply(connection, mailbox_id, events)
        news_ms = began * 1000 - NEWS_MS
        mails = [mail for one in events if one.seq <= reached and (mail := _mail(one, news_ms))]
        if mails:
            stage_of_many("in view", mails, began=began, view=self.name, mailbox=mailbox_id, seq=reached)
        return reached

    def settle(self) -> None:
        """See `FollowingView.settle`."""
        self._view.settle()


def _mail(recorded: RecordedEvent, news_ms: float) -> str:
    """The acceptance of the message that this event brought since then; empty for any other event, and for what was
    imported or is the demo's: nobody accepted that, and thousands come at once."""
    event = recorded.event
    if not isinstance(event, MessageDelivered) or event.server is UNSET or recorded.recorded_at < news_ms:
        return ""
    return "" if is_direct(event.server.acceptance_id) else event.server.acceptance_id
