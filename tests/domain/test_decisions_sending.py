"""Sending: handed over, held for a while, called back or claimed, rejected or reported on."""

import pytest

from domain import refusals
from domain.commands import HoldBlobs, PutInOutbox, ReleaseBlobs, TakeFromOutbox
from domain.decisions import (
    AllowSending,
    ChangeIdentity,
    DeleteMessages,
    RejectSubmission,
    ReleaseSubmission,
    ReportRecipient,
    RestrictSending,
    SaveDraft,
    Submit,
    SubmitNew,
    UndoSubmission,
)
from domain.events import (
    DraftDiscarded,
    DraftSaved,
    KeywordsChanged,
    LabelsChanged,
    MessageDelivered,
    MessagesDeleted,
    RecipientPersonal,
    RecipientReported,
    SubmissionPersonal,
    SubmissionQueued,
    SubmissionRecipient,
    SubmissionRejected,
    SubmissionUndone,
)
from domain.rows import MailboxRow
from domain.sending_limits import SendingLimits, require_allowed
from domain.times import rfc3339
from tests.domain.decided_mailbox import DAY_MS, NOW_MS, PERSONAL, DecidedMailbox, composed, server

BOB, EVE = SubmissionRecipient("bob@example.com"), SubmissionRecipient("eve@example.com")
UNDO_MS = NOW_MS + 10_000


@pytest.fixture
def mailbox() -> DecidedMailbox:
    return DecidedMailbox()


def envelope(**fields: object) -> dict[str, object]:
    wanted = {
        "mail_from": "ann@example.org",
        "recipients": (BOB, EVE),
        "send_at_ms": NOW_MS,
        "undo_until_ms": UNDO_MS,
        "stream": "personal",
    }
    return wanted | fields


def save_draft(mailbox: DecidedMailbox) -> tuple[str, str]:
    fields = {"personal": PERSONAL, "server": server(own="draft"), "size": 1000, "received_at": NOW_MS}
    answer = mailbox.run(SaveDraft, **fields).answer
    return str(answer["draft_id"]), str(answer["message_id"])


def send(mailbox: DecidedMailbox) -> str:
    return str(mailbox.run(SubmitNew, **envelope(message=composed())).answer["submission_id"])


def test_sending_a_draft_moves_its_message_to_sent_and_queues_it(mailbox: DecidedMailbox) -> None:
    draft_id, message_id = save_draft(mailbox)
    decided = mailbox.run(Submit, **envelope(draft_id=draft_id, blobs=("attachments/aa",)))
    submission_id = decided.answer["submission_id"]
    assert decided.events == (
        LabelsChanged(message_ids=(message_id,), added=("SENT",), removed=("DRAFTS",), uids={"SENT": 1}),
        KeywordsChanged(message_ids=(message_id,), added=(), removed=("$draft",)),
        DraftDiscarded(draft_id=draft_id, sent=True),
        SubmissionQueued(
            submission_id=submission_id,
            message_id=message_id,
            draft_id=draft_id,
            identity_id=None,
            recipient_count=2,
            queued_at=rfc3339(NOW_MS),
            send_at=rfc3339(NOW_MS),
            undo_until=rfc3339(UNDO_MS),
            stream="personal",
            personal=SubmissionPersonal("ann@example.org", (BOB, EVE)),
        ),
    )
    assert decided.effects == (
        PutInOutbox(submission_id, due_at=UNDO_MS),
        HoldBlobs(f"outbox:{submission_id}", ("emails/draft.eml", "attachments/aa")),
    )
    assert decided.answer["message_id"] == message_id
    assert decided.answer["undo_until"] == rfc3339(UNDO_MS)


def test_the_final_bytes_replace_the_draft_like_a_last_revision(mailbox: DecidedMailbox) -> None:
    draft_id, before = save_draft(mailbox)
    decided = mailbox.run(Submit, **envelope(draft_id=draft_id, final=composed("final", size=1200)))
    message_id = decided.answer["message_id"]
    kinds = [type(event) for event in decided.events]
    assert kinds == [
        MessageDelivered,
        DraftSaved,
        MessagesDeleted,
        LabelsChanged,
        KeywordsChanged,
        DraftDiscarded,
        SubmissionQueued,
    ]
    assert decided.events[2].message_ids == (before,)
    assert (mailbox.labels(message_id), mailbox.keywords(message_id)) == (["SENT"], ["$seen"])
    assert HoldBlobs(f"outbox:{decided.answer['submission_id']}", ("emails/final.eml", "attachments/aa")) in (
        decided.effects
    )
    assert mailbox.rows.mailbox.used_bytes == 1200


def test_what_is_sent_in_one_step_is_in_sent_from_the_beginning(mailbox: DecidedMailbox) -> None:
    decided = mailbox.run(SubmitNew, **envelope(message=composed(), submission_id="s1"))
    delivered, queued = decided.events
    assert (delivered.labels, delivered.keywords, delivered.source) == (("SENT",), ("$seen",), "sent")
    assert (queued.submission_id, queued.message_id) == ("s1", delivered.id)
    assert mailbox.reads == 1


