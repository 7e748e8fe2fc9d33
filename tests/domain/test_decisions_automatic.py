"""What a delivery makes and sends besides: labels, replies, copies; the fold in memory holds what the rows hold."""

import pytest

from domain.automatic_mail import MAX_PER_DAY, AutomaticMail, reply_key
from domain.commands import HoldBlobs, PutInOutbox
from domain.decisions import CreateLabel, Deliver, ReplaceRules, ReplaceScript, RestrictSending
from domain.events import LabelCreated, MessageDelivered, RulesReplaced, SubmissionQueued
from domain.mailbox_state import MailboxState
from tests.domain.decided_mailbox import DAY_MS, DecidedMailbox
from tests.domain.test_decisions_delivery import arriving

COPY = AutomaticMail(stream="forward", mail_from="a@b.test", to="c@d.test", blob="emails/copy.eml", size_bytes=9)
REPLY = AutomaticMail(
    stream="vacation",
    mail_from="",
    to="bob@example.com",
    blob="emails/reply.eml",
    size_bytes=7,
    reply_key=reply_key("Bob@example.com", "away"),
    within_ms=3 * DAY_MS,
)


@pytest.fixture
def mailbox() -> DecidedMailbox:
    return DecidedMailbox()


def test_what_is_sent_by_itself_is_a_submission_of_the_delivery_with_an_object_of_its_own(
    mailbox: DecidedMailbox,
) -> None:
    decided = mailbox.run(Deliver, **arriving(automatic=(COPY,)))
    delivered, queued = decided.events
    assert isinstance(delivered, MessageDelivered)
    assert isinstance(queued, SubmissionQueued)
    assert (queued.stream, queued.message_id, queued.recipient_count) == ("forward", delivered.id, 1)
    assert decided.effects[1:] == (
        PutInOutbox(queued.submission_id, mailbox.now_ms, "emails/copy.eml", 9),
        HoldBlobs(f"outbox:{queued.submission_id}", ("emails/copy.eml",)),
    )
    assert mailbox.reads == 1


def test_nobody_is_answered_twice_within_the_period(mailbox: DecidedMailbox) -> None:
    def answers() -> int:
        events = mailbox.run(Deliver, **arriving(automatic=(REPLY,))).events
        return sum(isinstance(event, SubmissionQueued) for event in events)

    assert [answers(), answers()] == [1, 0]
    mailbox.now_ms += 3 * DAY_MS - 1
    assert answers() == 0
    mailbox.now_ms += 1
    assert [answers(), answers()] == [1, 0]


def test_a_copy_that_the_day_does_not_allow_leaves_the_message_in_the_inbox(mailbox: DecidedMailbox) -> None:
    mailbox.rows.automatic = [mailbox.now_ms] * MAX_PER_DAY
    first = mailbox.run(Deliver, **arriving(automatic=(COPY,), labels=("TRASH",))).events[0]
    assert isinstance(first, MessageDelivered)
    assert first.labels == ("INBOX",)
    mailbox.now_ms += DAY_MS
    assert len(mailbox.run(Deliver, **arriving(automatic=(COPY,), labels=("TRASH",))).events) == 2


def test_a_mailbox_that_may_send_nothing_sends_nothing_by_itself(mailbox: DecidedMailbox) -> None:
    mailbox.run(RestrictSending, why="spam", blocked=True)
    assert len(mailbox.run(Deliver, **arriving(automatic=(COPY, REPLY))).events) == 1


def test_labels_are_made_before_the_message_goes_into_them(mailbox: DecidedMailbox) -> None:
    mailbox.run(CreateLabel, path="A")
    made, delivered = mailbox.run(Deliver, **arriving(labels=(), new_labels=("a/B", "A/b"))).events
    assert isinstance(made, LabelCreated)
    assert isinstance(delivered, MessageDelivered)
    assert (delivered.labels, delivered.uids) == ((made.label_id,), {made.label_id: 1})


def test_the_script_is_replaced_beside_the_rules(mailbox: DecidedMailbox) -> None:
    mailbox.run(ReplaceRules, rules=b'{"rules":[1]}')
    (event,) = mailbox.run(ReplaceScript, script="keep;").events
    assert isinstance(event, RulesReplaced)
    assert (bytes(event.rules), event.script) == (b'{"rules":[1]}', "keep;")
    assert not mailbox.run(ReplaceScript, script="keep;").events
    mailbox.run(ReplaceRules, rules=b'{"rules":[2]}')
    assert not mailbox.run(ReplaceScript, script="keep;").events
    assert mailbox.run(ReplaceScript, script="").events


def test_the_fold_in_memory_knows_the_script_and_who_was_answered(mailbox: DecidedMailbox) -> None:
    mailbox.run(ReplaceScript, script="keep;")
    mailbox.run(Deliver, **arriving(automatic=(REPLY, COPY)))
    state = MailboxState()
    for recorded in mailbox.log:
        state.apply(recorded)
    held = {key: bytes(document.body) for key, document in state.mailbox.documents.items()}
    rows = {key: bytes(row.body) for key, row in mailbox.rows.documents.items()}
    assert {key: held[key] for key in rows if key[0] in ("script", "replied")} == {
        key: body for key, body in rows.items() if key[0] in ("script", "replied")
    }
    assert {key[0] for key in held} >= {"script", "replied"}
