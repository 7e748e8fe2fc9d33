"""What is checked before mail leaves."""

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from psycopg import OperationalError

from domain.decisions import SubmitNew
from domain.decisions.delivery import Composed
from domain.events import MessageServer, SubmissionRecipient, SubmissionRejected
from domain.ids import MailboxId
from domain.refusals import SendingBlockedError
from gateways.delivery.incoming import personal_of
from gateways.delivery.policy_check import PolicyCheck
from gateways.delivery.sender import Sender
from gateways.delivery.validation import DEADLINE_S, MOST_OF_ONE, Check, CheckAwayError, SentMail, SideBySide
from gateways.mime.parse import parse
from gateways.spam.learning import Installation
from gateways.spam.outgoing_check import Scan
from gateways.spam.outgoing_check import SpamCheck as OutgoingCheck
from gateways.spam.scoring import Score
from gateways.spam.token_ids import TokenIds
from gateways.virus.attachment_check import AttachmentCheck
from infra import blob_references
from infra.postgres_findings import PostgresFindings
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.clamd_server import EICAR, THREAT, ClamdServer, clamd_server
from tests.contracts.queue import Clock
from tests.infra.virus.given_door import virus_parts
from tests.post_office import MAIL, PostOffice, post_office

NOBODY = "127.0.0.1:1"
PATIENCE_S = 4 * 3600
PLAIN = MAIL % b"plain"
WITH_FILE = (
    b"From: carl@example.test\r\nTo: ann@example.test\r\nMessage-ID: <f@example.test>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nSee the file.\r\n--b\r\n'
    b'Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="%b"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n%b\r\n--b--\r\n"
)
CLEAN = WITH_FILE % (b"plan.pdf", base64.b64encode(b"%PDF"))
INFECTED = WITH_FILE % (b"plan.pdf", base64.b64encode(EICAR))


TEST = PLAIN + b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"


class SpamCheck:
    """The column `spam`: says what it is told to, or is away."""

    name = "spam"
    patience_ms: int | None = None

    def __init__(self, answer: str | None) -> None:
        self.answer = answer
        self.asked = 0

    def applies(self, mail: SentMail) -> bool:
        return True

    def judge(self, mail: SentMail) -> str:
        self.asked += 1
        if self.answer is None:
            raise CheckAwayError("away")
        return self.answer


class EndlessCheck(SpamCheck):
    """One that takes as long as the test wants."""

    patience_ms: int | None = 60_000

    def __init__(self) -> None:
        super().__init__("")
        self.ends = threading.Event()

    def judge(self, mail: SentMail) -> str:
        self.ends.wait()
        return super().judge(mail)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(database_url: str, data_folder: Path, clock: Clock) -> Iterator[PostOffice]:
    with post_office(database_url, data_folder, clock_ms=clock) as made:
        made.open_mailbox("m1", "ann@example.test")
        made.open_mailbox("m2", "carl@example.test")
        yield made


@pytest.fixture
def clamd() -> Iterator[ClamdServer]:
    with clamd_server() as server:
        yield server


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


class Post:
    """Carl's mail, sent under these checks."""

    def __init__(self, office: PostOffice, executor: ThreadPoolExecutor) -> None:
        self._office = office
        self._executor = executor
        self._number = 0

    def send(self, raw: bytes, *recipients: str) -> None:
        self._number += 1
        office, blob = self._office, f"emails/2026/11/22/draft{self._number}.eml"
        office.blobs.put(blob, raw)
        with office.pool.connection() as connection:
            blob_references.touch(connection, {blob: len(raw)})
        message = Composed(
            personal=personal_of(parse(raw)),
            server=MessageServer(blob=blob),
            size=len(raw),
            received_at=office.now_ms(),
        )
        command = SubmitNew(
            mailbox_id=MailboxId("m2"),
            command_id=f"submit{self._number}",
            mail_from="carl@example.test",
            recipients=tuple(SubmissionRecipient(address) for address in recipients or ("ann@example.test",)),
            send_at_ms=office.now_ms(),
            undo_until_ms=office.now_ms(),
            stream="personal",
            message=message,
        )
        office.lane.run(command)

    def sender(self, *checks: Check, deadline_s: float = DEADLINE_S) -> Sender:
        findings = PostgresFindings(self._office.pool.connection, clock_ms=self._office.now_ms)
        validation = SideBySide(
            checks,
            findings=findings,
            blobs=self._office.blobs,
            executor=self._executor,
            clock_ms=self._office.now_ms,
            deadline_s=deadline_s,
        )
        return self._office.sender(validation=validation)

    def arrived(self) -> int:
        """How many messages Ann has got."""
        self._office.worker().run_due()
        return len(self._office.inbox("m1"))


@pytest.fixture
def post(office: PostOffice, executor: ThreadPoolExecutor) -> Post:
    return Post(office, executor)


