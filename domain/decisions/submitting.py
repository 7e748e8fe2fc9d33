"""A message that its author's own program wrote and hands over: SENT shows it once, however often it comes."""

from domain.decisions.appending import Answer, Appending
from domain.decisions.delivery import SENT
from domain.decisions.relabelling import relabel
from domain.decisions.sending import SubmitNew
from domain.ids import DraftId
from domain.rows import MessageRow, SubmissionRow
from domain.sent_copies import are_alike, are_of_one_mail
from domain.times import DAY_MS

_WELL = frozenset({"queued", "deferred", "delivered", "relayed"})


class SubmitWritten(SubmitNew, frozen=True, kw_only=True):
    """`SubmitNew` of a mail whose object is named by `domain.sent_copies.copy_id`, where it bears a Message-ID.

    Who missed the answer and hands the same over again, to the same recipients, within a day, is answered as before,
    and nothing is sent twice. To other recipients it is sent, and the copy in SENT is the one that stands there. Where
    it says something else under the same Message-ID, the newer copy stands in SENT and the older leaves it.
    """

    def gather(self, appending: Appending) -> Answer:
        """As `SubmitNew`; without `MessageDelivered` where the copy stands, without anything for a repeat."""
        copy = self._standing_copy(appending)
        if copy is None:
            return super().gather(appending)
        if before := self._before(appending, copy):
            return {"submission_id": before.submission_id, "message_id": copy.message_id}
        if are_alike(copy.blob, self.message.server.blob):
            self.require_sendable(appending)
            blobs = (copy.blob, *(name for name in self.message.all_blobs if name != self.message.server.blob))
            draft_id = DraftId(appending.context.new_id("d"))
            return self.queue(appending, copy.message_id, draft_id=draft_id, blobs=blobs)
        answer = super().gather(appending)
        relabel(appending, [(copy, (), (SENT,))])
        return answer

    def _standing_copy(self, appending: Appending) -> MessageRow | None:
        """The newest in SENT of the last day that bears the same Message-ID."""
        own_ref = self.message.own_ref
        found = appending.rows.reference(own_ref) if own_ref else None
        if found is None:
            return None
        since = appending.context.now_ms - DAY_MS
        copies = [
            message
            for message in appending.rows.thread_messages(found.thread_id)
            if SENT in message.labels
            and message.received_at > since
            and are_of_one_mail(message.blob, self.message.server.blob)
        ]
        return max(copies, key=lambda message: message.received_at, default=None)

    def _before(self, appending: Appending, copy: MessageRow) -> SubmissionRow | None:
        """The submission whose repeat this is: none that leaves later, was called back or failed for anybody."""
        if not are_alike(copy.blob, self.message.server.blob):
            return None
        wanted = sorted(recipient.address for recipient in self.recipients)
        since = appending.context.now_ms - DAY_MS
        for row in appending.rows.submissions.values():
            if row.message_id == copy.message_id and row.queued_at > since and row.send_at <= self.send_at_ms:
                known = sorted(recipient.address or "" for recipient in row.recipients)
                if known == wanted and all(recipient.status in _WELL for recipient in row.recipients):
                    return row
        return None
