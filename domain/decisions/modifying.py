"""The owner's everyday changes: read, star, label, move, archive."""

from domain import keywords
from domain.decisions.appending import Answer, Appending, MailboxDecision, known_messages
from domain.decisions.delivery import ARCHIVE, DRAFTS, SENT
from domain.decisions.relabelling import move, rekeyword
from domain.ids import LabelId, MessageId
from domain.refusals import LabelReservedError
from domain.rows import MessageRow, Needs


class Modify(MailboxDecision, frozen=True, kw_only=True):
    """Adds and removes labels and keywords on up to 1,000 messages, all or none."""

    ids: tuple[MessageId, ...]
    add_labels: tuple[LabelId, ...] = ()
    remove_labels: tuple[LabelId, ...] = ()
    add_keywords: tuple[str, ...] = ()
    remove_keywords: tuple[str, ...] = ()

    def needs(self) -> Needs:
        """The messages and the labels; what else is in their threads where they leave a label."""
        removes = bool(self.remove_labels)
        labels = (*self.add_labels, *self.remove_labels, *((ARCHIVE,) if removes else ()))
        return Needs(messages=self.ids, siblings=removes, labels=tuple(dict.fromkeys(labels)))

    def gather(self, appending: Appending) -> Answer:
        """`KeywordsChanged` and `LabelsChanged` for what really changes."""
        adding, removing = keywords.changeable(self.add_keywords), keywords.changeable(self.remove_keywords)
        for label_id in (*self.add_labels, *self.remove_labels):
            appending.label(label_id)
        messages = known_messages(appending.rows, self.ids)
        self._require_drafts_stay(messages)
        rekeyword(appending, [(message, adding, removing) for message in messages])
        move(appending, [(message, self.add_labels, self.remove_labels) for message in messages])
        return {}

    def _require_drafts_stay(self, messages: list[MessageRow]) -> None:
        named = {*self.add_labels, *self.remove_labels} & {DRAFTS, SENT}
        if named and any(keywords.DRAFT in message.keywords for message in messages):
            raise LabelReservedError("a draft stays in DRAFTS until it is sent or discarded", label_id=min(named))