def attachment_check(office: PostOffice, address: str) -> AttachmentCheck:
    return AttachmentCheck(virus_parts(office, address).scanner, patience_ms=PATIENCE_S * 1000)


def rejections(office: PostOffice) -> list[str]:
    reader = StreamReader(MailboxRecorder(datastore(office.url)), office.keys)
    events = [one.event for one in reader.recorded(MailboxId("m2"))]
    return [event.reason for event in events if isinstance(event, SubmissionRejected)]


def statuses(office: PostOffice) -> list[dict[str, Any]]:
    ((recipients,),) = office.rows("SELECT recipients::text FROM submissions")
    return list(msgspec.json.decode(recipients))


def test_mail_that_needs_no_checks_makes_no_row_and_asks_nobody(
    office: PostOffice, post: Post, clamd: ClamdServer
) -> None:
    post.send(PLAIN)
    policy = PolicyCheck(recipients=100, message_bytes=10**6)
    with office.pool.connection() as connection:
        connection.execute("DROP TABLE validations")
    assert post.sender(policy, attachment_check(office, clamd.address)).run_due() == 1
    assert post.arrived() == 1
    assert clamd.scanned == 0


def test_a_clean_attachment_leaves_and_nothing_of_its_check_stays(
    office: PostOffice, post: Post, clamd: ClamdServer
) -> None:
    post.send(CLEAN)
    post.sender(attachment_check(office, clamd.address)).run_due()
    assert post.arrived() == 1
    assert clamd.scanned == 1
    assert office.rows("SELECT count(*) FROM validations") == [(0,)]


def test_an_infected_attachment_reaches_nobody_and_its_sender_sees_why(
    office: PostOffice, post: Post, clamd: ClamdServer
) -> None:
    post.send(INFECTED, "ann@example.test", "far@elsewhere.test")
    sender = post.sender(attachment_check(office, clamd.address))
    assert sender.run_due() == 1
    assert sender.run_due() == 0
    assert post.arrived() == 0
    assert rejections(office) == [f"a virus was found in the attachment plan.pdf ({THREAT})"]
    assert [one["status"] for one in statuses(office)] == ["rejected", "rejected"]
    assert office.rows("SELECT count(*) FROM sending") == office.rows("SELECT count(*) FROM validations") == [(0,)]
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder NOT LIKE 'mailbox:%%'") == [(0,)]


def test_while_a_check_does_not_answer_mail_waits_and_is_not_sent_away(
    office: PostOffice, post: Post, clamd: ClamdServer, clock: Clock
) -> None:
    post.send(CLEAN)
    post.sender(attachment_check(office, NOBODY)).run_due()
    assert post.arrived() == 0
    assert office.rows("SELECT error FROM sending") == [("waits for its checks: attachments",)]
    assert post.sender(attachment_check(office, clamd.address)).run_due() == 0
    clock.advance(10)
    assert post.sender(attachment_check(office, clamd.address)).run_due() == 1
    assert post.arrived() == 1


def test_a_scanner_that_stays_away_blocks_mail_for_four_hours_and_no_longer(
    office: PostOffice, post: Post, clock: Clock
) -> None:
    post.send(CLEAN)
    sender = post.sender(attachment_check(office, NOBODY))
    sender.run_due()
    clock.advance(PATIENCE_S - 1)
    sender.run_due()
    assert post.arrived() == 0
    clock.advance(600)
    sender.run_due()
    assert post.arrived() == 1


def test_what_one_check_has_said_stands_while_mail_waits_for_another(
    office: PostOffice, post: Post, clamd: ClamdServer, clock: Clock
) -> None:
    post.send(CLEAN)
    spam = SpamCheck(None)
    sender = post.sender(spam, attachment_check(office, clamd.address))
    sender.run_due()
    assert office.rows("SELECT policy, spam, attachments FROM validations") == [(None, None, "")]
    spam.answer = ""
    clock.advance(30)
    sender.run_due()
    assert post.arrived() == 1
    assert (clamd.scanned, spam.asked) == (1, 2)


def test_a_check_that_takes_long_goes_on_without_the_sender_and_what_it_says_counts(
    office: PostOffice, post: Post, clamd: ClamdServer, clock: Clock
) -> None:
    post.send(INFECTED)
    clamd.answers.clear()
    sender = post.sender(attachment_check(office, clamd.address))
    sender.run_due()
    post.send(PLAIN)
    sender.run_due()
    assert post.arrived() == 1
    clock.advance(10)
    clamd.answers.set()
    sender.run_due()
    assert len(rejections(office)) == 1
    assert clamd.scanned == 1


def test_a_refusal_counts_though_another_check_is_away(office: PostOffice, post: Post) -> None:
    post.send(CLEAN)
    post.sender(SpamCheck("it looks like spam"), attachment_check(office, NOBODY)).run_due()
    assert rejections(office) == ["it looks like spam"]


