"""Which function folds which event."""

from collections.abc import Callable
from typing import Any

from domain import events
from domain.mailbox_state import (
    fold_documents,
    fold_labels,
    fold_messages,
    fold_quota,
    fold_restrictions,
    fold_sending,
    fold_threads,
)
from domain.mailbox_state.mailbox import Mailbox, When

Fold = Callable[[Mailbox, Any, When], None]


def _nothing(mailbox: Mailbox, event: events.Event, when: When) -> None:
    """A fact that changes nothing that can be asked for here."""


FOLDS: dict[type[events.Event], Fold] = {
    events.MailboxOpened: fold_labels.opened,
    events.IdentityChanged: fold_documents.identity_changed,
    events.MessageDelivered: fold_messages.delivered,
    events.MessageReparsed: fold_messages.reparsed,
    events.KeywordsChanged: fold_messages.keywords_changed,
    events.LabelsChanged: fold_messages.labels_changed,
    events.DeletionMarked: fold_messages.deletion_marked,
    events.DeletionUnmarked: fold_messages.deletion_unmarked,
    events.SpamReported: _nothing,
    events.SpamCleared: _nothing,
    events.MessagesSnoozed: fold_messages.snoozed,
    events.SnoozeEnded: fold_messages.snooze_ended,
    events.MessagesDeleted: fold_messages.deleted,
    events.ThreadsJoined: fold_threads.joined,
    events.LabelCreated: fold_labels.created,
    events.LabelChanged: fold_labels.changed,
    events.LabelDeleted: fold_labels.deleted,
    events.DraftSaved: fold_sending.draft_saved,
    events.DraftDiscarded: fold_sending.draft_discarded,
    events.SubmissionQueued: fold_sending.queued,
    events.SubmissionUndone: fold_sending.undone,
    events.SubmissionRejected: fold_sending.rejected,
    events.RecipientReported: fold_sending.reported,
    events.RulesReplaced: fold_documents.rules_replaced,
    events.VacationSet: fold_documents.vacation_set,
    events.SettingsChanged: fold_documents.settings_changed,
    events.ContactChanged: fold_documents.contact_changed,
    events.SignedIn: fold_restrictions.signed_in,
    events.PasswordChanged: _nothing,
    events.AppPasswordAdded: _nothing,
    events.AppPasswordRemoved: _nothing,
    events.SecondFactorAdded: _nothing,
    events.SecondFactorRemoved: _nothing,
    events.RecoveryCodeUsed: _nothing,
    events.QuotaSet: fold_quota.quota_set,
    events.QuotaWarned: fold_quota.quota_warned,
    events.SendingRestricted: fold_quota.sending_restricted,
    events.SenderFlagged: fold_restrictions.sender_flagged,
    events.SignInDemanded: fold_restrictions.sign_in_demanded,
    events.SendingAllowed: fold_restrictions.sending_allowed,
    events.AddressSuppressed: fold_restrictions.address_suppressed,
    events.SuppressionLifted: fold_restrictions.suppression_lifted,
    events.RecipientUnsubscribed: fold_restrictions.recipient_unsubscribed,
    events.MailboxRestored: fold_labels.restored,
    events.MailboxErased: fold_labels.erased,
}


def fold(mailbox: Mailbox, recorded: events.RecordedEvent) -> None:
    """Bring the mailbox to the event's seq; where the mailbox's key is gone only the head moves."""
    mailbox.head = recorded.seq
    mailbox.recorded_at = recorded.recorded_at
    if recorded.event is not None:
        FOLDS[type(recorded.event)](mailbox, recorded.event, When(recorded.seq, recorded.recorded_at))
