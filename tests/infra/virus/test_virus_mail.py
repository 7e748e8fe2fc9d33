"""Mail with and without a virus, from the wire to the mailbox, the quarantine, or nowhere."""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from domain.events import MessageDelivered
from domain.ids import MailboxId
from gateways.authentication.evidence import Evidence
from gateways.delivery.worker import DeliveryWorker
from gateways.screening import Arrival, Screening
from infra.command_line import COMMANDS, run
from infra.quarantine import PostgresQuarantine
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from infra.virus.parts import VirusParts
from tests.clamd_server import EICAR, THREAT, ClamdServer, clamd_server
from tests.contracts.queue import Clock
from tests.infra.virus.given_door import ScannedDoor, virus_parts
from tests.post_office import MAIL, PostOffice, post_office

INFECTED = MAIL % b"1" + EICAR + b"\r\n"
LARGE = MAIL % b"2" + b"0123456789abcdef\r\n" * 40_000
PATIENCE_S = 4 * 3600
NOBODY = "127.0.0.1:1"


class Doubtful:
    """Somebody who looks at senders, and believes nobody."""

    async def screen(self, arrival: Arrival, evidence: Evidence) -> Screening:
        return Screening(spf="fail", disposition="quarantine")


class Broken:
    """Somebody who looks at senders and fails."""

    async def screen(self, arrival: Arrival, evidence: Evidence) -> Screening:
        raise RuntimeError("broken")


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
def virus(office: PostOffice, clamd: ClamdServer) -> VirusParts:
    return virus_parts(office, clamd.address)


@pytest.fixture
def quarantine(office: PostOffice, clock: Clock) -> PostgresQuarantine:
    return PostgresQuarantine(office.pool.connection, clock_ms=clock)


def worker(office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine) -> DeliveryWorker:
    return office.worker(quarantine=quarantine, scanner=virus.scanner, scanner_patience_ms=PATIENCE_S * 1000)


def sent(
    office: PostOffice, virus: VirusParts, mail: bytes, *recipients: str, on_virus: str = "refuse"
) -> tuple[int, str]:
    door = ScannedDoor(office, virus, on_virus=on_virus)
    try:
        return door.send(mail, *recipients)
    finally:
        door.close()


def delivered(office: PostOffice, mailbox_id: str = "m1") -> MessageDelivered:
    """The one message in the mailbox."""
    reader = StreamReader(MailboxRecorder(datastore(office.url)), office.keys)
    recorded = reader.recorded(MailboxId(mailbox_id))
    (event,) = [one.event for one in recorded if isinstance(one.event, MessageDelivered)]
    return event


def screening(office: PostOffice, mailbox_id: str = "m1") -> Screening:
    """What it was delivered with."""
    return msgspec.json.decode(delivered(office, mailbox_id).server.screening, type=Screening)


@pytest.mark.parametrize("mail", [MAIL % b"1", LARGE], ids=["small", "large"])
def test_clean_mail_is_delivered_and_said_to_be_clean(
    office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine, mail: bytes
) -> None:
    assert sent(office, virus, mail)[0] == 250
    worker(office, virus, quarantine).run_due()
    assert len(office.inbox("m1")) == 1
    assert (screening(office).virus, screening(office).virus_action) == ("clean", "")
    assert delivered(office).server.trace.endswith("Authentication-Results: mx.example.test;\r\n\tnone\r\n")


@pytest.mark.parametrize("mail", [INFECTED, LARGE + EICAR + b"\r\n", INFECTED + LARGE], ids=["small", "last", "first"])
def test_an_infected_mail_is_refused_and_nothing_is_kept(
    office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine, data_folder: Path, mail: bytes
) -> None:
    assert sent(office, virus, mail) == (550, "5.7.1 A virus was found in the message")
    assert worker(office, virus, quarantine).run_due() == 0
    assert [path for path in (data_folder / "blobs").rglob("*") if path.is_file()] == []


