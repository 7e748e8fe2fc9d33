"""What comes back: a bounce or a complaint changes the recipient's status, the suppression list and the sender's
standing, once."""

import pytest

from domain import refusals
from domain.commands import ReleaseBlobs
from domain.decisions import (
    AllowSending,
    LiftSuppression,
    MailboxDecision,
    RecordSignIn,
    RecordUnsubscription,
    RejectSubmission,
    ReportBounce,
    ReportComplaint,
    ReportRecipient,
    RestrictSending,
    SubmitNew,
    UndoSubmission,
)
from domain.events import (
    AddressSuppressed,
    Event,
    RecipientPersonal,
    RecipientReported,
    RecipientUnsubscribed,
    SenderFlagged,
    SendingAllowed,
    SendingRestricted,
    SignedIn,
    SignInDemanded,
    SubmissionQueued,
    SubmissionRecipient,
    SuppressionLifted,
)
from domain.mailbox_state import MailboxState
from domain.mailbox_state.row_dump import difference
from domain.times import rfc3339
from tests.domain.decided_mailbox import DAY_MS, NOW_MS, DecidedMailbox, composed
from tests.domain.test_decisions_laws import tables_of

NO_LIMIT = {"per_minute": 10_000, "per_day": 10_000, "volume_from": 100}


@pytest.fixture
def mailbox() -> DecidedMailbox:
    return DecidedMailbox(quota_bytes=1_000_000_000)


def send(mailbox: DecidedMailbox, recipients: int = 1, *, name: str = "Bob") -> str:
    """A submission of which the first five recipients were relayed."""
    addresses = tuple(SubmissionRecipient(f"{name}{n}@Example.com") for n in range(recipients))
    envelope = {"mail_from": "ann@example.org", "send_at_ms": mailbox.now_ms, "undo_until_ms": mailbox.now_ms}
    fields = envelope | NO_LIMIT | {"recipients": addresses, "stream": "personal", "message": composed()}
    submission_id = str(mailbox.run(SubmitNew, **fields).answer["submission_id"])
    for place in range(min(recipients, 5)):
        mailbox.run(ReportRecipient, submission_id=submission_id, recipient=place, status="relayed", attempts=1)
    return submission_id


def bounce(mailbox: DecidedMailbox, submission_id: str, place: int = 0, kind: str = "hard") -> tuple[Event, ...]:
    said = {"feedback": kind, "last_reply": "550 5.1.1 nobody here"}
    return mailbox.run(ReportBounce, submission_id=submission_id, recipient=place, **said).events


def complain(mailbox: DecidedMailbox, submission_id: str, place: int = 0) -> tuple[Event, ...]:
    return mailbox.run(ReportComplaint, submission_id=submission_id, recipient=place, feedback_type="abuse").events


def kinds(events: tuple[Event, ...]) -> list[str]:
    return [event.TOPIC for event in events]


