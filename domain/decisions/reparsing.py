"""A better parser read the same bytes."""

import msgspec

from domain.decisions.appending import Answer, Appending, MailboxDecision, known_messages
from domain.events import MessagePersonal, MessageReparsed
from domain.ids import MessageId
from domain.rows import MessageRow, Needs


class Reparse(MailboxDecision, frozen=True, kw_only=True):
    """The summary of a message as parser version `parser` sees it. One whose own key is gone stays redacted."""

    message_id: MessageId
    parser: int
    personal: MessagePersonal
    has_attachment: bool

    def needs(self) -> Needs:
        """The message."""
        return Needs(messages=(self.message_id,))

    def gather(self, appending: Appending) -> Answer:
        """`MessageReparsed` where anything differs."""
        (row,) = known_messages(appending.rows, (self.message_id,))
        if row.summary is not None and not self._is_so(row, row.summary):
            appending.add(
                MessageReparsed(
                    message_id=self.message_id,
                    parser=self.parser,
                    has_attachment=self.has_attachment,
                    personal=self.personal,
                )
            )
        return {}

    def _is_so(self, row: MessageRow, summary: bytes) -> bool:
        same_summary = msgspec.json.decode(summary, type=MessagePersonal) == self.personal
        return same_summary and row.has_attachment == self.has_attachment
