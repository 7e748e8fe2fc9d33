"""Random histories of commands of every kind, run through a real lane: some alone, some gathered into one commit.

What is drawn has a fair chance to mean something in the mailbox as it stands, and a small one to be refused. Ids are
the lane's own, so a seed repeats the kinds and their number, not every byte.
"""

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import psycopg
from psycopg.errors import ForeignKeyViolation

from domain import decisions as d
from domain.automatic_mail import AutomaticMail
from domain.commands import Outcome, Refusal
from domain.events import (
    SYSTEM_LABELS,
    AttachmentSummary,
    Mailaddress,
    MessagePersonal,
    MessageServer,
    SubmissionRecipient,
)
from domain.mailbox_state import MailboxState
from domain.threading import ref, subject_ref
from infra.blob_references import touch
from tests.system.given_mailbox import GivenMailboxes

START_MS = 1_795_000_000_000
QUOTA_BYTES = 60_000
WORDS = ("alpha", "beta", "Gamma", "café", "漢字かな", "engine", "12", "Straße")
KEYWORDS = ("$seen", "$flagged", "$answered", "work", "$junk")
BLOBS = tuple(f"emails/{n}.eml" for n in range(40)) + tuple(f"attachments/{n}" for n in range(8))
SENT_TO = ("bob@example.net", "eve@example.com")
UNTOUCHED = "emails/nobody-put-this.eml"
Fields = dict[str, Any]
Drawn = tuple[type[Any], Fields]