def test_a_large_content_that_was_seen_is_not_scanned_again_until_there_are_new_signatures(
    office: PostOffice, clamd: ClamdServer
) -> None:
    for scanned in (1, 1):
        assert sent(office, virus_parts(office, clamd.address), LARGE)[0] == 250
        assert clamd.scanned == scanned
    clamd.signatures += 1
    assert sent(office, virus_parts(office, clamd.address), LARGE)[0] == 250
    assert clamd.scanned == 2


def test_quarantined_mail_reaches_nobody_until_it_is_released(
    office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine
) -> None:
    assert sent(office, virus, INFECTED, "ann@example.test", "carl@example.test", on_virus="quarantine")[0] == 250
    worker(office, virus, quarantine).run_due()
    assert office.inbox("m1") == office.inbox("m2") == []
    (held,) = quarantine.list()
    assert (held.threat, held.addresses) == (THREAT, ["ann@example.test", "carl@example.test"])
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]
    assert office.rows("SELECT holder FROM blob_references") == [(f"quarantine:{held.acceptance_id}",)]
    assert quarantine.release(held)
    assert not quarantine.release(held)
    worker(office, virus, quarantine).run_due()
    assert len(office.inbox("m1")) == len(office.inbox("m2")) == 1
    assert screening(office, "m2").virus == "released"
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder LIKE 'quarantine:%%'") == [(0,)]


def test_a_worker_that_dies_between_quarantine_and_queue_holds_it_once(
    office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine, clock: Clock
) -> None:
    sent(office, virus, INFECTED, on_virus="quarantine")
    (leased,) = office.queue.lease("w", limit=1, lease_s=60)
    quarantine.hold(leased, threat=THREAT)
    clock.advance(61)
    worker(office, virus, quarantine).run_due()
    assert [held.recipients for held in quarantine.list()] == [(0,)]
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]


def test_discarded_and_expired_mail_is_gone_and_nobody_is_told(
    office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine, clock: Clock
) -> None:
    for number in (1, 2):
        sent(office, virus, INFECTED + b"%d\r\n" % number, on_virus="quarantine")
    worker(office, virus, quarantine).run_due()
    first, second = quarantine.list()
    assert quarantine.discard(first)
    assert not quarantine.discard(first)
    clock.advance(30 * 86_400)
    assert quarantine.expire(clock(), days=30) == 0
    clock.advance(1)
    assert quarantine.expire(clock(), days=30) == 1
    assert quarantine.find(second.acceptance_id) is None
    assert worker(office, virus, quarantine).run_due() == 0
    assert office.rows("SELECT count(*) FROM blob_references") == [(0,)]


def test_mail_waits_for_a_scanner_that_is_away_and_is_delivered_when_it_is_back(
    office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine, clock: Clock
) -> None:
    away = virus_parts(office, NOBODY)
    assert sent(office, away, MAIL % b"1")[0] == 250
    worker(office, away, quarantine).run_due()
    assert office.inbox("m1") == []
    assert [error for (error,) in office.rows("SELECT error FROM queue_failures")] == [
        "waits for the virus scanner, which does not answer"
    ]
    clock.advance(60)
    worker(office, virus, quarantine).run_due()
    assert len(office.inbox("m1")) == 1
    assert screening(office).virus == "clean"


def test_a_virus_found_after_the_mail_was_accepted_goes_to_the_quarantine_whatever_the_policy(
    office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine, clock: Clock
) -> None:
    assert sent(office, virus_parts(office, NOBODY), INFECTED)[0] == 250
    worker(office, virus, quarantine).run_due()
    assert office.inbox("m1") == []
    assert [held.threat for held in quarantine.list()] == [THREAT]


def test_after_its_time_mail_is_delivered_without_the_scanner_and_marked(
    office: PostOffice, quarantine: PostgresQuarantine, clock: Clock
) -> None:
    away = virus_parts(office, NOBODY)
    sent(office, away, MAIL % b"1")
    waited_s = 0
    while not office.inbox("m1"):
        worker(office, away, quarantine).run_due()
        clock.advance(60)
        waited_s += 60
    assert waited_s == PATIENCE_S + 60
    assert (screening(office).virus, screening(office).virus_action) == ("unscreened", "")