def test_it_leaves_when_it_shall_but_not_before_the_undo_window_ends(mailbox: DecidedMailbox) -> None:
    later = mailbox.run(SubmitNew, **envelope(message=composed(), send_at_ms=NOW_MS + DAY_MS))
    assert later.effects[1].due_at == NOW_MS + DAY_MS


@pytest.mark.parametrize("recipients", [(), (BOB,) * 1001])
def test_a_message_goes_to_somebody_but_not_to_everybody(mailbox: DecidedMailbox, recipients: tuple[object]) -> None:
    with pytest.raises(refusals.RecipientsInvalidError):
        mailbox.run(SubmitNew, **envelope(message=composed(), recipients=recipients))


def test_an_identity_must_be_one_of_the_owners(mailbox: DecidedMailbox) -> None:
    with pytest.raises(refusals.IdentityUnknownError):
        mailbox.run(SubmitNew, **envelope(message=composed(), identity_id="igone"))
    made = mailbox.run(ChangeIdentity, name="Ann", address="ann@example.org").answer["id"]
    mailbox.run(SubmitNew, **envelope(message=composed(), identity_id=made))


def test_a_full_mailbox_sends_nothing_new() -> None:
    with pytest.raises(refusals.MailboxFullError):
        send(DecidedMailbox(quota_bytes=999))


def test_the_messages_of_a_minute_are_counted_and_the_time_to_wait_is_told(mailbox: DecidedMailbox) -> None:
    send(mailbox)
    mailbox.now_ms += 20_500
    mailbox.run(SubmitNew, **envelope(message=composed(), per_minute=2))
    with pytest.raises(refusals.RateLimitedError) as refused:
        mailbox.run(SubmitNew, **envelope(message=composed(), per_minute=2))
    assert refused.value.retry_after_s == 40
    mailbox.now_ms += 39_500
    mailbox.run(SubmitNew, **envelope(message=composed(), per_minute=2))


def test_a_clock_put_right_after_it_was_ahead_neither_blocks_sending_nor_lifts_the_limits(
    mailbox: DecidedMailbox,
) -> None:
    mailbox.now_ms += 3 * DAY_MS
    send(mailbox)
    mailbox.now_ms -= 3 * DAY_MS
    for _ in range(2):
        mailbox.run(SubmitNew, **envelope(message=composed(), per_minute=2))
    with pytest.raises(refusals.RateLimitedError):
        mailbox.run(SubmitNew, **envelope(message=composed(), per_minute=2))


def test_a_day_is_a_sliding_window_too() -> None:
    sent = [(NOW_MS - DAY_MS + 1, 1), (NOW_MS - 90_000, 5)]
    with pytest.raises(refusals.RateLimitedError) as refused:
        require_allowed(MailboxRow("m"), sent, now_ms=NOW_MS, limits=SendingLimits(25, 2))
    assert refused.value.retry_after_s == 1
    require_allowed(MailboxRow("m"), sent, now_ms=NOW_MS + 1, limits=SendingLimits(25, 2))


def test_after_a_limit_was_lowered_the_wait_is_for_enough_messages_to_leave_the_window() -> None:
    sent = [(NOW_MS - 50_000, 1), (NOW_MS - 30_000, 1), (NOW_MS - 10_000, 1)]
    for limit, wait_s in ((1, 50), (2, 30), (3, 10), (0, 60)):
        with pytest.raises(refusals.RateLimitedError) as refused:
            require_allowed(MailboxRow("m"), sent, now_ms=NOW_MS, limits=SendingLimits(limit, 500))
        assert refused.value.retry_after_s == wait_s


def test_halved_is_half_and_blocked_is_nothing(mailbox: DecidedMailbox) -> None:
    assert mailbox.run(RestrictSending, why="bounces", blocked=False).events
    assert mailbox.run(RestrictSending, why="bounces", blocked=False).events == ()
    mailbox.run(SubmitNew, **envelope(message=composed(), per_minute=2))
    with pytest.raises(refusals.RateLimitedError):
        mailbox.run(SubmitNew, **envelope(message=composed(), per_minute=2))
    mailbox.run(RestrictSending, why="spam", blocked=True)
    mailbox.now_ms += DAY_MS
    with pytest.raises(refusals.SendingBlockedError):
        send(mailbox)
    assert mailbox.run(AllowSending).events
    assert mailbox.run(AllowSending).events == ()
    send(mailbox)


def test_undoing_brings_the_draft_back_one_revision_on(mailbox: DecidedMailbox) -> None:
    draft_id, message_id = save_draft(mailbox)
    submission_id = mailbox.run(Submit, **envelope(draft_id=draft_id)).answer["submission_id"]
    decided = mailbox.run(UndoSubmission, submission_id=submission_id)
    assert decided.events == (
        LabelsChanged(message_ids=(message_id,), added=("DRAFTS",), removed=("SENT",), uids={"DRAFTS": 2}),
        KeywordsChanged(message_ids=(message_id,), added=("$draft",), removed=()),
        SubmissionUndone(submission_id=submission_id, draft_id=draft_id),
        DraftSaved(draft_id=draft_id, revision=2, message_id=message_id, replaces=None),
    )
    assert decided.effects == (TakeFromOutbox(submission_id), ReleaseBlobs(f"outbox:{submission_id}"))
    assert decided.answer == {"draft_id": draft_id}
    with pytest.raises(refusals.AlreadySentError):
        mailbox.run(UndoSubmission, submission_id=submission_id)
    mailbox.run(Submit, **envelope(draft_id=draft_id))


