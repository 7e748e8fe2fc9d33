"""What the owner calls spam and what not; the filter learns from the events."""

from domain import keywords
from domain.decisions.appending import Answer, Appending, MailboxDecision, known_messages
from domain.decisions.delivery import ARCHIVE, INBOX, SPAM, TRASH
from domain.decisions.relabelling import move, rekeyword
from domain.events import SpamCleared, SpamReported
from domain.ids import LabelId, MessageId
from domain.refusals import LabelReservedError
from domain.rows import MessageRow, Needs


class _Verdict(MailboxDecision, frozen=True, kw_only=True):
    """A word of the owner on up to 1,000 messages."""

    ids: tuple[MessageId, ...]

    def needs(self) -> Needs:
        """The messages with their threads."""
        return Needs(messages=self.ids, siblings=True, labels=(INBOX, SPAM, ARCHIVE))


class ReportSpam(_Verdict, frozen=True, kw_only=True):
    """They are spam: SPAM replaces all labels, `$junk` stands instead of `$notjunk`. A draft cannot be."""

    def gather(self, appending: Appending) -> Answer:
        """`SpamReported` for those that were not spam before, with `KeywordsChanged` and `LabelsChanged`."""
        messages = known_messages(appending.rows, self.ids)
        if any(keywords.DRAFT in message.keywords for message in messages):
            raise LabelReservedError("a draft stays in DRAFTS until it is sent or discarded")
        told = [m for m in messages if m.labels != [SPAM] or not _is_marked(m, keywords.JUNK, keywords.NOT_JUNK)]
        if told:
            appending.add(SpamReported(message_ids=tuple(message.message_id for message in told)))
        rekeyword(appending, [(message, (keywords.JUNK,), (keywords.NOT_JUNK,)) for message in told])
        move(appending, [(message, (SPAM,), tuple(message.labels)) for message in told])
        return {}


class ReportNotSpam(_Verdict, frozen=True, kw_only=True):
    """They are no spam: out of SPAM into INBOX (what is in TRASH too stays there), `$notjunk` instead of `$junk`."""

    def gather(self, appending: Appending) -> Answer:
        """`SpamCleared` for those that were not cleared before, with `KeywordsChanged` and `LabelsChanged`."""
        messages = known_messages(appending.rows, self.ids)
        told = [m for m in messages if SPAM in m.labels or not _is_marked(m, keywords.NOT_JUNK, keywords.JUNK)]
        if told:
            appending.add(SpamCleared(message_ids=tuple(message.message_id for message in told)))
        rekeyword(appending, [(message, (keywords.NOT_JUNK,), (keywords.JUNK,)) for message in told])
        move(appending, [(message, _into(message), (SPAM,)) for message in told if SPAM in message.labels])
        return {}


def _is_marked(message: MessageRow, word: str, opposite: str) -> bool:
    return word in message.keywords and opposite not in message.keywords


def _into(message: MessageRow) -> tuple[LabelId, ...]:
    return () if TRASH in message.labels else (INBOX,)