class Clock:
    """The time that decisions see; while it is held, the lane waits and what is submitted gathers behind it."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self._free = threading.Event()
        self._free.set()

    def __call__(self) -> int:
        assert self._free.wait(30)
        return self.now_ms

    def hold(self) -> None:
        self._free.clear()

    def release(self) -> None:
        self._free.set()


class RandomCommands:
    """Draws and runs commands on one mailbox; `state` is the fold of what they came to."""

    def __init__(self, given: GivenMailboxes, clock: Clock, seed: int) -> None:
        self.given, self.clock, self.random = given, clock, random.Random(seed)
        self.mailbox_id = given.open(f"ada{seed}@example.test", quota_bytes=QUOTA_BYTES)
        self.state = MailboxState()
        self.numbers = self.refused = self.broken = self.repeated = 0
        self.kinds: set[type[Any]] = set()
        self.done: list[tuple[Any, Outcome]] = []
        with psycopg.connect(given.url) as connection:
            touch(connection, dict.fromkeys(BLOBS, 100))
        self.follow()

    @property
    def commands(self) -> int:
        return self.numbers

    def follow(self) -> None:
        """Fold what was appended since."""
        for recorded in self.given.reader.recorded(self.mailbox_id, since=self.state.head):
            self.state.apply(recorded)

    def run(self, commands: int) -> None:
        """At least so many more commands, in gathered commits of 1 to 16."""
        until = self.numbers + commands
        while self.numbers < until:
            self.run_gathered([self.draw() for _ in range(self.random.choice((1, 1, 2, 5, 16)))])

    def run_gathered(self, drawn: list[Drawn]) -> None:
        """These commands, waiting together behind one that is under way."""
        self.clock.now_ms += self.random.choice((0, 1, 1000, 3_600_000, 86_400_000))
        commands = [self.command(kind, fields) for kind, fields in drawn]
        if self.done and self.random.random() < 0.2:
            commands.append(self.random.choice(self.done)[0])
        self.clock.hold()
        try:
            first = self.command(d.OpenMailbox, {"address": "", "display_name": "", "quota_bytes": 1})
            futures = [self.given.lane.submit(command) for command in (first, *commands)]
        finally:
            self.clock.release()
        for command, future in zip(commands, futures[1:], strict=True):
            self.settle(command, future)
        self.follow()

    def command(self, kind: type[Any], fields: Fields) -> Any:
        self.numbers += 1
        self.kinds.add(kind)
        return kind(mailbox_id=self.mailbox_id, command_id=f"c{self.numbers}", **fields)

    def settle(self, command: Any, future: "Future[Outcome]") -> None:
        try:
            outcome = future.result(60)
        except Refusal:
            self.refused += 1
            return
        except ForeignKeyViolation:
            assert UNTOUCHED in repr(command)
            self.broken += 1
            return
        first = next((kept for known, kept in self.done if known is command), None)
        if first is None:
            self.done.append((command, outcome))
        else:
            self.repeated += 1
            assert outcome.repeated
            assert (outcome.seq, outcome.first_seq, outcome.answer) == (first.seq, first.first_seq, first.answer)

    # -- drawing

    def draw(self) -> Drawn:
        kind, fields = self.random.choice(COMMANDS)
        return kind, fields(self)

    def one(self, of: Any, otherwise: str = "unknown") -> str:
        return self.random.choice([*of, otherwise]) if self.random.random() < 0.9 else otherwise

    def some(self, of: Any, most: int = 3) -> tuple[str, ...]:
        known = list(of)
        return tuple(self.random.sample(known, min(len(known), self.random.randint(0, most))))

    def live(self) -> list[str]:
        return [message.id for message in self.state.mailbox.live_messages()]

    def ids(self) -> Fields:
        ids = self.some(self.live(), 6)
        return {"ids": (*ids, "unknown") if self.random.random() < 0.03 else ids}

    def labels(self) -> list[str]:
        return [label.id for label in self.state.mailbox.live_labels()]

    def label(self) -> Fields:
        return {"label_id": self.one(self.labels())}

    def own_label(self) -> Fields:
        return {"label_id": self.one([i for i in self.labels() if i not in SYSTEM_LABELS])}

    def in_label(self) -> Fields:
        chosen = self.one(self.labels())
        inside = [m.id for m in self.state.mailbox.live_messages() if chosen in m.places]
        return {"label_id": chosen, "ids": (*self.some(inside, 8), *self.some(self.live(), 1))}

    def path(self) -> str:
        return "/".join(self.random.choice("abAB") for _ in range(self.random.randint(1, 3)))

    def personal(self) -> MessagePersonal:
        name = self.random.choice(("Bob", "Eve", "Zoë"))
        address = Mailaddress(name, f"{name.encode('ascii', 'ignore').decode().lower()}@example.net")
        attached = (AttachmentSummary("report.pdf", "application/pdf", 9),) if self.random.random() < 0.2 else ()
        return MessagePersonal(
            from_=(address,),
            to=(Mailaddress("", "ada@example.test"),),
            subject=" ".join(self.some(WORDS, 4)),
            snippet=self.random.choice(('said "so" \\u0000 \\', "plain", "")),
            date=None if self.random.random() < 0.1 else "2026-11-22T00:31:07+01:00",
            attachments=attached,
        )

    def message(self) -> Fields:
        mentioned = [ref(f"{self.random.randrange(60)}@example.net") for _ in range(self.random.choice((0, 0, 1, 3)))]
        own = ref(f"{self.random.randrange(400)}@example.net")
        blob = UNTOUCHED if self.random.random() < 0.02 else self.random.choice(BLOBS[:40])
        about = subject_ref(self.random.choice(("lunch", "engine", "")), ("bob@example.net",))
        return {
            "personal": self.personal(),
            "server": MessageServer(blob=blob, refs=tuple(dict.fromkeys((own, *mentioned))), subject_ref=about),
            "size": self.random.randint(0, 3000),
            "received_at": self.clock.now_ms - self.random.choice((0, 1, 5000, 40 * 86_400_000)),
            "has_attachment": self.random.random() < 0.2,
            "blobs": self.some(BLOBS[40:], 2),
            "own_ref": own,
            "is_reply_by_subject": self.random.random() < 0.3,
        }

    def composed(self) -> d.Composed:
        return d.Composed(**self.message())

    def delivery(self) -> Fields:
        threads = sorted({m.thread_id for m in self.state.mailbox.live_messages()})
        return self.message() | {
            "labels": self.some(self.labels(), 3),
            "keywords": self.some((*KEYWORDS, "$draft"), 2),
            "source": self.random.choice(("inbound", "inbound", "import", "append")),
            "limit_quota": self.random.random() < 0.3,
            "thread_hint": self.random.choice(threads) if threads and self.random.random() < 0.1 else None,
        }

    def modify(self) -> Fields:
        return self.ids() | {
            "add_labels": self.some(self.labels(), 2),
            "remove_labels": self.some(self.labels(), 2),
            "add_keywords": self.some(KEYWORDS, 1),
            "remove_keywords": self.some(KEYWORDS, 1),
        }

    def draft_id(self) -> str:
        return self.one([one.id for one in self.state.mailbox.drafts.values() if one.destroyed_seq is None])

    def draft(self) -> Fields:
        standing = self.draft_id()
        revision = {"if_revision": self.random.choice((1, 2, None))} if standing != "unknown" else {}
        return self.message() | revision | {"draft_id": None if self.random.random() < 0.6 else standing}

    def envelope(self) -> Fields:
        bob = SubmissionRecipient("bob@example.net")
        return {
            "mail_from": "ada@example.test",
            "recipients": (bob, SubmissionRecipient("eve@example.com"))[: self.random.choice((0, 1, 2, 2))],
            "send_at_ms": self.clock.now_ms,
            "undo_until_ms": self.clock.now_ms + 10_000,
            "stream": "personal",
            "volume_from": self.random.choice((0, 0, 1)),
            "identity_id": self.one(self.documents("identity"), "") or None,
        }

    def documents(self, kind: str) -> list[str]:
        held = self.state.mailbox.documents.items()
        return [one for (of, one), document in held if of == kind and document.destroyed_seq is None]

    def submission(self) -> Fields:
        return {"submission_id": self.one(self.state.mailbox.submissions)}

    def report(self) -> Fields:
        statuses = ("delivered", "relayed", "deferred", "bounced", "rejected", "nonsense")
        return self.submission() | {
            "recipient": self.random.choice((0, 0, 1, 5)),
            "status": self.random.choice(statuses),
            "last_reply": self.random.choice(("250 ok", "451 later", "")),
            "attempts": self.random.randint(0, 3),
            "next_attempt_at": self.random.choice((None, self.clock.now_ms + 60_000)),
        }

    def bounce(self) -> Fields:
        feedback = self.random.choice(("hard", "hard", "soft"))
        return self.submission() | {"recipient": self.random.choice((0, 0, 1, 5)), "feedback": feedback}

    def identity(self) -> Fields:
        known = self.one(self.documents("identity"), "") or None
        return {"identity_id": known, "name": self.random.choice(WORDS), "address": self.one(("ada@example.test",), "")}

    def contact(self) -> Fields:
        known = self.one(self.documents("contact"), "") or None
        return {"contact_id": known, "name": self.random.choice(WORDS), "addresses": ("bob@example.net",)}

    def removed(self, kind: str) -> Fields:
        return {f"{kind}_id": self.one(self.documents(kind)), "removed": True}

    def reparse(self) -> Fields:
        return {"message_id": self.one(self.live()), "parser": 2, "personal": self.personal(), "has_attachment": True}

    def filtered_delivery(self) -> Fields:
        """What an owner's rules make of a delivery: labels that may be missing, and mail that is sent because of it."""
        sent = tuple(
            AutomaticMail(
                stream=self.random.choice(("vacation", "forward", "rejection")),
                mail_from=self.random.choice(("", "ada@example.test")),
                to="bob@example.net",
                blob=self.random.choice(BLOBS),
                size_bytes=9,
                reply_key=self.random.choice(("", "k1", "k2")),
                within_ms=self.random.choice((0, 86_400_000)),
            )
            for _ in range(self.random.randint(0, 2))
        )
        paths = (self.path(),) if self.random.random() < 0.3 else ()
        return self.delivery() | {"source": "inbound", "new_labels": paths, "automatic": sent}

    def settings(self) -> Fields:
        zone = self.random.choice(("UTC", "Europe/Vienna", "not a zone"))
        return {"display_name": self.random.choice(WORDS), "signature": "--", "time_zone": zone}


