"""What a mailbox sends by itself in the append that delivers a message."""

import msgspec

from domain.automatic_mail import FORWARD, MAX_PER_DAY, MAX_PER_MAIL, REPLIED, AutomaticMail, Replied
from domain.commands import HoldBlobs, PutInOutbox
from domain.decisions.appending import Appending
from domain.events import SubmissionPersonal, SubmissionQueued, SubmissionRecipient
from domain.ids import DraftId, MessageId, SubmissionId
from domain.rows import Needs
from domain.times import DAY_MS, rfc3339


def needs_of(mails: tuple[AutomaticMail, ...]) -> Needs:
    """What of it was sent before."""
    if not mails:
        return Needs()
    return Needs(sending=True, documents=tuple((REPLIED, mail.reply_key) for mail in mails if mail.reply_key))


def allowed(appending: Appending, mails: tuple[AutomaticMail, ...]) -> list[AutomaticMail]:
    """Those that may be sent now: as many as the day leaves, and no reply that was given already."""
    if not mails or appending.rows.mailbox.sending_blocked:
        return []
    now_ms = appending.context.now_ms
    today = sum(sent > now_ms - DAY_MS for sent in appending.rows.sent_by_itself())
    found: list[AutomaticMail] = []
    for mail in mails:
        if len(found) < min(MAX_PER_MAIL, MAX_PER_DAY - today) and not _is_answered(appending, mail):
            found.append(mail)
    return found


def is_forward_left_out(mails: tuple[AutomaticMail, ...], kept: list[AutomaticMail]) -> bool:
    """Whether a copy that was to be forwarded is not."""
    return any(mail.stream == FORWARD and mail not in kept for mail in mails)


def send(appending: Appending, mails: list[AutomaticMail], message_id: MessageId) -> None:
    """`SubmissionQueued` for each, with its outbox row and its object held until it has left."""
    for mail in mails:
        _send(appending, mail, message_id)


def _send(appending: Appending, mail: AutomaticMail, message_id: MessageId) -> None:
    now_ms = appending.context.now_ms
    now = rfc3339(now_ms)
    submission_id = SubmissionId(appending.context.new_id("s"))
    recipient = SubmissionRecipient(mail.to, notify=() if mail.tells_sender else ("NEVER",))
    appending.add(
        SubmissionQueued(
            submission_id=submission_id,
            message_id=message_id,
            draft_id=DraftId(appending.context.new_id("d")),
            identity_id=None,
            recipient_count=1,
            queued_at=now,
            send_at=now,
            undo_until=now,
            stream=mail.stream,
            reply_key=mail.reply_key or msgspec.UNSET,
            personal=SubmissionPersonal(mail_from=mail.mail_from, recipients=(recipient,)),
        )
    )
    appending.do(
        PutInOutbox(submission_id, due_at=now_ms, blob=mail.blob, size_bytes=mail.size_bytes),
        HoldBlobs(f"outbox:{submission_id}", (mail.blob,)),
    )


def _is_answered(appending: Appending, mail: AutomaticMail) -> bool:
    if not mail.reply_key:
        return False
    row = appending.rows.document(REPLIED, mail.reply_key)
    if row is None:
        return False
    at = msgspec.json.decode(row.body, type=Replied).at
    return appending.context.now_ms - mail.within_ms < at
