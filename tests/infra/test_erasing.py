"""Erased means gone: from database, search index and blobs, for every reader at once, and for nobody else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.addresses import EmailAddress
from domain.decisions import EraseMailbox
from domain.ids import MailboxId
from domain.search_query import Everything, Query
from domain.times import DAY_MS
from gateways.reception import Verdict
from infra.chain_check import check_chain
from infra.composition import Parts
from infra.contacts_rebuild import verify_contacts
from infra.delivery_parts import DeliveryParts
from infra.erasing import (
    ACCOUNT_TABLES,
    HOLDERS,
    MAILBOX_TABLES,
    SETTLED_MS,
    finish_erasures,
    is_cleared,
    left_behind,
)
from infra.rebuild import rebuild_mailbox, verify_mailbox
from infra.search_rebuild import rebuild_search, verify_search
from infra.search_view import SearchView
from infra.spam.parts import spam_view
from infra.tantivy_search.live import LiveTantivyIndex, open_live
from infra.tantivy_search.rebuilding import TantivyGenerations
from infra.timers import collect_blobs
from tests.conftest import temporary_data_folder
from tests.http_house import House, Person, mail, running
from tests.post_office import envelope_of

SECRET = "zebrafinch"
FILE = (SECRET.encode() + b" ledger ") * 8_000
NOW_MS = 2**42
SHARED = (
    b"From: Carol <carol@elsewhere.test>\r\nSubject: For both\r\nMessage-ID: <both@elsewhere.test>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nHello both\r\n"
    b"--x\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=both.txt\r\n\r\n"
    + b"the same for both\r\n" * 8_000
    + b"--x--\r\n"
)


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    with temporary_data_folder() as folder, running(database_url, folder) as found:
        yield found


@pytest.fixture
def index(house: House) -> Iterator[LiveTantivyIndex]:
    opened = open_live(house.parts.settings.data / "search")
    yield opened
    opened.close()


@pytest.fixture
def hank(house: House, index: LiveTantivyIndex) -> Person:
    """Somebody who has a little of everything, of which everything says SECRET."""
    person = house.person("hank")
    deliver(house, mail(f"{SECRET} at dawn", body=f"the {SECRET} sings", From=f"{SECRET} <z@elsewhere.test>"), person)
    announced = person.post(
        "/v1/attachments", {"filename": f"{SECRET}.txt", "content_type": "text/plain", "size": len(FILE)}, status=201
    )
    assert person.http.put(announced["upload"]["url"], content=FILE).status_code == 200
    person.post(f"/v1/attachments/{announced['id']}/complete")
    dora = [{"name": SECRET, "address": "dora@elsewhere.test"}]
    said = {"to": dora, "subject": SECRET, "text": SECRET, "attachment_ids": [announced["id"]]}
    person.post("/v1/drafts", said, status=201)
    later = person.post("/v1/drafts", said, status=201)
    person.post(f"/v1/drafts/{later['id']}/send", {"send_at": "2027-06-01T00:00:00Z"}, status=202)
    person.post("/v1/labels", {"name": SECRET}, status=201)
    person.post("/v1/contacts", {"name": SECRET, "addresses": ["z@x.test"]}, status=201)
    person.post("/v1/attachments", {"filename": f"{SECRET}.bin", "content_type": "text/plain", "size": 9}, status=201)
    follow(house, index)
    return person


def follow(house: House, index: LiveTantivyIndex) -> None:
    house.follow(SearchView(index, DeliveryParts(house.parts).extracts.extract))
    house.follow_contacts()
    house.follow(spam_view(house.parts))


def deliver(house: House, raw: bytes, *people: Person) -> None:
    reception = DeliveryParts(house.parts).reception
    spool = reception.spool()
    spool.write(raw)
    reception.accept(envelope_of(raw, *(one.address for one in people), received_at=1_795_000_000_000), spool)
    house.deliver_all()


def erase(house: House, person: Person) -> None:
    account = house.parts.accounts.at(person.address)
    house.parts.administration.erase(account, why="asked for")


def finish(house: House, now_ms: int = NOW_MS) -> int:
    went = 0
    while gone := finish_erasures(now_ms, connect=house.parts.connect, keys=house.parts.keys):
        went += gone
    return went


def finish_all(house: House, index: LiveTantivyIndex) -> None:
    """All duties, as they come round."""
    finish(house)
    follow(house, index)
    finish(house)
    collect_blobs(NOW_MS, connect=house.parts.connect, blobs=house.parts.blobs, grace_s=DAY_MS / 1000)


def tables_that_say(house: House, word: str) -> set[str]:
    hexadecimal = word.encode().hex()
    with house.parts.connect() as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            name
            for (name,) in names
            if connection.execute(
                f"SELECT count(*) FROM {name} x WHERE x::text ILIKE %s OR x::text LIKE %s".encode(),
                (f"%{word}%", f"%{hexadecimal}%"),
            ).fetchone()
            != (0,)
        }


def files_that_say(folder: Path, word: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def terms_bytes(folder: Path) -> int:
    """How large the lists of words are that the index keeps."""
    return sum(path.stat().st_size for path in folder.rglob("*.term"))


def in_index(index: LiveTantivyIndex, person: Person) -> int:
    return index.search(person.mailbox_id, Query(Everything(), anywhere=True)).total


def differences(house: House, index: LiveTantivyIndex, mailbox_id: MailboxId) -> list[str]:
    found = verify_mailbox(house.parts.conninfo, house.parts.reader, mailbox_id)
    with house.parts.connect() as connection:
        found += verify_contacts(connection, house.parts.reader, mailbox_id)
        return found + verify_search(connection, index, mailbox_id)


def test_nothing_readable_is_left_of_an_erased_mailbox_and_another_recipient_keeps_his_copy(
    house: House, hank: Person, index: LiveTantivyIndex
) -> None:
    ann = house.person("ann")
    deliver(house, SHARED, hank, ann)
    (hers,) = ann.get("/v1/messages")["messages"]
    before = ann.http.get(f"/v1/messages/{hers['id']}/raw").content
    assert before.endswith(SHARED)
    follow(house, index)
    blobs = house.parts.settings.data / "blobs"
    assert {"messages", "labels", "documents", "uploads", "correspondents"} <= tables_that_say(house, SECRET)
    assert len(files_that_say(blobs, SECRET)) > 2
    assert in_index(index, hank) > 2
    erase(house, hank)
    finish_all(house, index)
    assert tables_that_say(house, SECRET) == set()
    assert files_that_say(blobs, SECRET) == []
    assert in_index(index, hank) == 0
    with house.parts.connect() as connection:
        assert left_behind(connection, hank.mailbox_id) == []
        assert is_cleared(connection, hank.mailbox_id)
        extracts = connection.execute("SELECT count(*) FROM extracts").fetchone()
        assert extracts == (1,)
        chain = check_chain(connection, house.parts.recorder, house.parts.keys, mailbox_id=hank.mailbox_id)
    assert (chain.broken, chain.redacted) == (None, chain.events)
    assert ann.http.get(f"/v1/messages/{hers['id']}/raw").content == before
    assert in_index(index, ann) == 1
    for person in (hank, ann):
        assert differences(house, index, person.mailbox_id) == []


def test_a_segment_of_the_index_that_has_nothing_but_an_erased_mailbox_goes_at_once(
    house: House, hank: Person, index: LiveTantivyIndex
) -> None:
    folder = house.parts.settings.data / "search"
    before = terms_bytes(folder)
    erase(house, hank)
    finish_all(house, index)
    assert terms_bytes(folder) < before / 4
    assert files_that_say(folder, hank.mailbox_id) == []


def test_every_table_that_names_mailboxes_or_accounts_is_cleared_or_stays_on_purpose(house: House) -> None:
    stays = {"mailboxes", "commands", "erasures", "accounts", "directory", "followers", "follower_wakes", "wake"}
    with house.parts.connect() as connection:
        named = connection.execute(
            "SELECT DISTINCT table_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_name IN ('mailbox_id', 'account_id')"
        ).fetchall()
    assert {name for (name,) in named} == stays | {*MAILBOX_TABLES, *HOLDERS, *ACCOUNT_TABLES}


def test_every_reader_refuses_an_erased_mailbox_before_anything_is_removed(house: House, hank: Person) -> None:
    message_id = hank.get("/v1/messages", label="DRAFTS")["messages"][0]["id"]
    signed = hank.get(f"/v1/messages/{message_id}")["attachments"][0]["url"]
    announced = hank.post("/v1/attachments", {"filename": "x", "content_type": "a/b", "size": 1}, status=201)
    assert house.http.get(signed).status_code == 200
    erase(house, hank)
    for answer in (house.http.get(signed), house.http.put(announced["upload"]["url"], content=b"x")):
        assert (answer.status_code, answer.json()["code"]) == (403, "signature_invalid")
    with Parts(house.parts.settings) as elsewhere:
        assert elsewhere.sessions.authenticate(hank.token) is None
    assert house.parts.directory.find(hank.address) is None
    judged = DeliveryParts(house.parts).reception.judge(EmailAddress.parse(hank.address), size_bytes=1)
    assert judged is Verdict.UNKNOWN_MAILBOX


def test_a_signed_address_of_a_closed_or_suspended_account_opens_nothing(house: House, hank: Person) -> None:
    message_id = hank.get("/v1/messages", label="DRAFTS")["messages"][0]["id"]
    signed = hank.get(f"/v1/messages/{message_id}")["attachments"][0]["url"]
    account = house.parts.accounts.at(hank.address)
    for shut in (house.parts.administration.suspend, house.parts.administration.close):
        shut(account)
        assert house.http.get(signed).status_code == 403
        house.parts.administration.resume(account)
        assert house.http.get(signed).status_code == 200


def test_a_mail_that_waits_for_an_erased_mailbox_is_settled_as_gone(house: House, hank: Person) -> None:
    reception = DeliveryParts(house.parts).reception
    spool = reception.spool()
    spool.write(SHARED)
    reception.accept(envelope_of(SHARED, hank.address, received_at=1_795_000_000_000), spool)
    with house.parts.connect() as connection:
        before = connection.execute(
            "SELECT count(*) FROM blob_references WHERE starts_with(holder, %s)", (f"mailbox:{hank.mailbox_id}:",)
        ).fetchone()
    erase(house, hank)
    while house.deliver_all():
        pass
    with house.parts.connect() as connection:
        assert connection.execute("SELECT count(*) FROM dead_letters").fetchone() == (0,)
        queued = connection.execute("SELECT count(*) FROM queue_records").fetchone()
        relayed = connection.execute("SELECT count(*) FROM relay_schedule WHERE mailbox_id = ''").fetchone()
        held = connection.execute(
            "SELECT count(*) FROM blob_references WHERE starts_with(holder, %s)", (f"mailbox:{hank.mailbox_id}:",)
        ).fetchone()
    assert (queued, relayed, held) == ((0,), (1,), before)  # the notification to its sender is the relay's


def test_an_erasure_goes_on_in_batches_wherever_it_was_interrupted(
    house: House, hank: Person, index: LiveTantivyIndex
) -> None:
    def some() -> int:
        return finish_erasures(NOW_MS, connect=house.parts.connect, keys=house.parts.keys, rows_at_once=1)

    lane = house.app.parts.appender
    lane.submit(EraseMailbox(mailbox_id=hank.mailbox_id, command_id="erase", why="cut before the key")).result()
    assert some() > 3
    assert house.parts.keys.get(hank.mailbox_id) is None
    assert house.parts.directory.find(hank.address) is None
    finish_all(house, index)
    assert tables_that_say(house, SECRET) == set()


def test_an_erasure_is_under_way_until_the_views_have_followed_and_late_writers_have_ended(
    house: House, hank: Person, index: LiveTantivyIndex
) -> None:
    def is_done() -> bool:
        with house.parts.connect() as connection:
            return is_cleared(connection, hank.mailbox_id)

    erase(house, hank)
    with house.parts.connect() as connection:
        row: Any = connection.execute(
            "SELECT recorded_at FROM mailboxes WHERE mailbox_id = %s", (hank.mailbox_id,)
        ).fetchone()
    erased_at = row[0]
    finish(house)
    assert not is_done()
    follow(house, index)
    finish(house, erased_at + SETTLED_MS - 1)
    assert not is_done()
    with house.parts.connect() as connection:
        connection.execute(
            "INSERT INTO fold_pages (mailbox_id, next, labels_since) VALUES (%s, 1, 1)", (hank.mailbox_id,)
        )
    assert finish(house, erased_at + SETTLED_MS) == 1
    assert is_done()


def test_what_is_left_behind_once_an_erasure_is_done_is_a_difference(
    house: House, hank: Person, index: LiveTantivyIndex
) -> None:
    erase(house, hank)
    assert verify_mailbox(house.parts.conninfo, house.parts.reader, hank.mailbox_id) == []
    finish_all(house, index)
    with house.parts.connect() as connection:
        connection.execute(
            "INSERT INTO fold_pages (mailbox_id, next, labels_since) VALUES (%s, 1, 1)", (hank.mailbox_id,)
        )
    (difference,) = verify_mailbox(house.parts.conninfo, house.parts.reader, hank.mailbox_id)
    assert difference == "fold_pages: 1 rows of an erased mailbox"


def test_a_rebuild_of_the_rows_or_the_index_brings_nothing_of_an_erased_mailbox_back(
    house: House, hank: Person, index: LiveTantivyIndex
) -> None:
    erase(house, hank)
    extracts = DeliveryParts(house.parts).extracts
    folder = house.parts.settings.data / "search"
    rebuild_mailbox(house.parts.conninfo, house.parts.reader, hank.mailbox_id)
    finish_all(house, index)
    index.close()
    rebuild_mailbox(house.parts.conninfo, house.parts.reader, hank.mailbox_id)
    rebuild_search(house.parts.conninfo, TantivyGenerations(folder), house.parts.reader, extract=extracts.extract)
    assert differences(house, index, hank.mailbox_id) == []
    assert in_index(index, hank) == 0