Draw = Callable[[RandomCommands], Fields]
_JSON = (b'{"enabled":true}', b'[{"if":{"from":"x\\u0000"}}]', b"nonsense", b"[1.50]")
COMMANDS: list[tuple[type[Any], Draw]] = [
    *[(d.Deliver, RandomCommands.delivery)] * 14,
    *[(d.Deliver, RandomCommands.filtered_delivery)] * 2,
    *[(d.Modify, RandomCommands.modify)] * 10,
    *[(d.DeleteMessages, RandomCommands.ids)] * 2,
    (d.ExpireMessages, lambda c: c.in_label() | {"before_ms": c.clock.now_ms - 1}),
    (d.ExpireMessages, lambda c: {"label_id": "TRASH", "ids": tuple(c.live()), "before_ms": c.clock.now_ms - 1}),
    *[(d.MarkDeletion, RandomCommands.in_label)] * 4,
    *[(d.UnmarkDeletion, RandomCommands.in_label)] * 3,
    *[(d.Expunge, RandomCommands.in_label)] * 2,
    *[(d.Snooze, lambda c: c.ids() | {"until_ms": c.clock.now_ms + c.random.choice((-1, 1, 86_400_000))})] * 3,
    *[(d.Snooze, lambda c: {"ids": c.some(c.live(), 1), "until_ms": c.clock.now_ms + 2 * 86_400_000})] * 4,
    *[(d.EndSnooze, lambda c: {"ids": tuple(c.live()), "at_ms": c.clock.now_ms})] * 2,
    (d.ReportSpam, RandomCommands.ids),
    (d.ReportNotSpam, RandomCommands.ids),
    (d.Reparse, RandomCommands.reparse),
    *[(d.CreateLabel, lambda c: {"path": c.path()})] * 3,
    (d.ChangeLabel, lambda c: c.own_label() | {"path": c.path()}),
    (d.ChangeLabel, lambda c: c.label() | {"sort_order": c.random.randint(0, 3), "subscribed": False}),
    (d.EmptyLabelPart, RandomCommands.in_label),
    *[(d.DeleteLabel, RandomCommands.own_label)] * 6,
    *[(d.SaveDraft, RandomCommands.draft)] * 6,
    (d.DiscardDraft, lambda c: {"draft_id": c.draft_id()}),
    *[(d.Submit, lambda c: c.envelope() | {"draft_id": c.draft_id()})] * 2,
    *[(d.Submit, lambda c: c.envelope() | {"draft_id": c.draft_id(), "final": c.composed()})] * 2,
    *[(d.SubmitNew, lambda c: c.envelope() | {"message": c.composed()})] * 3,
    *[(d.UndoSubmission, RandomCommands.submission)] * 3,
    (d.ReleaseSubmission, RandomCommands.submission),
    (d.RejectSubmission, lambda c: c.submission() | {"reason": "a virus"}),
    (d.RejectSubmission, lambda c: c.submission() | {"reason": "it looks like spam", "check": "spam"}),
    *[(d.ReportRecipient, RandomCommands.report)] * 5,
    *[(d.ReportBounce, RandomCommands.bounce)] * 3,
    *[
        (
            d.ReportComplaint,
            lambda c: c.submission() | {"recipient": 0, "feedback_type": c.random.choice(("abuse", "fraud"))},
        )
    ]
    * 2,
    (d.RecordUnsubscription, lambda c: {"address": c.random.choice(SENT_TO)}),
    (d.LiftSuppression, lambda c: {"address": c.random.choice(SENT_TO)}),
    *[(d.SetQuota, lambda c: {"limit_bytes": c.random.choice((-1, 0, 20_000, 60_000, 60_000, 90_000))})] * 2,
    *[(d.ChangeIdentity, RandomCommands.identity)] * 2,
    (d.ChangeIdentity, lambda c: c.removed("identity")),
    *[(d.ChangeContact, RandomCommands.contact)] * 2,
    (d.ChangeContact, lambda c: c.removed("contact")),
    (d.ReplaceRules, lambda c: {"rules": c.random.choice(_JSON)}),
    (d.ReplaceScript, lambda c: {"script": c.random.choice(("", "keep;", "discard; # \u0000"))}),
    (d.SetVacation, lambda c: {"vacation": c.random.choice(_JSON)}),
    (d.ChangeSettings, RandomCommands.settings),
    (d.RecordSignIn, lambda _c: {"session_id": "z", "address": "192.0.2.1", "client": "web", "protocol": "http"}),
    (
        d.RecordSignIn,
        lambda _c: {"session_id": "z", "address": "::1", "client": "", "protocol": "http", "recovery_codes_left": 9},
    ),
    (d.RecordSecondFactor, lambda _c: {"session_id": "z"}),
    (d.RecordSecondFactorGone, lambda c: {"by": c.random.choice(("owner", "operator")), "session_id": "z"}),
    (d.RecordPasswordChange, lambda _c: {"by": "owner"}),
    (d.AddAppPassword, lambda _c: {"app_password_id": "p", "name": "phone"}),
    (d.RemoveAppPassword, lambda _c: {"app_password_id": "p"}),
    (d.RestrictSending, lambda c: {"why": "bounces", "blocked": c.random.random() < 0.2}),
    *[(d.AllowSending, lambda _c: {})] * 2,
    (d.RestoreMailbox, lambda _c: {}),
    (d.OpenMailbox, lambda _c: {"address": "x@example.test", "display_name": "", "quota_bytes": 1}),
]
"""`EraseMailbox` ends a history, so it is drawn by nobody."""