def test_a_sender_that_dies_between_refusal_and_row_refuses_once(
    office: PostOffice, post: Post, clamd: ClamdServer, clock: Clock
) -> None:
    post.send(INFECTED)
    sender = post.sender(attachment_check(office, clamd.address))
    with office.pool.connection() as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$"
        )
        connection.execute("CREATE TRIGGER dies BEFORE DELETE ON sending EXECUTE FUNCTION refuse()")
    with pytest.raises(OperationalError):
        sender.run_due()
    with office.pool.connection() as connection:
        connection.execute("DROP TRIGGER dies ON sending")
    clock.advance(61)
    sender.run_due()
    assert len(rejections(office)) == 1
    assert post.arrived() == 0


@pytest.mark.parametrize(
    ("raw", "recipients", "reason"),
    [
        (PLAIN, ["a@x.test", "b@x.test", "c@x.test"], "it has more than 2 recipients"),
        (PLAIN + b"x" * 10_000, ["ann@example.test"], "it is larger than 9000 bytes"),
        (WITH_FILE % (b"Setup.EXE", b"TVo="), ["ann@example.test"], "files that end with .exe may not be sent"),
    ],
)
def test_the_policy_of_the_installation_is_kept(
    office: PostOffice, post: Post, raw: bytes, recipients: list[str], reason: str
) -> None:
    post.send(raw, *recipients)
    post.sender(PolicyCheck(recipients=2, message_bytes=9000, blocked_files=("exe",))).run_due()
    assert rejections(office) == [reason]
    assert post.arrived() == 0


def test_files_that_are_not_blocked_leave(post: Post) -> None:
    post.send(CLEAN)
    post.sender(PolicyCheck(recipients=2, message_bytes=9000, blocked_files=("exe",))).run_due()
    assert post.arrived() == 1


def outgoing_check(scan: Scan | None = None) -> OutgoingCheck:
    return OutgoingCheck(ids=TokenIds(bytes(32)), installation=Installation, held_above=0.7, scan=scan)


def log_of_carl(office: PostOffice) -> list[str]:
    reader = StreamReader(MailboxRecorder(datastore(office.url)), office.keys)
    return [one.topic for one in reader.recorded(MailboxId("m2"))]


def test_mail_that_looks_like_spam_stays_here_and_its_sender_reads_why(office: PostOffice, post: Post) -> None:
    post.send(TEST, "ann@example.test", "far@elsewhere.test")
    post.sender(outgoing_check()).run_due()
    assert post.arrived() == 0
    assert rejections(office) == ["it looks like spam. It is the test message that every spam filter takes for spam"]
    post.send(PLAIN)
    post.sender(outgoing_check()).run_due()
    assert post.arrived() == 1


def test_who_sends_what_looks_like_spam_three_times_a_day_is_blocked_and_sees_that(
    office: PostOffice, post: Post
) -> None:
    for _again in range(3):
        post.send(TEST)
    post.sender(outgoing_check()).run_due()
    assert log_of_carl(office)[-4:] == [*("SubmissionRejected",) * 3, "SendingRestricted"]
    with pytest.raises(SendingBlockedError):
        post.send(PLAIN)


def test_mail_that_the_embedded_filter_has_nothing_against_makes_no_row(office: PostOffice, post: Post) -> None:
    post.send(PLAIN)
    with office.pool.connection() as connection:
        connection.execute("DROP TABLE validations")
    post.sender(outgoing_check()).run_due()
    assert post.arrived() == 1


def test_a_scanner_elsewhere_looks_and_the_embedded_filter_where_it_is_down(office: PostOffice, post: Post) -> None:
    asked: list[str] = []

    def spam(reverse_path: str, sample: bytes) -> Score | None:
        asked.append(reverse_path)
        assert sample == PLAIN
        return Score(0.9, ("It is known.",), {"rspamd": 0.9})

    post.send(PLAIN)
    post.sender(outgoing_check(spam)).run_due()
    assert (rejections(office), asked) == (["it looks like spam. It is known"], ["carl@example.test"])
    post.send(TEST)
    post.send(PLAIN)
    post.sender(outgoing_check(lambda _from, _sample: None)).run_due()
    assert len(rejections(office)) == 2
    assert post.arrived() == 1


@pytest.mark.timeout(240)
def test_a_mailbox_whose_checks_take_long_leaves_threads_to_the_others(
    post: Post, executor: ThreadPoolExecutor, clock: Clock
) -> None:
    endless = EndlessCheck()
    for number in range(6):
        post.send(MAIL % b"endless %d" % number)
    sender = post.sender(endless, deadline_s=0)
    try:
        sender.run_due()
        assert executor.submit(lambda: "looked at").result(timeout=60) == "looked at"
        clock.advance(600)
        sender.run_due()
        assert post.arrived() == MOST_OF_ONE, "what was never begun leaves by no patience"
    finally:
        endless.ends.set()
    while sender.run_due() or post.arrived() < 6:
        clock.advance(600)
