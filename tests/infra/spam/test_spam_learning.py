"""Owners teach the filter: from reports and moves in the log to the counts, and from those to where mail goes."""

import asyncio
import smtplib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psycopg
import pytest
import uvloop

from domain.decisions.deleting import DeleteMessages
from domain.decisions.judging import ReportNotSpam, ReportSpam
from domain.events import MessageDelivered
from domain.ids import MailboxId, MessageId, new_id
from gateways.mail_objects import read_mail
from gateways.screening import Screening
from gateways.smtp.host import Host
from gateways.smtp.server import SmtpServer
from gateways.spam.bayes import LEAST_LEARNT
from gateways.spam.filtering import SpamFilter
from gateways.spam.scoring import tokens_of
from gateways.spam.senders import sender_of_address
from gateways.spam.token_ids import TokenIds
from infra.followers import Follower, fan_out
from infra.spam.learnt import InstallationLearnt, installation
from infra.spam.personal import StoredFilters
from infra.spam.rebuild import rebuild_spam, verify_spam
from infra.spam.view import TABLES, SpamView
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.post_office import PostOffice, post_office

IDS = TokenIds(b"a key of tests")
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
SPAM = "cheap pills and watches shipped overnight to your door number {}"
HAM = "minutes of the garden club from our meeting on tuesday number {}"
SCREENED = Screening(dmarc="pass", author_domain="elsewhere.test", spam_score=0.1)


def mail(text: str, *, author: str = "writer@elsewhere.test", subject: str = "hello") -> bytes:
    head = f"From: {author}\r\nTo: ann@example.test\r\nSubject: {subject}\r\nMessage-ID: <{new_id('x')}@x>\r\n\r\n"
    return (head + text + "\r\n").encode()


class House:
    """A post office whose owners teach."""

    def __init__(self, office: PostOffice) -> None:
        self.office = office
        self.reader = StreamReader(MailboxRecorder(datastore(office.url)), office.keys)
        self.view = SpamView(self.reader, lambda name: read_mail(office.blobs, name), IDS)
        self.worker = office.worker(personal=StoredFilters(office.pool.connection, IDS))

    def deliver(self, raw: bytes, *to: str, screening: Screening = SCREENED) -> None:
        self.office.accept(raw, *to, screening=screening)
        self.worker.run_due()

    def delivered(self, box: str) -> list[MessageDelivered]:
        recorded = self.reader.recorded(MailboxId(box))
        return [one.event for one in recorded if isinstance(one.event, MessageDelivered)]

    def say(self, box: str, *messages: MessageId, is_spam: bool = True) -> None:
        kind = ReportSpam if is_spam else ReportNotSpam
        self.office.lane.run(kind(mailbox_id=MailboxId(box), command_id=new_id("c"), ids=messages))

    def follow(self) -> None:
        follower = Follower(self.office.url, self.reader, self.view)
        with psycopg.connect(self.office.url, autocommit=True) as connection:
            fan_out(connection, ["spam"])
            while follower.step(connection):
                pass

    def counts(self, box: str) -> tuple[int, int]:
        with psycopg.connect(self.office.url) as connection:
            found = connection.execute("SELECT spams, hams FROM spam_counts WHERE mailbox_id = %s", (box,)).fetchone()
        return found or (0, 0)

    def tokens(self, box: str) -> dict[int, tuple[int, int]]:
        with psycopg.connect(self.office.url) as connection:
            rows = connection.execute("SELECT token, spams, hams FROM spam_tokens WHERE mailbox_id = %s", (box,))
            return {token: (spams, hams) for token, spams, hams in rows}

    def differences(self, box: str) -> list[str]:
        with psycopg.connect(self.office.url, autocommit=True) as connection:
            return verify_spam(connection, self.reader, MailboxId(box))

    def teach(
        self, box: str, address: str, *, times: int = LEAST_LEARNT, author: str = "writer@elsewhere.test"
    ) -> None:
        """So many of each kind."""
        before = len(self.delivered(box))
        for number in range(times):
            self.office.accept(mail(SPAM.format(number)), address, screening=SCREENED)
            self.office.accept(mail(HAM.format(number), author="friend@elsewhere.test"), address, screening=SCREENED)
        self.worker.run_due()
        new = self.delivered(box)[before:]
        spams = [one.id for one in new if one.personal.snippet.startswith("cheap")]  # type: ignore[union-attr]
        self.say(box, *spams)
        self.say(box, *(one.id for one in new if one.id not in spams), is_spam=False)
        self.follow()


