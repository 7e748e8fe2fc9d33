"""A follower that is woken by `mailbox_events`, as a member of its view's consumer group.

Records wake mailboxes and bring their events along. What follows the mailbox's cursor is applied, what does not is
dropped, a hole is filled from the log. Whatever cannot be done with a record now (somebody else holds the cursor, there
is more than a step takes, the view parked the mailbox) is a wake-up in the database before the offset is committed; and
the wake-ups there, of erasures, rebuilds and sweeps, are served along with the records, also while Kafka is away.
"""

import logging
from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from domain.events import RecordedEvent
from domain.ids import MailboxId
from infra.followers import WAKE_AGAIN, Follower, FollowingView
from infra.kafka.events import read_published
from infra.kafka.in_hand import Taken
from infra.kafka.member import GroupMember
from infra.kafka.topic_reader import TopicReader

POLL_S = 0.2
RECORDS_AT_ONCE = 128
_log = logging.getLogger(__name__)


class GroupFollower(Follower[RecordedEvent]):
    """Keeps one view up with the log. Any number of members of one group, in any number of processes."""

    def __init__(
        self,
        conninfo: str,
        reader: TopicReader,
        view: FollowingView,
        member: GroupMember,
        *,
        mailboxes: int = RECORDS_AT_ONCE,
    ) -> None:
        super().__init__(conninfo, reader, view, mailboxes=mailboxes)
        self._topic_reader = reader
        self._group_view = view
        self._member = member
        self._came: Sequence[Taken] = ()
        self._named: set[MailboxId] = set()
        self._woken_here: set[MailboxId] = set()
        self._last_woken = ""

    def step(self, connection: Connection[Any]) -> int:
        """Apply what records bring and wake-ups ask for; how many events, or mailboxes, that were.

        What came stays in hand until its step is committed.
        """
        if not self._came:
            self._came = self._polled()
        published = [one for taken in self._came if (one := read_published(taken)) is not None]
        self._named = {one.mailbox_id for one in published}
        self._topic_reader.hold(published)
        done = super().step(connection)
        self._more = self._more or self._member.has_more()
        self._member.settle(self._came)
        self._came = ()
        self._member.commit()
        return done

    def close(self) -> None:
        """Leave the group."""
        self._member.close()

    def _polled(self) -> Sequence[Taken]:
        try:
            return self._member.poll(POLL_S, most=RECORDS_AT_ONCE)
        except ConnectionError as outage:
            _log.warning("%s is woken by the database alone: %s", self._group_view.name, outage)
            return ()

    def _claimed(self, connection: Connection[Any]) -> list[tuple[MailboxId, int]]:
        """The cursors of all that are woken; of what others hold, or is too much, a wake-up stays."""
        claimed = super()._claimed(connection)
        left = sorted(self._named - {mailbox_id for mailbox_id, _ in claimed})
        if left:
            connection.execute(WAKE_AGAIN, (self._group_view.name, left))
        return claimed

    def _woken(self, connection: Connection[Any], after: str) -> list[str]:
        """Those that records name, and in turn those that the database wakes."""
        woken = super()._woken(connection, self._last_woken) or super()._woken(connection, "")
        self._last_woken = woken[-1] if woken else ""
        self._woken_here = {MailboxId(found) for found in woken}
        self._topic_reader.trust_not(self._woken_here)
        return sorted(self._named.union(self._woken_here))

    def _take(self, connection: Connection[Any], mailboxes: Sequence[MailboxId]) -> None:
        """Wake-ups go only of mailboxes that are read in the log: they may stand for more than the records bring."""
        super()._take(connection, [one for one in mailboxes if one in self._woken_here])
