"""Handing over what one's own program wrote: SENT shows it once, and who sends again sends once."""

import msgspec
import pytest

from domain import refusals
from domain.commands import HoldBlobs, PutInOutbox
from domain.decisions import Composed, ReportRecipient, SubmitWritten, UndoSubmission
from domain.events import LabelsChanged, MessageDelivered, SubmissionPersonal, SubmissionQueued, SubmissionRecipient
from domain.sent_copies import are_alike, are_of_one_mail, copy_id
from domain.threading import ref
from tests.domain.decided_mailbox import DAY_MS, MAILBOX, NOW_MS, DecidedMailbox, composed

BOB, EVE = SubmissionRecipient("bob@example.com"), SubmissionRecipient("eve@example.com", ("NEVER",), "rfc822;e@x.y")
OWN = "m1@laptop"


@pytest.fixture
def mailbox() -> DecidedMailbox:
    return DecidedMailbox()


def written(mailbox: DecidedMailbox, content: str = "0", *, own: str = OWN, size: int = 1000) -> Composed:
    """A mail as the hand-over describes it, under a new object each time."""
    name = copy_id(MAILBOX, ref(own), content * 64, f"{mailbox.new_id('chance'):>9}")
    mail = composed(own, size=size)
    blob = f"emails/2026/11/18/{name}.eml"
    server = msgspec.structs.replace(mail.server, blob=blob)
    named = {"server": server, "blobs": (blob, "attachments/1"), "own_ref": ref(own)}
    return msgspec.structs.replace(mail, received_at=mailbox.now_ms, **named)


def hand_over(mailbox: DecidedMailbox, message: Composed, *recipients: SubmissionRecipient, **fields: object):
    wanted = {
        "message": message,
        "mail_from": "ann@example.org",
        "recipients": recipients or (BOB,),
        "send_at_ms": mailbox.now_ms,
        "undo_until_ms": mailbox.now_ms,
        "stream": "personal",
    }
    return mailbox.run(SubmitWritten, **(wanted | fields))


def kinds(decided) -> list[type]:
    return [type(event) for event in decided.events]


def test_the_first_time_it_is_delivered_to_sent_and_queued_with_all_that_was_said(mailbox: DecidedMailbox) -> None:
    decided = hand_over(mailbox, written(mailbox), BOB, EVE, ret="HDRS", envid="e1")
    assert kinds(decided) == [MessageDelivered, SubmissionQueued]
    assert decided.events[0].labels == ("SENT",)
    assert decided.events[1].personal == SubmissionPersonal("ann@example.org", (BOB, EVE), "HDRS", "e1")


def test_a_repeat_appends_nothing_and_answers_as_before(mailbox: DecidedMailbox) -> None:
    first = hand_over(mailbox, written(mailbox), BOB, EVE).answer
    mailbox.now_ms += DAY_MS - 1
    again = hand_over(mailbox, written(mailbox), EVE, BOB, per_day=1)
    assert (again.events, again.effects) == ((), ())
    assert again.answer == {name: first[name] for name in ("submission_id", "message_id")}


def test_a_day_later_it_is_a_mail_of_its_own(mailbox: DecidedMailbox) -> None:
    hand_over(mailbox, written(mailbox))
    mailbox.now_ms += DAY_MS
    assert kinds(hand_over(mailbox, written(mailbox))) == [MessageDelivered, SubmissionQueued]


def test_to_others_the_copy_that_stands_is_sent_and_held(mailbox: DecidedMailbox) -> None:
    first = written(mailbox)
    message_id = hand_over(mailbox, first, BOB).answer["message_id"]
    decided = hand_over(mailbox, written(mailbox), EVE)
    assert kinds(decided) == [SubmissionQueued]
    assert decided.events[0].message_id == message_id
    submission_id = decided.answer["submission_id"]
    assert decided.effects == (
        PutInOutbox(submission_id, due_at=NOW_MS),
        HoldBlobs(f"outbox:{submission_id}", (first.server.blob, "attachments/1")),
    )


def test_to_others_the_limits_hold(mailbox: DecidedMailbox) -> None:
    hand_over(mailbox, written(mailbox), BOB)
    with pytest.raises(refusals.RateLimitedError):
        hand_over(mailbox, written(mailbox), EVE, per_minute=1)


def test_something_else_under_the_same_message_id_takes_the_place_in_sent(mailbox: DecidedMailbox) -> None:
    first = hand_over(mailbox, written(mailbox, "0")).answer["message_id"]
    decided = hand_over(mailbox, written(mailbox, "1"))
    assert kinds(decided) == [MessageDelivered, SubmissionQueued, LabelsChanged]
    assert (mailbox.labels(first), mailbox.labels(decided.answer["message_id"])) == (["ARCHIVE"], ["SENT"])
    assert hand_over(mailbox, written(mailbox, "1")).events == ()


@pytest.mark.parametrize("status", ["bounced", "rejected"])
def test_what_failed_for_somebody_is_sent_when_it_is_handed_over_again(mailbox: DecidedMailbox, status: str) -> None:
    submission_id = hand_over(mailbox, written(mailbox)).answer["submission_id"]
    mailbox.run(
        ReportRecipient,
        submission_id=submission_id,
        recipient=0,
        status=status,
        last_reply="550",
        attempts=1,
        next_attempt_at=None,
    )
    assert kinds(hand_over(mailbox, written(mailbox))) == [SubmissionQueued]


def test_what_was_called_back_is_sent_anew(mailbox: DecidedMailbox) -> None:
    submission_id = hand_over(mailbox, written(mailbox), send_at_ms=NOW_MS + 1000).answer["submission_id"]
    mailbox.run(UndoSubmission, submission_id=submission_id)
    assert kinds(hand_over(mailbox, written(mailbox))) == [MessageDelivered, SubmissionQueued]


def test_what_waits_for_later_is_sent_now_when_it_is_handed_over_for_now(mailbox: DecidedMailbox) -> None:
    hand_over(mailbox, written(mailbox), send_at_ms=NOW_MS + 1000)
    assert kinds(hand_over(mailbox, written(mailbox))) == [SubmissionQueued]
    assert hand_over(mailbox, written(mailbox), send_at_ms=NOW_MS + 2000).events == ()


def test_a_full_mailbox_takes_no_copy_but_answers_a_repeat(mailbox: DecidedMailbox) -> None:
    hand_over(mailbox, written(mailbox, size=600_000))
    assert hand_over(mailbox, written(mailbox, size=600_000)).events == ()
    with pytest.raises(refusals.MailboxFullError):
        hand_over(mailbox, written(mailbox, own="m2@laptop", size=600_000))


def test_names_of_objects_tell_mails_apart() -> None:
    name = copy_id("b1", "ref", "0" * 64, "123456789")
    assert (len(name), name) == (32, copy_id("b1", "ref", "0" * 64, "x123456789"))
    others = {
        "content": copy_id("b1", "ref", "1" * 64, "123456789"),
        "mail": copy_id("b1", "fer", "0" * 64, "123456789"),
        "mailbox": copy_id("b2", "ref", "0" * 64, "123456789"),
    }
    assert are_alike(f"emails/1/{name}.eml", f"emails/2/{copy_id('b1', 'ref', '0' * 64, '987654321')}.eml")
    assert {kind for kind, other in others.items() if are_of_one_mail(f"a/{name}.eml", f"a/{other}.eml")} == {"content"}
    assert not any(are_alike(f"a/{name}.eml", f"a/{other}.eml") for other in others.values())
    assert not are_of_one_mail("emails/a123.eml", "emails/a123.eml")
