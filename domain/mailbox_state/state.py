"""`MailboxState`: one mailbox, folded from its stream, and every question that the API answers about it."""

from collections.abc import Iterable
from typing import Any, Self

from domain.events import RecordedEvent
from domain.ids import LabelId, MessageId, ThreadId
from domain.mailbox_state import belongings, label_list, lists, net_changes, row_dump
from domain.mailbox_state.fold import fold
from domain.mailbox_state.lists import Json, Place
from domain.mailbox_state.mailbox import Mailbox


class MailboxState:
    """A mailbox as it stood at `head`. Events go in by `apply`; the answers are plain JSON-able dicts and lists."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()

    @classmethod
    def replay(cls, events: Iterable[RecordedEvent]) -> Self:
        """The state after these events, the first of them seq 1."""
        state = cls()
        for recorded in events:
            state.apply(recorded)
        return state

    def apply(self, recorded: RecordedEvent) -> None:
        """Fold the next event.

        Raises:
            ValueError: it is not the one after `head`.
        """
        if recorded.seq != self.head + 1:
            raise ValueError(f"seq {recorded.seq} does not follow {self.head}")
        fold(self.mailbox, recorded)

    @property
    def head(self) -> int:
        """The seq of the last event folded, 0 before the first."""
        return self.mailbox.head

    @property
    def used_bytes(self) -> int:
        """The sizes of all live messages, each counted once."""
        return self.mailbox.used_bytes

    @property
    def quota(self) -> Json:
        """`{used_bytes, limit_bytes, state}`."""
        return belongings.quota(self.mailbox)

    def messages(
        self,
        label: str | None = None,
        *,
        unread: bool | None = None,
        starred: bool | None = None,
        after: Place | None = None,
        limit: int | None = 50,
    ) -> list[Json]:
        """Summaries, newest (`listed_at`, id) first, after that place; a null `label` or `limit`: all."""
        inside = None if label is None else LabelId(label)
        return lists.message_list(self.mailbox, label=inside, unread=unread, starred=starred, after=after, limit=limit)

    def message(self, message_id: str) -> Json | None:
        """The summary of a live message."""
        message = self.mailbox.messages.get(MessageId(message_id))
        return lists.summary(message) if message is not None and message.live else None

    def threads(self, label: str | None = None, *, after: Place | None = None, limit: int | None = 50) -> list[Json]:
        """`{id, latest_at, total, unread}` within the label (null: all mail), newest (`latest_at`, id) first."""
        inside = None if label is None else LabelId(label)
        return lists.thread_list(self.mailbox, label=inside, after=after, limit=limit)

    def thread(self, thread_id: str) -> list[Json]:
        """The summaries of a thread, oldest (`received_at`, id) first."""
        return lists.thread_messages(self.mailbox, ThreadId(thread_id))

    def labels(self) -> list[Json]:
        """Label objects: the system labels in their order, then by path ignoring case."""
        return label_list.label_list(self.mailbox)

    def counts(self) -> dict[str, dict[str, int]]:
        """`{total, unread}` by label id."""
        return label_list.counts_by_label(self.mailbox)

    def changes(self, since: int) -> Json:
        """The whole `fold=true` answer after `since`, as one last page."""
        return net_changes.net_changes(self.mailbox, since)

    def drafts(self) -> list[Json]:
        """`{id, revision, message_id, seq}`, last changed first."""
        return belongings.draft_list(self.mailbox)

    def submissions(self) -> list[Json]:
        """Submissions with the status of each recipient, newest first."""
        return belongings.submission_list(self.mailbox)

    def contacts(self) -> list[Json]:
        """`{id, name, addresses, note, seq}` by name ignoring case."""
        return belongings.document_list(self.mailbox, "contact")

    def identities(self) -> list[Json]:
        """`{id, name, address, reply_to, signature, seq}` by name ignoring case."""
        return belongings.document_list(self.mailbox, "identity")

    def rules(self) -> Any:
        """The filter rules as they were put, null before."""
        return belongings.single_document(self.mailbox, "rules")

    def vacation(self) -> Any:
        """The automatic reply as it was put, null before."""
        return belongings.single_document(self.mailbox, "vacation")

    def profile(self) -> Json | None:
        """`{address, display_name, signature, time_zone}`."""
        profile = belongings.single_document(self.mailbox, "profile")
        return None if profile is None else {"address": self.mailbox.address, **profile}

    def uids(self, label: str) -> list[tuple[int, str, bool]]:
        """(UID, message id, whether marked \\Deleted) of what is in the label, by UID."""
        live = (one for one in self.mailbox.memberships.values() if one.label_id == label and one.removed_seq is None)
        return sorted((one.uid, one.message_id, one.deletion_mark) for one in live)

    def label_facts(self, label: str) -> Json:
        """`{uid_validity, next_uid, changed_seq, counts_seq}` of a label."""
        facts = self.mailbox.labels[LabelId(label)]
        return {
            "uid_validity": facts.uid_validity,
            "next_uid": facts.next_uid,
            "changed_seq": facts.changed_seq,
            "counts_seq": facts.counts_seq,
        }

    def rows(self) -> row_dump.Dump:
        """Every row that the views in step hold, tombstones included, by table and key."""
        return row_dump.rows_of(self.mailbox)
