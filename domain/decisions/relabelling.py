"""How wishes about labels and keywords become events: grouped by what really changes, at most 1,000 messages each."""

from collections.abc import Collection, Iterable, Iterator

from domain import keywords
from domain.commands import ForgetLater
from domain.decisions.appending import Appending
from domain.decisions.delivery import ARCHIVE, DRAFTS, INBOX, SPAM, TRASH
from domain.events import (
    MAX_IDS_PER_EVENT,
    DraftDiscarded,
    KeywordsChanged,
    LabelsChanged,
    MessagesDeleted,
    SnoozeEnded,
)
from domain.ids import LabelId, MessageId
from domain.rows import MessageRow

Change = tuple[frozenset[str], frozenset[str]]
"""What is really added and really removed."""

_ENDS_SNOOZE = frozenset({INBOX, TRASH, SPAM})
_Wish = tuple[MessageRow, Collection[LabelId], Collection[LabelId]]
_KeywordWish = tuple[MessageRow, Collection[str], Collection[str]]


def move(appending: Appending, wishes: Iterable[_Wish]) -> None:
    """`relabel` as the owner asks for it.

    INBOX, TRASH and SPAM first end a snooze; leaving DRAFTS first discards a draft.
    """
    changes = _label_changes(wishes)
    end_snooze(appending, [m for m, (added, _) in changes if added & _ENDS_SNOOZE and m.snoozed_until is not None])
    discard_drafts(appending, [m for m, (_, removed) in changes if DRAFTS in removed])
    _labels_changed(appending, changes)


def relabel(appending: Appending, wishes: Iterable[_Wish]) -> None:
    """(message, labels to add, labels to remove) → `LabelsChanged`; what is in both is added.

    A message that would be left without a label gets ARCHIVE.
    """
    _labels_changed(appending, _label_changes(wishes))


def rekeyword(appending: Appending, wishes: Iterable[_KeywordWish]) -> None:
    """(message, keywords to add, keywords to remove) → `KeywordsChanged`; what is in both is added.

    Raises:
        KeywordInvalidError: a message would have more than 100.
    """
    changes = [(message, _keyword_change(message, adding, removing)) for message, adding, removing in wishes]
    for (added, removed), message_ids in _grouped(changes):
        appending.add(
            KeywordsChanged(message_ids=message_ids, added=tuple(sorted(added)), removed=tuple(sorted(removed)))
        )


def delete_for_good(appending: Appending, messages: list[MessageRow], why: str) -> None:
    """`MessagesDeleted`, after the drafts among them are discarded."""
    _drafts_discarded(appending, messages)
    destroy(appending, messages, why)


def destroy(appending: Appending, messages: list[MessageRow], why: str) -> None:
    """`MessagesDeleted`; salts and blobs follow once nothing retains them."""
    for part in _parts(messages):
        appending.add(MessagesDeleted(message_ids=tuple(message.message_id for message in part), why=why))
        appending.do(ForgetLater(tuple(message.origin for message in part)))


def end_snooze(appending: Appending, messages: list[MessageRow], listed_at: str | None = None) -> None:
    """`SnoozeEnded`: in its time (`listed_at`) or, without, cancelled."""
    for part in _parts(messages):
        appending.add(SnoozeEnded(message_ids=tuple(message.message_id for message in part), listed_at=listed_at))


def discard_drafts(appending: Appending, messages: list[MessageRow]) -> None:
    """`DraftDiscarded` for the drafts whose newest revision is among these messages, which lose `$draft`."""
    _drafts_discarded(appending, messages)
    rekeyword(appending, [(message, (), (keywords.DRAFT,)) for message in messages])


def _drafts_discarded(appending: Appending, messages: list[MessageRow]) -> None:
    """The rows of drafts come with the rows of their messages; a client's own drafts have none."""
    among = {message.message_id for message in messages if keywords.DRAFT in message.keywords}
    live = (draft for draft in appending.rows.drafts.values() if draft.destroyed_seq is None)
    for draft_id in sorted(draft.draft_id for draft in live if draft.message_id in among):
        appending.add(DraftDiscarded(draft_id=draft_id, sent=False))


def _label_changes(wishes: Iterable[_Wish]) -> list[tuple[MessageRow, Change]]:
    return [(message, _label_change(message, adding, removing)) for message, adding, removing in wishes]


def _labels_changed(appending: Appending, changes: list[tuple[MessageRow, Change]]) -> None:
    for (added, removed), message_ids in _grouped(changes):
        into = tuple(LabelId(label) for label in sorted(added))
        appending.add(
            LabelsChanged(
                message_ids=message_ids,
                added=into,
                removed=tuple(LabelId(label) for label in sorted(removed)),
                uids={label: appending.give_uids(label, len(message_ids)) for label in into},
            )
        )


def _label_change(message: MessageRow, adding: Collection[LabelId], removing: Collection[LabelId]) -> Change:
    held: frozenset[str] = frozenset(message.labels)
    added: frozenset[str] = frozenset(adding) - held
    removed: frozenset[str] = (held & frozenset(removing)) - frozenset(adding)
    if held - removed or added:
        return added, removed
    if ARCHIVE in held:
        return added, removed - {ARCHIVE}
    return frozenset({ARCHIVE}), removed


def _keyword_change(message: MessageRow, adding: Collection[str], removing: Collection[str]) -> Change:
    held = frozenset(message.keywords)
    added = frozenset(adding) - held
    removed = (held & frozenset(removing)) - frozenset(adding)
    if added:
        keywords.require_few((held - removed) | added)
    return added, removed


def _grouped(changes: list[tuple[MessageRow, Change]]) -> Iterator[tuple[Change, tuple[MessageId, ...]]]:
    """The changes with the messages that they are true of, in the order of their first message."""
    groups: dict[Change, list[MessageRow]] = {}
    for message, change in changes:
        if any(change):
            groups.setdefault(change, []).append(message)
    for change, messages in groups.items():
        for part in _parts(messages):
            yield change, tuple(message.message_id for message in part)


def _parts(messages: list[MessageRow]) -> Iterator[list[MessageRow]]:
    for start in range(0, len(messages), MAX_IDS_PER_EVENT):
        yield messages[start : start + MAX_IDS_PER_EVENT]