def test_a_hard_bounce_is_reported_and_suppresses_the_address(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    assert bounce(mailbox, submission_id) == (
        RecipientReported(
            submission_id=submission_id,
            message_id=mailbox.rows.submissions[submission_id].message_id,
            recipient=0,
            status="bounced",
            attempts=1,
            next_attempt_at=None,
            feedback="hard",
            personal=RecipientPersonal("Bob0@Example.com", "550 5.1.1 nobody here"),
        ),
        AddressSuppressed(address="bob0@example.com", why="hard"),
    )


def test_a_bounce_told_again_changes_nothing(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    bounce(mailbox, submission_id)
    assert bounce(mailbox, submission_id) == ()
    assert bounce(mailbox, submission_id, kind="soft") == ()


def test_a_bounce_of_what_had_left_is_late_and_says_of_whom(mailbox: DecidedMailbox) -> None:
    fields = {"submission_id": send(mailbox), "recipient": 0, "feedback": "soft"}
    assert mailbox.run(ReportBounce, **fields).answer == {"late": True, "address": "Bob0@Example.com"}
    assert mailbox.run(ReportBounce, **fields).answer == {"late": False}


def test_a_soft_bounce_suppresses_nobody_until_a_hard_one_follows(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    assert kinds(bounce(mailbox, submission_id, kind="soft")) == ["RecipientReported"]
    assert kinds(bounce(mailbox, submission_id)) == ["RecipientReported", "AddressSuppressed"]


def test_what_came_back_is_not_taken_back_by_a_late_word_of_the_relay(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    bounce(mailbox, submission_id)
    for status in ("relayed", "delivered", "deferred"):
        fields = {"submission_id": submission_id, "recipient": 0, "status": status}
        assert mailbox.run(ReportRecipient, **fields).events == ()


def test_a_bounce_of_the_last_open_recipient_lets_the_blobs_go(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox, 7)
    fields = {"submission_id": submission_id, "feedback": "soft"}
    assert mailbox.run(ReportBounce, recipient=5, **fields).effects == ()
    assert mailbox.run(ReportBounce, recipient=0, **fields).effects == ()
    assert mailbox.run(ReportBounce, recipient=6, **fields).effects == (ReleaseBlobs(f"outbox:{submission_id}"),)


def test_a_complaint_that_overtakes_the_relays_word_does_not_stop_it(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox, 6)
    complain(mailbox, submission_id, 5)
    relayed = {"submission_id": submission_id, "recipient": 5, "status": "relayed"}
    assert kinds(mailbox.run(ReportRecipient, **relayed).events) == ["RecipientReported"]
    assert mailbox.rows.submissions[submission_id].recipients[5].feedback == "complaint"


def test_an_address_is_suppressed_once_however_often_it_bounces(mailbox: DecidedMailbox) -> None:
    first, second = send(mailbox), send(mailbox, name="BOB")
    bounce(mailbox, first)
    assert kinds(bounce(mailbox, second)) == ["RecipientReported"]


def test_a_complaint_leaves_the_status_and_suppresses_the_address(mailbox: DecidedMailbox) -> None:
    reported, suppressed = complain(mailbox, send(mailbox))
    assert isinstance(reported, RecipientReported)
    assert (reported.status, reported.feedback) == ("relayed", "complaint")
    assert suppressed == AddressSuppressed(address="bob0@example.com", why="complaint")


def test_a_complaint_counts_once(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    complain(mailbox, submission_id)
    assert complain(mailbox, submission_id) == ()


def test_a_refusal_that_the_relay_met_suppresses_like_one_that_came_back(mailbox: DecidedMailbox) -> None:
    fields = {"submission_id": send(mailbox), "recipient": 0, "status": "bounced", "feedback": "hard"}
    assert kinds(mailbox.run(ReportRecipient, **fields).events) == ["RecipientReported", "AddressSuppressed"]


def test_a_redacted_recipient_bounces_without_a_name(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox)
    mailbox.rows.submissions[submission_id].recipients[0].address = None
    assert kinds(bounce(mailbox, submission_id)) == ["RecipientReported"]


@pytest.mark.parametrize("address", ["\0@example.com", "x" * 100_000])
def test_what_is_no_address_is_suppressed_under_a_name_that_can_be_stored(
    mailbox: DecidedMailbox, address: str
) -> None:
    submission_id = send(mailbox)
    mailbox.rows.submissions[submission_id].recipients[0].address = address
    suppressed = bounce(mailbox, submission_id)[-1]
    assert isinstance(suppressed, AddressSuppressed)
    assert "\0" not in suppressed.address
    assert len(suppressed.address) <= 320


def test_what_never_left_cannot_come_back(mailbox: DecidedMailbox) -> None:
    fields = {"mail_from": "ann@example.org", "send_at_ms": NOW_MS, "undo_until_ms": NOW_MS + 1, "stream": "personal"}
    to = (SubmissionRecipient("bob@example.com"),)
    submission_id = str(mailbox.run(SubmitNew, **fields, recipients=to, message=composed()).answer["submission_id"])
    mailbox.run(UndoSubmission, submission_id=submission_id)
    assert bounce(mailbox, submission_id) == ()
    assert complain(mailbox, submission_id) == ()


@pytest.mark.parametrize("place", [-1, 1, 1023])
@pytest.mark.parametrize("kind", [ReportBounce, ReportComplaint])
def test_a_place_that_the_submission_does_not_have_is_refused(
    mailbox: DecidedMailbox, place: int, kind: type[MailboxDecision]
) -> None:
    said = {"feedback": "hard"} if kind is ReportBounce else {"feedback_type": "abuse"}
    with pytest.raises(refusals.RecipientsInvalidError):
        mailbox.run(kind, submission_id=send(mailbox), recipient=place, **said)


def test_a_lifted_address_is_suppressed_again_by_the_next_bounce(mailbox: DecidedMailbox) -> None:
    bounce(mailbox, send(mailbox))
    lifted = mailbox.run(LiftSuppression, address=" BOB0@example.com").events
    assert lifted == (SuppressionLifted(address="bob0@example.com"),)
    with pytest.raises(refusals.SuppressionUnknownError):
        mailbox.run(LiftSuppression, address="bob0@example.com")
    assert kinds(bounce(mailbox, send(mailbox))) == ["RecipientReported", "AddressSuppressed"]


def test_more_than_one_in_a_hundred_bounces_halve_the_rate_once(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox, 150)
    assert "SendingRestricted" not in kinds(bounce(mailbox, submission_id, 0))
    restricted = bounce(mailbox, submission_id, 1)[-1]
    assert restricted == SendingRestricted(why="bounces: 2 of 150 recipients in 7 days", blocked=False)
    assert mailbox.rows.mailbox.sending_halved
    assert "SendingRestricted" not in kinds(bounce(mailbox, submission_id, 2))


def test_bounces_of_few_recipients_restrict_nobody(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox, 99)
    assert all("SendingRestricted" not in kinds(bounce(mailbox, submission_id, place)) for place in range(20))


def test_bounces_of_more_than_a_week_ago_do_not_count(mailbox: DecidedMailbox) -> None:
    bounce(mailbox, send(mailbox, 1))
    mailbox.now_ms += 8 * DAY_MS
    assert "SendingRestricted" not in kinds(bounce(mailbox, send(mailbox, 100, name="eve"), 0))


def test_a_blocked_sender_is_not_let_off_with_half(mailbox: DecidedMailbox) -> None:
    mailbox.run(RestrictSending, why="a pattern", blocked=True)
    mailbox.rows.mailbox.sending_blocked = False
    submission_id = send(mailbox, 100)
    mailbox.rows.mailbox.sending_blocked = True
    for place in range(3):
        assert "SendingRestricted" not in kinds(bounce(mailbox, submission_id, place))


def test_more_than_one_in_a_thousand_complaints_flag_the_sender_once(mailbox: DecidedMailbox) -> None:
    first, second = send(mailbox, 500), send(mailbox, 500, name="eve")
    assert "SenderFlagged" not in kinds(complain(mailbox, first, 0))
    assert complain(mailbox, second, 0)[-1] == SenderFlagged(why="complaints: 2 of 1000 recipients in 7 days")
    assert "SenderFlagged" not in kinds(complain(mailbox, second, 1))


def test_an_unsubscription_is_told_once(mailbox: DecidedMailbox) -> None:
    said = mailbox.run(RecordUnsubscription, address="bob@example.com").events
    assert said == (RecipientUnsubscribed(address="bob@example.com"),)
    assert mailbox.run(RecordUnsubscription, address="bob@example.com").events == ()
    assert difference(tables_of(mailbox.rows), MailboxState.replay(mailbox.log).rows()) == []


def queue(mailbox: DecidedMailbox) -> str:
    """A submission of which nothing has left."""
    envelope = {"mail_from": "ann@example.org", "send_at_ms": mailbox.now_ms, "undo_until_ms": mailbox.now_ms}
    to = (SubmissionRecipient("bob@example.com"),)
    fields = envelope | NO_LIMIT | {"recipients": to, "stream": "personal", "message": composed()}
    return str(mailbox.run(SubmitNew, **fields).answer["submission_id"])


def refuse_as_spam(mailbox: DecidedMailbox, submission_id: str = "") -> tuple[Event, ...]:
    refused = submission_id or queue(mailbox)
    return mailbox.run(RejectSubmission, submission_id=refused, reason="it looks like spam", check="spam").events


def test_a_third_message_of_a_day_that_looks_like_spam_blocks_the_sender_once(mailbox: DecidedMailbox) -> None:
    why, waiting = "3 messages of a day looked like known spam", queue(mailbox)
    assert kinds(refuse_as_spam(mailbox)) == kinds(refuse_as_spam(mailbox)) == ["SubmissionRejected"]
    assert refuse_as_spam(mailbox)[-1] == SendingRestricted(why=why, blocked=True)
    assert kinds(refuse_as_spam(mailbox, waiting)) == ["SubmissionRejected"]
    assert difference(tables_of(mailbox.rows), MailboxState.replay(mailbox.log).rows()) == []


def test_messages_that_look_like_spam_on_different_days_block_nobody(mailbox: DecidedMailbox) -> None:
    for _day in range(4):
        assert kinds(refuse_as_spam(mailbox)) == ["SubmissionRejected"]
        mailbox.now_ms += DAY_MS


def test_what_an_operator_lifted_looks_like_spam_no_more(mailbox: DecidedMailbox) -> None:
    for _again in range(3):
        refuse_as_spam(mailbox)
    mailbox.run(AllowSending)
    assert kinds(refuse_as_spam(mailbox)) == kinds(refuse_as_spam(mailbox)) == ["SubmissionRejected"]


def test_what_an_operator_lifted_is_counted_from_then_on(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox, 100)
    for place in range(3):
        bounce(mailbox, submission_id, place)
    assert mailbox.run(AllowSending).events == (SendingAllowed(counted_from=rfc3339(NOW_MS)),)
    assert not mailbox.rows.mailbox.sending_halved
    assert "SendingRestricted" not in kinds(bounce(mailbox, submission_id, 3))


def send_many(mailbox: DecidedMailbox, count: int) -> list[str]:
    """The kinds of events of so many messages sent one after another."""
    seen: list[str] = []
    for _ in range(count):
        fields = {"mail_from": "ann@example.org", "send_at_ms": NOW_MS, "undo_until_ms": NOW_MS, "stream": "personal"}
        to = (SubmissionRecipient("bob@example.com"),)
        seen += kinds(mailbox.run(SubmitNew, **fields, **NO_LIMIT, recipients=to, message=composed(size=1)).events)
    return seen


def test_ten_times_the_usual_volume_must_sign_in_again(mailbox: DecidedMailbox) -> None:
    assert "SignInDemanded" not in send_many(mailbox, 99)
    assert send_many(mailbox, 1)[-1] == "SignInDemanded"
    with pytest.raises(refusals.SignInRequiredError):
        send_many(mailbox, 1)


def test_where_volume_is_not_watched_nobody_is_asked(mailbox: DecidedMailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NO_LIMIT, "volume_from", 0)
    assert "SignInDemanded" not in send_many(mailbox, 110)


def sign_in(mailbox: DecidedMailbox, protocol: str) -> None:
    mailbox.run(RecordSignIn, session_id="n1", address="192.0.2.1", client="web", protocol=protocol)


def test_who_signs_in_again_sends_on_and_is_not_asked_again_that_day(mailbox: DecidedMailbox) -> None:
    send_many(mailbox, 100)
    sign_in(mailbox, "http")
    assert "SignInDemanded" not in send_many(mailbox, 20)


def test_a_program_with_its_own_password_does_not_sign_in_for_the_owner(mailbox: DecidedMailbox) -> None:
    send_many(mailbox, 100)
    sign_in(mailbox, "smtp")
    with pytest.raises(refusals.SignInRequiredError):
        send_many(mailbox, 1)


def test_an_operator_lifts_the_demand(mailbox: DecidedMailbox) -> None:
    send_many(mailbox, 100)
    mailbox.run(AllowSending)
    assert "SubmissionQueued" in send_many(mailbox, 1)


def test_who_always_sends_much_is_not_asked(mailbox: DecidedMailbox) -> None:
    for _day in range(6):
        send_many(mailbox, 60)
        mailbox.now_ms += DAY_MS
    assert "SignInDemanded" not in send_many(mailbox, 110)


def test_the_fold_and_the_rows_agree_on_all_of_it(mailbox: DecidedMailbox) -> None:
    submission_id = send(mailbox, 100)
    for place in range(3):
        bounce(mailbox, submission_id, place)
    complain(mailbox, submission_id, 4)
    mailbox.run(LiftSuppression, address="bob1@example.com")
    send_many(mailbox, 99)
    sign_in(mailbox, "http")
    mailbox.run(AllowSending)
    seen = {recorded.topic for recorded in mailbox.log}
    assert seen >= {kind.TOPIC for kind in (AddressSuppressed, SuppressionLifted, SignInDemanded, SignedIn)}
    assert seen >= {kind.TOPIC for kind in (SubmissionQueued, SendingRestricted, SendingAllowed)}
    assert difference(tables_of(mailbox.rows), MailboxState.replay(mailbox.log).rows()) == []
