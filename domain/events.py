"""The facts of a mailbox, one frozen struct each, under short versioned names that never change.

An event has up to three parts of its own. Its plain fields are its *structure*, which every fold needs for ever and
which is its public form in `/sync`; `personal` is sealed once more under the message's own key, so that destroying
that key redacts it; `server` never leaves the server. Who did it and how (`Who`) is kept beside every event.

Times are RFC 3339 strings, sizes bytes. `uids` says for each label the first UID given; the messages put into that
label take consecutive UIDs in the order of `message_ids` (for `ThreadsJoined` and `LabelsChanged`: those of them that
the event puts into that label).
"""

from typing import Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from domain.ids import DraftId, LabelId, MessageId, SubmissionId, ThreadId

MAX_IDS_PER_EVENT = 1000
SYSTEM_LABELS = ("INBOX", "ARCHIVE", "SENT", "DRAFTS", "TRASH", "SPAM")
SYSTEM_ROLES = dict(zip(SYSTEM_LABELS, ("inbox", "archive", "sent", "drafts", "trash", "junk"), strict=True))
"""The roles of RFC 8621 section 2."""


class Who(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who made the change, by which client, over which protocol, from where, under which command id."""

    actor: str = "system"
    client: str = ""
    protocol: str = ""
    address: str = ""
    command_id: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What all events share: the short name they are stored under and the wrapper of their public form."""

    TOPIC: ClassVar[str]
    PUBLIC_KEY: ClassVar[str | None] = None
    """Where set, `/sync` shows the event as `{PUBLIC_KEY: {…}}`."""


class Mailaddress(msgspec.Struct, frozen=True):
    """A display name (may be empty) and an address, as a message header showed them."""

    name: str
    address: str


class AttachmentSummary(msgspec.Struct, frozen=True):
    """What a list shows of an attachment: its name, type and decoded size in bytes."""

    filename: str
    content_type: str
    size: int


class MailboxOpened(Event, frozen=True, kw_only=True):
    """The first event of every stream: the address, the system labels' UIDVALIDITY and the quota in bytes."""

    TOPIC = "MailboxOpened"
    address: str
    display_name: str
    uid_validity: dict[LabelId, int]
    quota_bytes: int


class IdentityChanged(Event, frozen=True, kw_only=True):
    """A name, signature or reply address to send as was made, changed or (`removed`) taken away."""

    TOPIC = "IdentityChanged"
    identity_id: str
    name: str = ""
    address: str = ""
    reply_to: str = ""
    signature: str = ""
    removed: bool = False


class MessagePersonal(msgspec.Struct, frozen=True):
    """The header summary of a message: what its own key protects. `date` is the Date header's, or null."""

    from_: tuple[Mailaddress, ...] = msgspec.field(name="from", default=())
    to: tuple[Mailaddress, ...] = ()
    cc: tuple[Mailaddress, ...] = ()
    subject: str = ""
    snippet: str = ""
    date: str | None = None
    attachments: tuple[AttachmentSummary, ...] = ()


class MessageServer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What only the server may know of a message.

    `refs` are the hashed Message-IDs that it bears or mentions (its own first), `subject_ref` the hash of base
    subject and correspondents; `trace` the trace block before the stored bytes; `envelope` and `screening` as the
    gateway recorded them, `filtering` what the owner's rules came to. `content_sha256` is of the content as it arrived,
    before our trace block.
    """

    blob: str
    acceptance_id: str = ""
    content_sha256: str = ""
    refs: tuple[str, ...] = ()
    subject_ref: str = ""
    trace: str = ""
    envelope: msgspec.Raw = msgspec.Raw(b"null")
    screening: msgspec.Raw = msgspec.Raw(b"null")
    filtering: msgspec.Raw = msgspec.Raw(b"null")


class MessageDelivered(Event, frozen=True, kw_only=True):
    """A message came into being in this mailbox: delivered, sent, imported, drafted or appended."""

    TOPIC = "MessageDelivered"
    PUBLIC_KEY = "message"
    id: MessageId
    thread_id: ThreadId
    received_at: str
    listed_at: str
    size: int
    labels: tuple[LabelId, ...]
    keywords: tuple[str, ...]
    has_attachment: bool
    source: str
    uids: dict[LabelId, int]
    personal: MessagePersonal | UnsetType = UNSET
    server: MessageServer | UnsetType = UNSET


class MessageReparsed(Event, frozen=True, kw_only=True):
    """A better parser's summary of the same bytes: replaces the personal part and `has_attachment`."""

    TOPIC = "MessageReparsed"
    message_id: MessageId
    parser: int
    has_attachment: bool
    personal: MessagePersonal | UnsetType = UNSET


class KeywordsChanged(Event, frozen=True, kw_only=True):
    """Keywords were added to and removed from every one of the messages; sorted, lower case."""

    TOPIC = "KeywordsChanged"
    message_ids: tuple[MessageId, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


class LabelsChanged(Event, frozen=True, kw_only=True):
    """Every one of the messages lost all of `removed` and gained all of `added` (with the UIDs given there)."""

    TOPIC = "LabelsChanged"
    message_ids: tuple[MessageId, ...]
    added: tuple[LabelId, ...]
    removed: tuple[LabelId, ...]
    uids: dict[LabelId, int]


class DeletionMarked(Event, frozen=True, kw_only=True):
    """IMAP's \\Deleted was set on the memberships of these messages in one label (RFC 9051 section 2.3.2)."""

    TOPIC = "DeletionMarked"
    label_id: LabelId
    message_ids: tuple[MessageId, ...]


class DeletionUnmarked(Event, frozen=True, kw_only=True):
    """IMAP's \\Deleted was taken off these memberships."""

    TOPIC = "DeletionUnmarked"
    label_id: LabelId
    message_ids: tuple[MessageId, ...]


class SpamReported(Event, frozen=True, kw_only=True):
    """The owner called these messages spam; the moves and keywords are events of their own in the same append."""

    TOPIC = "SpamReported"
    message_ids: tuple[MessageId, ...]


class SpamCleared(Event, frozen=True, kw_only=True):
    """The owner said that these messages are no spam."""

    TOPIC = "SpamCleared"
    message_ids: tuple[MessageId, ...]


class MessagesSnoozed(Event, frozen=True, kw_only=True):
    """These messages are away until `until`; that they left INBOX is a `LabelsChanged` after it in the same append."""

    TOPIC = "MessagesSnoozed"
    message_ids: tuple[MessageId, ...]
    until: str


class SnoozeEnded(Event, frozen=True, kw_only=True):
    """The snooze of these messages ended: they are listed from `listed_at` on.

    The return to INBOX is a `LabelsChanged` after it in the same append; a cancelled snooze leaves `listed_at` null.
    """

    TOPIC = "SnoozeEnded"
    message_ids: tuple[MessageId, ...]
    listed_at: str | None


class MessagesDeleted(Event, frozen=True, kw_only=True):
    """These messages were deleted for good, out of every label. `why`: user, retention, draft, undo."""

    TOPIC = "MessagesDeleted"
    message_ids: tuple[MessageId, ...]
    why: str


class ThreadsJoined(Event, frozen=True, kw_only=True):
    """A message bridged two threads: the messages of thread `from` stand in `into` under new ids.

    `new_ids` is in the order of `message_ids`; everything else about a moved message (labels, keywords, times) stays,
    its UIDs are new (`uids`, as above, in the order of `message_ids`).
    """

    TOPIC = "ThreadsJoined"
    into: ThreadId
    from_: ThreadId = msgspec.field(name="from")
    message_ids: tuple[MessageId, ...]
    new_ids: tuple[MessageId, ...]
    uids: dict[LabelId, int]


class LabelCreated(Event, frozen=True, kw_only=True):
    """A label was made: `name` is the leaf (NFC), `parent_id` null at the top."""

    TOPIC = "LabelCreated"
    label_id: LabelId
    name: str
    parent_id: LabelId | None
    role: str | None
    uid_validity: int
    sort_order: int
    subscribed: bool


class LabelChanged(Event, frozen=True, kw_only=True):
    """A label's name, parent, order or subscription is now this."""

    TOPIC = "LabelChanged"
    label_id: LabelId
    name: str
    parent_id: LabelId | None
    sort_order: int
    subscribed: bool


class LabelDeleted(Event, frozen=True, kw_only=True):
    """An emptied label without children went away; its id is never used again."""

    TOPIC = "LabelDeleted"
    label_id: LabelId


class DraftSaved(Event, frozen=True, kw_only=True):
    """A revision of a draft is the message `message_id`; the one before (`replaces`) was deleted in the same append."""

    TOPIC = "DraftSaved"
    draft_id: DraftId
    revision: int
    message_id: MessageId
    replaces: MessageId | None


class DraftDiscarded(Event, frozen=True, kw_only=True):
    """The draft is no more: thrown away, or sent (`sent`). Its message is dealt with by events of the same append."""

    TOPIC = "DraftDiscarded"
    draft_id: DraftId
    sent: bool


class SubmissionRecipient(msgspec.Struct, frozen=True):
    """One recipient of a submission and what the relay must know (RFC 3461)."""

    address: str
    notify: tuple[str, ...] = ()
    orcpt: str | None = None


class SubmissionPersonal(msgspec.Struct, frozen=True, omit_defaults=True):
    """The envelope: reverse-path (empty for `<>`) and recipients, those of Bcc among them (the owner's own knowledge).

    `ret` and `envid` are what the sender said of notifications (RFC 3461 sections 4.3 and 4.4).
    """

    mail_from: str
    recipients: tuple[SubmissionRecipient, ...]
    ret: str | None = None
    envid: str | None = None


class SubmissionQueued(Event, frozen=True, kw_only=True):
    """A message was handed over for sending; it leaves at `send_at`, and until `undo_until` can be called back.

    `queued_at` is when, by the clock that limits go by: what is recorded never goes back, a clock put right does.
    `stream`: personal, transactional, bulk, or what the mailbox sends by itself upon a delivery: vacation, forward,
    rejection; then `message_id` is the message delivered, and `reply_key` tells a reply from those to others.
    """

    TOPIC = "SubmissionQueued"
    submission_id: SubmissionId
    message_id: MessageId
    draft_id: DraftId
    identity_id: str | None
    recipient_count: int
    queued_at: str
    send_at: str
    undo_until: str
    stream: str
    reply_key: str | UnsetType = UNSET
    personal: SubmissionPersonal | UnsetType = UNSET


class SubmissionUndone(Event, frozen=True, kw_only=True):
    """The owner called the submission back in time; the draft stands again (`DraftSaved` in the same append)."""

    TOPIC = "SubmissionUndone"
    submission_id: SubmissionId
    draft_id: DraftId


class SubmissionRejected(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A check before sending refused the whole submission; `reason` is shown to the sender.

    `check`, where it is there, is whose finding counts against the sender: spam.
    """

    TOPIC = "SubmissionRejected"
    submission_id: SubmissionId
    reason: str
    check: str = ""


class RecipientPersonal(msgspec.Struct, frozen=True):
    """Whose status it is and what the server there said."""

    address: str
    last_reply: str = ""


class RecipientReported(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one recipient (its index in the submission's recipients), told when the status changes, or when
    the recipient complained. `status`: delivered (here), relayed, deferred, bounced, rejected; `feedback`, where it is
    there: hard (the address takes no mail, now or ever), soft (another failure), complaint.
    """

    TOPIC = "RecipientReported"
    submission_id: SubmissionId
    message_id: MessageId
    recipient: int
    status: str
    attempts: int
    next_attempt_at: str | None
    feedback: str = ""
    personal: RecipientPersonal | UnsetType = UNSET


class AddressSuppressed(Event, frozen=True, kw_only=True):
    """From now on nothing is sent from this mailbox to `address` (lower case); `why`: hard, complaint."""

    TOPIC = "AddressSuppressed"
    address: str
    why: str


class SuppressionLifted(Event, frozen=True, kw_only=True):
    """What is sent to `address` leaves again."""

    TOPIC = "SuppressionLifted"
    address: str


class RulesReplaced(Event, frozen=True, kw_only=True):
    """The owner's filter rules are now these (JSON as the API takes them), and where it is told the script that runs
    after them (Sieve, RFC 5228; empty for none)."""

    TOPIC = "RulesReplaced"
    rules: msgspec.Raw
    script: str | UnsetType = UNSET


class VacationSet(Event, frozen=True, kw_only=True):
    """The automatic reply is now this (JSON as the API takes it)."""

    TOPIC = "VacationSet"
    vacation: msgspec.Raw


class SettingsChanged(Event, frozen=True, kw_only=True):
    """The profile is now this: display name, signature, time zone."""

    TOPIC = "SettingsChanged"
    display_name: str
    signature: str
    time_zone: str


class ContactChanged(Event, frozen=True, kw_only=True):
    """An entry of the address book was made, changed or (`removed`) taken away."""

    TOPIC = "ContactChanged"
    contact_id: str
    name: str = ""
    addresses: tuple[str, ...] = ()
    note: str = ""
    removed: bool = False


class SignedIn(Event, frozen=True, kw_only=True):
    """Somebody signed in as the owner: from which network address, with what client, over which protocol."""

    TOPIC = "SignedIn"
    session_id: str
    address: str
    client: str
    protocol: str


class PasswordChanged(Event, frozen=True, kw_only=True):
    """The password was changed, by its owner or by an operator; other sessions ended."""

    TOPIC = "PasswordChanged"
    by: str


class AppPasswordAdded(Event, frozen=True, kw_only=True):
    """A password for one native client was made; the secret itself is nowhere."""

    TOPIC = "AppPasswordAdded"
    app_password_id: str
    name: str


class AppPasswordRemoved(Event, frozen=True, kw_only=True):
    """A native client's password was taken away."""

    TOPIC = "AppPasswordRemoved"
    app_password_id: str


class SecondFactorAdded(Event, frozen=True, kw_only=True):
    """A second factor was switched on, in this session: its code is asked for beside the password from now on."""

    TOPIC = "SecondFactorAdded"
    session_id: str


class SecondFactorRemoved(Event, frozen=True, kw_only=True):
    """The second factor was taken off, by its owner (in this session) or by an operator."""

    TOPIC = "SecondFactorRemoved"
    by: str
    session_id: str


class RecoveryCodeUsed(Event, frozen=True, kw_only=True):
    """A recovery code stood for the second factor; so many are `left`. That it opened a session is the next event."""

    TOPIC = "RecoveryCodeUsed"
    left: int


class QuotaSet(Event, frozen=True, kw_only=True):
    """The mailbox may now hold this many bytes."""

    TOPIC = "QuotaSet"
    limit_bytes: int


class QuotaWarned(Event, frozen=True, kw_only=True):
    """Use passed 80, 90 or 95 per cent (`level`) on its way up."""

    TOPIC = "QuotaWarned"
    level: int
    used_bytes: int
    limit_bytes: int


class SendingRestricted(Event, frozen=True, kw_only=True):
    """Sending is halved or blocked, and why."""

    TOPIC = "SendingRestricted"
    why: str
    blocked: bool


class SenderFlagged(Event, frozen=True, kw_only=True):
    """An operator is to look at what this mailbox sends, and why; sending goes on."""

    TOPIC = "SenderFlagged"
    why: str


class SignInDemanded(Event, frozen=True, kw_only=True):
    """Nothing is sent until the owner has signed in anew with the account's password, and why."""

    TOPIC = "SignInDemanded"
    why: str


class SendingAllowed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Sending is free again; what was sent before `counted_from`, where it is there, no longer counts against it."""

    TOPIC = "SendingAllowed"
    counted_from: str = ""


class RecipientUnsubscribed(Event, frozen=True, kw_only=True):
    """Whoever has this address wants no more bulk mail of this mailbox: none is sent there from now on."""

    TOPIC = "RecipientUnsubscribed"
    address: str


class MailboxRestored(Event, frozen=True, kw_only=True):
    """The mailbox came back from a backup: every label has a new UIDVALIDITY (RFC 9051 section 2.3.1.1)."""

    TOPIC = "MailboxRestored"
    uid_validity: dict[LabelId, int]


class MailboxErased(Event, frozen=True, kw_only=True):
    """The end of the stream: nothing is ever appended after it."""

    TOPIC = "MailboxErased"
    why: str


EVENT_TYPES: tuple[type[Event], ...] = tuple(Event.__subclasses__())
BY_TOPIC: dict[str, type[Event]] = {kind.TOPIC: kind for kind in EVENT_TYPES}


class RecordedEvent(msgspec.Struct, frozen=True):
    """An event in its place in the stream. `recorded_at` is unix milliseconds, never below the one before.

    Where the mailbox's key is gone `event` is null and only the topic is known; where only the message's key is gone
    the event's `personal` is unset and `redacted` is true.
    """

    seq: int
    topic: str
    recorded_at: int
    event: Event | None
    who: Who = Who()
    redacted: bool = False


def structure_of(event: Event) -> Any:
    """The event without its `personal` and `server` parts."""
    parts = {name: UNSET for name in ("personal", "server") if hasattr(event, name)}
    return msgspec.structs.replace(event, **parts) if parts else event
