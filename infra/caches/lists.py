"""The first pages of lists, kept while they are current. Later pages are asked for too seldom."""

from domain.ids import LabelId, MailboxId, MessageId, ThreadId
from infra.caches.current import CurrentAnswers
from projections.mailbox_views import MessageLists
from projections.page import Page


class CachedLists:
    """`projections.mailbox_views.MessageLists` in front of another one."""

    def __init__(self, lists: MessageLists, answers: CurrentAnswers) -> None:
        self._lists = lists
        self._answers = answers

    def messages(
        self,
        mailbox_id: MailboxId,
        *,
        label: LabelId | None = None,
        unread: bool | None = None,
        starred: bool | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Summaries, newest first; see `MessageLists.messages`."""

        def ask() -> Page:
            return self._lists.messages(
                mailbox_id, label=label, unread=unread, starred=starred, cursor=cursor, limit=limit
            )

        question = ("messages-1", label, unread, starred, limit)
        return ask() if cursor else self._answers.of_log(mailbox_id, question, ask, Page)

    def threads(
        self, mailbox_id: MailboxId, *, label: LabelId | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Conversations, newest first; see `MessageLists.threads`."""

        def ask() -> Page:
            return self._lists.threads(mailbox_id, label=label, cursor=cursor, limit=limit)

        return ask() if cursor else self._answers.of_log(mailbox_id, ("threads-1", label, limit), ask, Page)

    def thread(self, mailbox_id: MailboxId, thread_id: ThreadId) -> tuple[bytes, ...]:
        """A conversation's summaries; see `MessageLists.thread`."""
        return self._lists.thread(mailbox_id, thread_id)

    def summaries(self, mailbox_id: MailboxId, message_ids: list[MessageId]) -> dict[MessageId, bytes]:
        """Summaries of those that live; see `MessageLists.summaries`."""
        return self._lists.summaries(mailbox_id, message_ids)

    def snapshot(self, mailbox_id: MailboxId, *, cursor: str | None, limit: int) -> tuple[Page, int]:
        """A page of all mail; see `MessageLists.snapshot`."""
        return self._lists.snapshot(mailbox_id, cursor=cursor, limit=limit)