def test_what_was_sent_in_one_step_becomes_a_first_draft(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    decided = mailbox.run(UndoSubmission, submission_id=submission_id)
    assert decided.events[-1].revision == 1
    assert decided.answer == {"draft_id": mailbox.rows.submissions[submission_id].draft_id}


def test_a_submission_whose_message_is_gone_can_still_be_stopped(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    message_id = mailbox.rows.submissions[submission_id].message_id
    mailbox.run(DeleteMessages, ids=(message_id,))
    mailbox.run(DeleteMessages, ids=(message_id,))
    decided = mailbox.run(UndoSubmission, submission_id=submission_id)
    assert [type(event) for event in decided.events] == [SubmissionUndone]
    assert decided.answer == {"draft_id": None}


def test_a_claimed_submission_cannot_be_undone_nor_claimed_again(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    claimed = mailbox.run(ReleaseSubmission, submission_id=submission_id)
    assert (claimed.events, claimed.answer) == ((), {"claimed": True})
    assert claimed.effects == (TakeFromOutbox(submission_id),)
    with pytest.raises(refusals.AlreadySentError):
        mailbox.run(UndoSubmission, submission_id=submission_id)
    again = mailbox.run(ReleaseSubmission, submission_id=submission_id)
    assert (again.effects, again.answer) == ((), {"claimed": False})


def test_an_unknown_submission_is_refused(mailbox: DecidedMailbox) -> None:
    for kind in (UndoSubmission, ReleaseSubmission):
        with pytest.raises(refusals.SubmissionUnknownError):
            mailbox.run(kind, submission_id="sgone")


def test_a_rejected_submission_is_rejected_once_and_lets_its_blobs_go(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    decided = mailbox.run(RejectSubmission, submission_id=submission_id, reason="spam")
    assert decided.events == (SubmissionRejected(submission_id=submission_id, reason="spam"),)
    assert ReleaseBlobs(f"outbox:{submission_id}") in decided.effects
    assert mailbox.run(RejectSubmission, submission_id=submission_id, reason="spam").events == ()
    assert mailbox.run(ReportRecipient, submission_id=submission_id, recipient=0, status="relayed").events == ()


def report(mailbox: DecidedMailbox, submission_id: str, recipient: int, status: str) -> object:
    return mailbox.run(
        ReportRecipient,
        submission_id=submission_id,
        recipient=recipient,
        status=status,
        last_reply="250 ok",
        attempts=1,
        next_attempt_at=NOW_MS if status == "deferred" else None,
    )


def test_a_recipients_status_is_told_when_it_changes(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    (event,) = report(mailbox, submission_id, 1, "deferred").events
    assert event == RecipientReported(
        submission_id=submission_id,
        message_id=mailbox.rows.submissions[submission_id].message_id,
        recipient=1,
        status="deferred",
        attempts=1,
        next_attempt_at=rfc3339(NOW_MS),
        personal=RecipientPersonal("eve@example.com", "250 ok"),
    )
    assert report(mailbox, submission_id, 1, "deferred").events == ()
    assert report(mailbox, submission_id, 1, "relayed").events
    assert report(mailbox, submission_id, 1, "deferred").events == ()
    assert report(mailbox, submission_id, 1, "bounced").events


def test_the_blobs_are_let_go_after_the_last_recipient(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    assert report(mailbox, submission_id, 0, "delivered").effects == ()
    assert report(mailbox, submission_id, 1, "bounced").effects == (ReleaseBlobs(f"outbox:{submission_id}"),)


@pytest.mark.parametrize(("recipient", "status"), [(2, "relayed"), (-1, "relayed"), (0, "queued"), (0, "lost")])
def test_a_report_on_nobody_or_of_nothing_is_refused(mailbox: DecidedMailbox, recipient: int, status: str) -> None:
    with pytest.raises(refusals.RecipientsInvalidError):
        report(mailbox, send(mailbox), recipient, status)


def test_a_reply_however_long_is_cut(mailbox: DecidedMailbox) -> None:
    long = {"recipient": 0, "status": "bounced", "last_reply": "5" * 100_000}
    (event,) = mailbox.run(ReportRecipient, submission_id=send(mailbox), **long).events
    assert len(event.personal.last_reply) == 2000


def test_a_report_on_a_redacted_recipient_names_nobody(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    mailbox.rows.submissions[submission_id].recipients[0].address = None
    (event,) = report(mailbox, submission_id, 0, "relayed").events
    assert not isinstance(event.personal, RecipientPersonal)