def test_without_any_scanner_nothing_waits_for_one(office: PostOffice, quarantine: PostgresQuarantine) -> None:
    sent(office, virus_parts(office, NOBODY), MAIL % b"1")
    office.worker(quarantine=quarantine, scanner_patience_ms=PATIENCE_S * 1000).run_due()
    assert screening(office).virus == "unscreened"


def test_mail_that_waits_for_the_scanner_holds_up_no_other(
    office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine, clamd: ClamdServer
) -> None:
    sent(office, virus_parts(office, NOBODY), MAIL % b"waits")
    office.accept(MAIL % b"goes", "ann@example.test")
    clamd.answers.clear()
    delivering = threading.Thread(target=worker(office, virus, quarantine).run_due)
    delivering.start()
    assert clamd.asked.wait(30)
    assert len(office.inbox("m1")) == 1
    clamd.answers.set()
    delivering.join()
    assert len(office.inbox("m1")) == 2


def test_scans_of_waiting_mail_take_no_more_than_a_while_of_a_pass(
    office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine, clamd: ClamdServer, clock: Clock
) -> None:
    for number in (b"1", b"2"):
        sent(office, virus_parts(office, NOBODY), MAIL % number)
    clamd.answers.clear()
    delivering = threading.Thread(target=worker(office, virus, quarantine).run_due)
    delivering.start()
    assert clamd.asked.wait(30)
    clock.advance(6)
    clamd.answers.set()
    delivering.join()
    assert len(office.inbox("m1")) == clamd.scanned == 1
    clock.advance(60)
    worker(office, virus, quarantine).run_due()
    assert len(office.inbox("m1")) == 2


def test_content_larger_than_the_scanner_takes_is_delivered_at_once_and_marked(
    office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine, clamd: ClamdServer
) -> None:
    clamd.largest_bytes = 1000
    assert sent(office, virus, LARGE)[0] == 250
    worker(office, virus, quarantine).run_due()
    assert (screening(office).virus, screening(office).virus_action) == ("unscreened", "")


def test_senders_are_looked_at_beside_the_scanner(
    office: PostOffice, virus: VirusParts, quarantine: PostgresQuarantine
) -> None:
    door = ScannedDoor(office, virus, screener=Doubtful())
    assert door.send(MAIL % b"1")[0] == 250
    assert door.send(INFECTED)[0] == 550
    door.close()
    worker(office, virus, quarantine).run_due()
    found = screening(office)
    assert (found.spf, found.is_spam, found.virus) == ("fail", True, "clean")


def test_who_breaks_while_looking_at_senders_lets_no_virus_through(office: PostOffice, virus: VirusParts) -> None:
    door = ScannedDoor(office, virus, screener=Broken())
    assert door.send(INFECTED)[0] == 550
    assert door.send(MAIL % b"1")[0] == 250
    door.close()
    assert [str(report) for report in door.reports] == ["broken", "broken"]


def called(office: PostOffice, monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    monkeypatch.setenv("LEDGERMAIL_DATABASE_URL", office.url)
    monkeypatch.setenv("LEDGERMAIL_DATA", str(folder))
    with pytest.raises(SystemExit) as ended:
        run(["quarantine", *arguments], commands=COMMANDS)
    return int(ended.value.code or 0)


def test_the_command_line_lists_shows_releases_and_discards(
    office: PostOffice,
    virus: VirusParts,
    quarantine: PostgresQuarantine,
    data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in (1, 2):
        sent(office, virus, INFECTED + b"%d\r\n" % number, on_virus="quarantine")
    worker(office, virus, quarantine).run_due()
    first, second = (held.acceptance_id for held in quarantine.list())
    assert called(office, monkeypatch, data_folder, "list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [first, second]
    assert called(office, monkeypatch, data_folder, "show", first) == 0
    shown = capsys.readouterr().out
    assert "found      Eicar-Test-Signature\n" in shown
    assert "from       <bob@elsewhere.test>\nto         <ann@example.test>\n" in shown
    assert called(office, monkeypatch, data_folder, "release", first) == 0
    assert called(office, monkeypatch, data_folder, "discard", second) == 0
    assert called(office, monkeypatch, data_folder, "show", second) == 1
    assert "not in the quarantine" in capsys.readouterr().err
    assert quarantine.list() == []
