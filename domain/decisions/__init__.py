"""What may happen to a mailbox: each command is a frozen struct that says which rows it needs and decides, purely.

One file per area; what they share stands in `appending` (events in the making), `relabelling` (wishes become events),
`delivery` (a message comes into being), `conversations` (the thread that it stands in) and `quota_warning`.
"""

from domain.decisions.access import (
    AddAppPassword,
    RecordPasswordChange,
    RecordSecondFactor,
    RecordSecondFactorGone,
    RecordSignIn,
    RemoveAppPassword,
)
from domain.decisions.allowances import AllowSending, RestrictSending, SetQuota
from domain.decisions.appending import MailboxDecision
from domain.decisions.deleting import DeleteMessages, ExpireMessages
from domain.decisions.deletion_marks import Expunge, MarkDeletion, UnmarkDeletion
from domain.decisions.delivery import Composed, Deliver
from domain.decisions.drafting import DiscardDraft, SaveDraft
from domain.decisions.feedback import LiftSuppression, ReportBounce, ReportComplaint
from domain.decisions.judging import ReportNotSpam, ReportSpam
from domain.decisions.labelling import ChangeLabel, CreateLabel, DeleteLabel, EmptyLabelPart
from domain.decisions.modifying import Modify
from domain.decisions.opening import EraseMailbox, OpenMailbox, RestoreMailbox
from domain.decisions.profile import (
    ChangeContact,
    ChangeIdentity,
    ChangeSettings,
    ReplaceRules,
    ReplaceScript,
    SetVacation,
)
from domain.decisions.reparsing import Reparse
from domain.decisions.reporting import RejectSubmission, ReleaseSubmission, ReportRecipient
from domain.decisions.sending import Submit, SubmitNew, UndoSubmission
from domain.decisions.snoozing import EndSnooze, Snooze
from domain.decisions.submitting import SubmitWritten
from domain.decisions.unsubscribing import RecordUnsubscription

__all__ = [
    "AddAppPassword",
    "AllowSending",
    "ChangeContact",
    "ChangeIdentity",
    "ChangeLabel",
    "ChangeSettings",
    "Composed",
    "CreateLabel",
    "DeleteLabel",
    "DeleteMessages",
    "Deliver",
    "DiscardDraft",
    "EmptyLabelPart",
    "EndSnooze",
    "EraseMailbox",
    "ExpireMessages",
    "Expunge",
    "LiftSuppression",
    "MailboxDecision",
    "MarkDeletion",
    "Modify",
    "OpenMailbox",
    "RecordPasswordChange",
    "RecordSecondFactor",
    "RecordSecondFactorGone",
    "RecordSignIn",
    "RecordUnsubscription",
    "RejectSubmission",
    "ReleaseSubmission",
    "RemoveAppPassword",
    "Reparse",
    "ReplaceRules",
    "ReplaceScript",
    "ReportBounce",
    "ReportComplaint",
    "ReportNotSpam",
    "ReportRecipient",
    "ReportSpam",
    "RestoreMailbox",
    "RestrictSending",
    "SaveDraft",
    "SetQuota",
    "SetVacation",
    "Snooze",
    "Submit",
    "SubmitNew",
    "SubmitWritten",
    "UndoSubmission",
    "UnmarkDeletion",
]
