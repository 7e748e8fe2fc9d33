"""One decision in the making: its events and effects in order, and the UIDs and UIDVALIDITY that it gives out."""

import abc

import msgspec

from domain.commands import Context, Decided, Effect, MailboxCommand
from domain.events import MAX_IDS_PER_EVENT, Event
from domain.ids import LabelId, MessageId
from domain.refusals import LabelUnknownError, MailboxUnknownError, MessageUnknownError, TooManyIdsError
from domain.rows import LabelRow, MembershipRow, MessageRow, Needs, Rows, RowsMissingError

Answer = dict[str, msgspec.Raw | str | int | bool | list[str] | None]


class Appending:
    """The events and effects of one decision so far. It reads `rows` and never changes them."""

    def __init__(self, rows: Rows, context: Context) -> None:
        self.rows = rows
        self.context = context
        self.events: list[Event] = []
        self.effects: list[Effect] = []
        self._next_uids: dict[LabelId, int] = {}
        self._last_uid_validity = rows.mailbox.last_uid_validity

    def add(self, *events: Event) -> None:
        """These events happen next."""
        self.events.extend(events)

    def do(self, *effects: Effect) -> None:
        """The same commit writes these too."""
        self.effects.extend(effects)

    def label(self, label_id: LabelId) -> LabelRow:
        """The live label of this id.

        Raises:
            LabelUnknownError: there is none.
        """
        row = self.rows.label(label_id)
        if row is None:
            raise LabelUnknownError(label_id)
        return row

    def give_uids(self, label_id: LabelId, count: int) -> int:
        """The first of `count` consecutive UIDs of a label, given here and never again (RFC 9051 section 2.3.1.1)."""
        first = self._next_uids.get(label_id) or self.label(label_id).next_uid
        self._next_uids[label_id] = first + count
        return first

    def begin_uids(self, label_id: LabelId) -> None:
        """The label is made by this decision: its UIDs begin at 1."""
        self._next_uids[label_id] = 1

    def give_uid_validity(self) -> int:
        """A UIDVALIDITY that this mailbox never gave before: the time in seconds, or one above the last."""
        self._last_uid_validity = max(self.context.now_ms // 1000, self._last_uid_validity + 1)
        return self._last_uid_validity

    def decided(self, answer: Answer) -> Decided:
        """What the decision came to."""
        return Decided(events=tuple(self.events), effects=tuple(self.effects), answer=answer)


class MailboxDecision(MailboxCommand, frozen=True, kw_only=True):
    """A command on an opened mailbox. Each kind says in `gather` what happens, and answers."""

    def needs(self) -> Needs:
        """The mailbox row alone, unless a command says more."""
        return Needs()

    def decide(self, rows: Rows, context: Context) -> Decided:
        """The decision.

        Raises:
            Refusal: nothing may happen; `mailbox_unknown` unless the mailbox is open.
        """
        if rows.mailbox.head == 0 or rows.mailbox.erased:
            raise MailboxUnknownError("no such mailbox")
        appending = Appending(rows, context)
        return appending.decided(self.gather(appending))

    @abc.abstractmethod
    def gather(self, appending: Appending) -> Answer:
        """Adds the events and effects of this command, and gives its answer."""
        raise NotImplementedError


def known_messages(rows: Rows, message_ids: tuple[MessageId, ...]) -> list[MessageRow]:
    """The live rows of all these messages, each once, in their order.

    Raises:
        MessageUnknownError: some of them are not there.
        TooManyIdsError: more than 1,000.
    """
    distinct = _distinct(message_ids)
    found = rows.live_messages(distinct)
    unknown = [str(message_id) for message_id, row in zip(distinct, found, strict=True) if row is None]
    if unknown:
        raise MessageUnknownError(unknown)
    return [row for row in found if row is not None]


def remaining_messages(rows: Rows, message_ids: tuple[MessageId, ...]) -> list[MessageRow]:
    """The live rows of those of these messages that are still there, each once, in their order.

    Raises:
        TooManyIdsError: more than 1,000.
    """
    return [row for row in rows.live_messages(_distinct(message_ids)) if row is not None]


def membership_in(rows: Rows, message: MessageRow, label_id: LabelId) -> MembershipRow | None:
    """The message's membership in a label, None where it is not in it."""
    if label_id not in message.labels:
        return None
    return rows.membership(label_id, message.uids[message.labels.index(label_id)])


def _distinct(message_ids: tuple[MessageId, ...]) -> tuple[MessageId, ...]:
    distinct = tuple(dict.fromkeys(message_ids))
    if len(distinct) > MAX_IDS_PER_EVENT:
        raise TooManyIdsError(f"at most {MAX_IDS_PER_EVENT} messages at once")
    return distinct


def require_labels(rows: Rows, label_ids: set[LabelId]) -> None:
    """Asks for all of these labels at once, where asking one by one would cost a read each."""
    if rows.has_all_labels:
        return
    missing = tuple(sorted(i for i in label_ids if i not in rows.labels and ("label", i) not in rows.asked))
    if missing:
        raise RowsMissingError(Needs(labels=missing))
