"""The one function that append and rebuild share, and the table of what each event does."""

from collections.abc import Callable, Iterable
from typing import Any

from domain import events as e
from domain.rows import Rows
from projections.in_step import belongings, labels, messages, sending, threads
from projections.in_step.step import Step
from projections.in_step.touched import Touched


def changes(rows: Rows, recorded: Iterable[e.RecordedEvent], touched: Touched | None = None) -> Touched:
    """Apply the events to the rows; the keys of all rows changed (added to `touched` where given).

    Raises:
        RowsMissingError: rows are needed that were not loaded; `rows` is then spoilt and must be loaded anew.
    """
    result = Touched() if touched is None else touched
    step = Step(rows, result)
    for event in recorded:
        step.begin(event)
        if event.event is not None and (change := _CHANGES.get(type(event.event))) is not None:
            change(step, event.event)
    return result


_CHANGES: dict[type[e.Event], Callable[[Step, Any], None]] = {
    e.MailboxOpened: labels.mailbox_opened,
    e.MessageDelivered: messages.message_delivered,
    e.MessageReparsed: messages.message_reparsed,
    e.KeywordsChanged: messages.keywords_changed,
    e.LabelsChanged: messages.labels_changed,
    e.DeletionMarked: messages.deletion_marked,
    e.DeletionUnmarked: messages.deletion_marked,
    e.MessagesSnoozed: messages.messages_snoozed,
    e.SnoozeEnded: messages.snooze_ended,
    e.MessagesDeleted: messages.messages_deleted,
    e.ThreadsJoined: threads.threads_joined,
    e.LabelCreated: labels.label_created,
    e.LabelChanged: labels.label_changed,
    e.LabelDeleted: labels.label_deleted,
    e.DraftSaved: sending.draft_saved,
    e.DraftDiscarded: sending.draft_discarded,
    e.SubmissionQueued: sending.submission_queued,
    e.SubmissionUndone: sending.submission_undone,
    e.SubmissionRejected: sending.submission_rejected,
    e.RecipientReported: sending.recipient_reported,
    e.IdentityChanged: belongings.identity_changed,
    e.ContactChanged: belongings.contact_changed,
    e.SettingsChanged: belongings.settings_changed,
    e.RulesReplaced: belongings.rules_replaced,
    e.VacationSet: lambda step, event: step.document("vacation", "", event.vacation.copy()),
    e.QuotaSet: belongings.quota_set,
    e.QuotaWarned: belongings.quota_warned,
    e.SendingRestricted: belongings.sending_restricted,
    e.SenderFlagged: belongings.sender_flagged,
    e.SignInDemanded: belongings.sign_in_demanded,
    e.SignedIn: belongings.signed_in,
    e.SendingAllowed: belongings.sending_allowed,
    e.AddressSuppressed: belongings.address_suppressed,
    e.SuppressionLifted: belongings.suppression_lifted,
    e.RecipientUnsubscribed: belongings.recipient_unsubscribed,
    e.MailboxRestored: labels.mailbox_restored,
    e.MailboxErased: labels.mailbox_erased,
}
"""Which events change rows; the others only move the head."""