@pytest.fixture
def house(database_url: str, data_folder: Path) -> Iterator[House]:
    with post_office(database_url, data_folder) as office:
        for number, name in enumerate(("ann", "bob", "eve", "joe"), start=1):
            office.open_mailbox(f"m{number}", f"{name}@example.test")
        yield House(office)


def test_a_report_teaches_and_a_word_taken_back_takes_back_what_was_counted(house: House) -> None:
    house.deliver(mail(SPAM), "ann@example.test")
    (message,) = house.delivered("m1")
    house.say("m1", message.id)
    house.follow()
    tokens = tokens_of(house.office.blobs.read(message.server.blob), IDS)  # type: ignore[union-attr]
    assert house.counts("m1") == (1, 0)
    assert house.tokens("m1") == dict.fromkeys(tokens, (1, 0))
    house.say("m1", message.id, is_spam=False)
    house.follow()
    assert house.counts("m1") == (0, 1)
    assert house.tokens("m1") == dict.fromkeys(tokens, (0, 1))
    assert house.differences("m1") == []


def test_events_met_twice_count_once(house: House) -> None:
    house.deliver(mail(SPAM), "ann@example.test")
    house.say("m1", house.delivered("m1")[0].id)
    house.follow()
    before = house.tokens("m1")
    with psycopg.connect(house.office.url, autocommit=True) as connection, connection.transaction():
        house.view.apply(connection, MailboxId("m1"), house.reader.batch(MailboxId("m1"), 0, limit=500))
    assert (house.counts("m1"), house.tokens("m1")) == ((1, 0), before)


def test_a_rebuild_learns_the_same_from_the_log(house: House) -> None:
    house.teach("m1", "ann@example.test", times=3)
    before = (house.counts("m1"), house.tokens("m1"))
    assert before[0] == (3, 3)
    with psycopg.connect(house.office.url, autocommit=True) as connection:
        connection.execute("UPDATE spam_tokens SET spams = spams + 7")
        assert house.differences("m1") != []
        rebuild_spam(connection, house.reader, MailboxId("m1"), house.view)
    assert (house.counts("m1"), house.tokens("m1")) == before
    assert house.differences("m1") == []


def test_what_was_deleted_before_it_could_be_read_teaches_nothing(house: House) -> None:
    house.deliver(mail(SPAM), "ann@example.test")
    (message,) = house.delivered("m1")
    house.say("m1", message.id)
    house.office.lane.run(DeleteMessages(mailbox_id=MailboxId("m1"), command_id=new_id("c"), ids=(message.id,)))
    house.office.blobs.delete(message.server.blob)  # type: ignore[union-attr]
    house.follow()
    assert house.counts("m1") == (0, 0)


def test_an_owners_own_filter_chooses_for_him_alone(house: House) -> None:
    house.teach("m1", "ann@example.test")
    house.deliver(mail(SPAM.format("x"), author="other@elsewhere.test"), "ann@example.test", "bob@example.test")
    assert house.delivered("m1")[-1].labels == ("SPAM",)
    assert house.delivered("m2")[-1].labels == ("INBOX",)


