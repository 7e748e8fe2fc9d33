"""What holds whatever is done to a mailbox in whatever order: the laws of decisions, over random histories of commands.

That no decision changes the rows that it reads is checked by `DecidedMailbox` at every single run of every test.
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import decisions as d
from domain.commands import Refusal
from domain.events import BY_TOPIC, MAX_IDS_PER_EVENT, SubmissionRecipient
from domain.mailbox_state import MailboxState
from domain.mailbox_state.row_dump import difference
from domain.rows import Rows
from tests.domain.decided_mailbox import NOW_MS, PERSONAL, DecidedMailbox, composed, server

SYSTEM = ("INBOX", "ARCHIVE", "SENT", "DRAFTS", "TRASH", "SPAM")
UNDRAWN = {
    *("MessageReparsed", "IdentityChanged", "ContactChanged", "RulesReplaced", "VacationSet", "SettingsChanged"),
    *("SignedIn", "PasswordChanged", "AppPasswordAdded", "AppPasswordRemoved"),
    *("SendingRestricted", "SendingAllowed", "SenderFlagged", "SignInDemanded", "MailboxErased"),
    *("SecondFactorAdded", "SecondFactorRemoved", "RecoveryCodeUsed"),
    *("AddressSuppressed", "SuppressionLifted", "RecipientUnsubscribed"),
}
"""What `COMMANDS` has no command for: these are tested one by one."""
WORDS = ("$seen", "$flagged", "$draft", "$junk", "work")
Fields = dict[str, Any]


class Chance:
    """Draws commands that have a fair chance to mean something in this mailbox."""

    def __init__(self, mailbox: DecidedMailbox, seed: int) -> None:
        self.mailbox = mailbox
        self.random = random.Random(seed)

    def some(self, of: Any, most: int = 3) -> tuple[str, ...]:
        known = sorted(of)
        return tuple(self.random.sample(known, min(len(known), self.random.randint(0, most))))

    def one(self, of: Any) -> str:
        return self.random.choice([*sorted(of), "unknown"])

    def live(self) -> list[str]:
        return [i for i, row in self.mailbox.rows.messages.items() if row.destroyed_seq is None]

    def ids(self) -> Fields:
        return {"ids": self.some(self.live(), 5)}

    def in_label(self) -> Fields:
        return {"label_id": self.one(self.mailbox.rows.labels), "ids": tuple(self.live())}

    def modify(self) -> Fields:
        labels = [*SYSTEM, *self.mailbox.rows.labels]
        return self.ids() | {
            "add_labels": self.some(labels, 2),
            "remove_labels": self.some(labels, 2),
            "add_keywords": self.some(WORDS, 1),
            "remove_keywords": self.some(WORDS, 1),
        }

    def message(self) -> Fields:
        mentions = self.some(str(n) for n in range(12))
        made = server(own=str(self.random.randint(0, 30)), mentions=mentions, subject_ref=self.one(("lunch", "")))
        when = NOW_MS + self.random.randint(-10, 10)
        return {"personal": PERSONAL, "server": made, "size": self.random.randint(0, 200), "received_at": when}

    def delivery(self) -> Fields:
        return self.message() | {
            "labels": self.some(self.mailbox.rows.labels),
            "keywords": self.some(WORDS, 2),
            "source": self.random.choice(("inbound", "import")),
            "is_reply_by_subject": self.random.random() < 0.3,
        }

    def draft(self) -> Fields:
        return self.message() | {"draft_id": self.random.choice((None, self.one(self.mailbox.rows.drafts)))}

    def envelope(self) -> Fields:
        bob = SubmissionRecipient("bob@example.com")
        times = {"send_at_ms": NOW_MS, "undo_until_ms": NOW_MS}
        return {"mail_from": "ann@example.org", "recipients": (bob, bob), "stream": "personal"} | times

    def submission(self) -> Fields:
        return {"submission_id": self.one(self.mailbox.rows.submissions)}

    def path(self) -> str:
        return "/".join(self.random.choice("abAB") for _ in range(self.random.randint(1, 3)))

    def label(self) -> Fields:
        return {"label_id": self.one(self.mailbox.rows.labels)}

    def draw(self) -> tuple[type[Any], Fields]:
        kind, fields = self.random.choice(COMMANDS)
        return kind, fields(self)


COMMANDS: list[tuple[type[Any], Callable[[Chance], Fields]]] = [
    *[(d.Deliver, Chance.delivery)] * 4,
    *[(d.Modify, Chance.modify)] * 4,
    (d.DeleteMessages, Chance.ids),
    (d.ExpireMessages, lambda c: c.in_label() | {"before_ms": c.mailbox.now_ms}),
    (d.MarkDeletion, lambda c: c.in_label() | c.ids()),
    (d.UnmarkDeletion, lambda c: c.in_label() | c.ids()),
    (d.Expunge, Chance.in_label),
    (d.Snooze, lambda c: c.ids() | {"until_ms": c.mailbox.now_ms + 2}),
    (d.EndSnooze, lambda c: c.ids() | {"at_ms": c.mailbox.now_ms}),
    (d.ReportSpam, Chance.ids),
    (d.ReportNotSpam, Chance.ids),
    *[(d.CreateLabel, lambda c: {"path": c.path()})] * 2,
    (d.ChangeLabel, lambda c: c.label() | {"path": c.path()}),
    (d.EmptyLabelPart, Chance.in_label),
    (d.DeleteLabel, Chance.label),
    *[(d.SaveDraft, Chance.draft)] * 3,
    (d.DiscardDraft, lambda c: {"draft_id": c.one(c.mailbox.rows.drafts)}),
    *[(d.Submit, lambda c: c.envelope() | {"draft_id": c.one(c.mailbox.rows.drafts)})] * 2,
    (d.Submit, lambda c: c.envelope() | {"draft_id": c.one(c.mailbox.rows.drafts), "final": composed("final")}),
    (d.SubmitNew, lambda c: c.envelope() | {"message": composed(c.one(("1", "2")), mentions=c.some("3456"))}),
    (d.UndoSubmission, Chance.submission),
    (d.ReleaseSubmission, Chance.submission),
    (d.RejectSubmission, lambda c: c.submission() | {"reason": "spam"}),
    (d.ReportRecipient, lambda c: c.submission() | {"recipient": 0, "status": c.one(("relayed", "deferred"))}),
    (d.SetQuota, lambda c: {"limit_bytes": c.random.randint(0, 5000)}),
    (d.RestoreMailbox, lambda _c: {}),
]


def random_history(seed: int, length: int = 60) -> DecidedMailbox:
    mailbox = DecidedMailbox(quota_bytes=100_000)
    chance = Chance(mailbox, seed)
    for _ in range(length):
        run_if_allowed(mailbox, *chance.draw())
        mailbox.now_ms += 1
    return mailbox


def run_if_allowed(mailbox: DecidedMailbox, kind: type[Any], fields: Fields) -> int:
    """How many events it came to; a refusal comes to none."""
    try:
        return len(mailbox.run(kind, **fields).events)
    except Refusal:
        return 0


seeds = given(st.integers(0, 10**9))
bounded = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@bounded
@seeds
def test_the_views_in_step_equal_the_fold_of_the_log(seed: int) -> None:
    mailbox = random_history(seed)
    assert difference(tables_of(mailbox.rows), MailboxState.replay(mailbox.log).rows()) == []


@bounded
@seeds
def test_every_message_has_a_label_and_every_live_draft_its_message_in_drafts(seed: int) -> None:
    mailbox = random_history(seed)
    live = {i: row for i, row in mailbox.rows.messages.items() if row.destroyed_seq is None}
    assert all(row.labels for row in live.values())
    for draft in mailbox.rows.drafts.values():
        if draft.destroyed_seq is None:
            row = live[draft.message_id]
            assert "DRAFTS" in row.labels
            assert "$draft" in row.keywords


@bounded
@seeds
def test_the_uids_of_a_label_run_without_gap_and_none_is_given_twice(seed: int) -> None:
    rows = random_history(seed).rows
    for label in rows.labels.values():
        given_out = [uid for label_id, uid in rows.memberships if label_id == label.label_id]
        assert sorted(given_out) == list(range(1, label.next_uid))


@bounded
@seeds
def test_no_uid_validity_is_ever_given_twice(seed: int) -> None:
    mailbox = random_history(seed)
    values = []
    for recorded in mailbox.log:
        validity = getattr(recorded.event, "uid_validity", ())
        values += validity.values() if isinstance(validity, dict) else [validity] if validity else []
    assert len(values) == len(set(values))


@bounded
@seeds
def test_an_event_names_messages_once_and_at_most_a_thousand(seed: int) -> None:
    for recorded in random_history(seed).log:
        named = getattr(recorded.event, "message_ids", ("one",))
        assert 0 < len(named) <= MAX_IDS_PER_EVENT
        assert len(named) == len(set(named))


@bounded
@seeds
def test_what_was_just_done_changes_nothing_when_it_is_done_again(seed: int) -> None:
    mailbox = random_history(seed, 30)
    chance = Chance(mailbox, seed)
    steady = (d.Modify, d.MarkDeletion, d.UnmarkDeletion, d.Expunge, d.Snooze, d.EndSnooze, d.ReportSpam)
    for _ in range(30):
        kind, fields = chance.draw()
        run_if_allowed(mailbox, kind, fields)
        if kind in (*steady, d.ReportNotSpam, d.ChangeLabel, d.EmptyLabelPart, d.SetQuota, d.ExpireMessages):
            assert run_if_allowed(mailbox, kind, fields) == 0, kind


def test_random_histories_reach_every_kind_of_change() -> None:
    seen = {recorded.topic for seed in range(40) for recorded in random_history(seed).log}
    assert seen >= BY_TOPIC.keys() - UNDRAWN, BY_TOPIC.keys() - UNDRAWN - seen


def tables_of(rows: Rows) -> dict[str, Any]:
    """The rows in step, table by table; JSON as bytes."""
    tables = vars(rows) | {"mailbox": {"": rows.mailbox}}
    for table, field in (("messages", "summary"), ("documents", "body")):
        tables[table] = {key: _with_bytes(row, field) for key, row in tables[table].items()}
    return tables


def _with_bytes(row: Any, field: str) -> Any:
    json = getattr(row, field)
    return row if json is None else msgspec.structs.replace(row, **{field: bytes(json)})


@pytest.mark.parametrize("kind", [kind for kind, _ in COMMANDS])
def test_the_digest_of_every_command_can_be_taken(kind: type[Any]) -> None:
    chance = Chance(random_history(1), 1)
    fields = next(fields for drawn, fields in COMMANDS if drawn is kind)(chance)
    assert len(msgspec.json.encode(kind(mailbox_id="m1", command_id="c", **fields))) > 2