def test_no_spam_lets_that_proven_sender_in_whatever_the_filter_says_and_only_for_that_owner(house: House) -> None:
    judged = msgspec.structs.replace(SCREENED, spam_score=0.5, spam_disposition="quarantine")
    house.deliver(mail("first"), "ann@example.test", "bob@example.test", screening=judged)
    house.say("m1", house.delivered("m1")[0].id, is_spam=False)
    house.follow()
    house.deliver(mail("second"), "ann@example.test", "bob@example.test", screening=judged)
    assert house.delivered("m1")[-1].labels == ("INBOX",)
    assert house.delivered("m2")[-1].labels == ("SPAM",)
    unproven = msgspec.structs.replace(judged, dmarc="none")
    house.deliver(mail("third"), "ann@example.test", screening=unproven)
    assert house.delivered("m1")[-1].labels == ("SPAM",)


def test_what_one_or_two_teach_judges_nobody_elses_mail_and_what_three_teach_does(house: House) -> None:
    for number, name in enumerate(("ann", "bob"), start=1):
        house.teach(f"m{number}", f"{name}@example.test")
    with psycopg.connect(house.office.url) as connection:
        known = installation(connection)
        assert (known.learnt.telling, known.reports) == ({}, {})
    house.teach("m3", "eve@example.test")
    with psycopg.connect(house.office.url) as connection:
        known = installation(connection)
    assert known.reports == {sender_of_address("writer@elsewhere.test", IDS): 3}
    assert known.learnt.is_enough
    assert known.learnt.opinion(tokens_of(mail(SPAM), IDS)).leaning > 0


def test_nothing_that_was_taught_outlives_its_mailbox(house: House) -> None:
    house.teach("m1", "ann@example.test", times=1)
    with psycopg.connect(house.office.url, autocommit=True) as connection:
        connection.execute("UPDATE mailboxes SET erased = true WHERE mailbox_id = 'm1'")
        with connection.transaction():
            house.view.apply(connection, MailboxId("m1"), house.reader.batch(MailboxId("m1"), 0, limit=500))
        left = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in TABLES]
    assert left == [(0,), (0,), (0,)]


class Door:
    """A running server with the filter before the post office."""

    def __init__(self, office: PostOffice) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._pool = ThreadPoolExecutor(4)
        known = InstallationLearnt(office.pool.connection)
        known.look()
        looks = SpamFilter(None, ids=IDS, installation=known)
        host = Host(hostname="mx.example.test", new_acceptance_id=lambda: new_id("a"))
        self.server = SmtpServer(host, reception=office.reception, executor=self._pool, screener=looks)
        asyncio.run_coroutine_threadsafe(self.server.listen("127.0.0.1", 0), self._loop).result(60)

    def send(self, raw: bytes, to: str) -> tuple[int, bytes]:
        with smtplib.SMTP(*self.server.addresses[0], timeout=60) as client:
            client.ehlo_or_helo_if_needed()
            client.mail("bounce@elsewhere.test")
            client.rcpt(to)
            return client.data(raw)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(deadline_s=5), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._pool.shutdown()


@pytest.fixture
def door(house: House) -> Iterator[Door]:
    for number, name in enumerate(("ann", "bob", "eve"), start=1):
        house.teach(f"m{number}", f"{name}@example.test")
    made = Door(house.office)
    yield made
    made.close()


def test_spam_is_refused_at_the_door_and_nothing_of_it_is_kept(house: House, door: Door) -> None:
    code, reply = door.send(mail(GTUBE), "joe@example.test")
    assert (code, reply[:5]) == (550, b"5.7.1")
    assert house.worker.run_due() == 0


def test_what_several_taught_is_told_of_a_mail_to_another_and_stays_with_the_server(house: House, door: Door) -> None:
    assert door.send(mail(HAM), "joe@example.test")[0] == 250
    house.worker.run_due()
    (event,) = house.delivered("m4")
    found = msgspec.json.decode(event.server.screening, type=Screening)  # type: ignore[union-attr]
    assert event.labels == ("INBOX",)
    assert found.spam_score is not None
    assert found.spam_score < 0.3
    assert set(found.spam_layers) == {"rules", "bayes"}
    assert b"spam" not in event.server.trace.lower().encode()  # type: ignore[union-attr]
