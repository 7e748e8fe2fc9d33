"""The whole way with everything real: registration, directory, reception, worker, the loops that a process runs."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.addresses import BARE_POSTMASTER, EmailAddress
from gateways.reception import Verdict
from infra.composition import Parts
from infra.delivery_parts import DeliveryParts
from infra.queue_hints import QueueHints
from infra.settings import load
from tests.post_office import MAIL, envelope_of


@pytest.fixture
def parts(database_url: str, data_folder: Path) -> Iterator[Parts]:
    environment = {"LEDGERMAIL_DATABASE_URL": database_url, "LEDGERMAIL_DATA": str(data_folder)}
    with Parts(load(environment)) as made:
        made.ensure_operator()
        made.registration.register("ann@example.test", "a long enough pass phrase 71")
        yield made


def subjects(parts: Parts, address: str) -> list[str]:
    entry = parts.directory.find(address)
    assert entry is not None
    with parts.connect() as connection:
        query = "SELECT summary ->> 'subject' FROM messages WHERE mailbox_id = %s AND 'INBOX' = ANY(labels)"
        return [subject for (subject,) in connection.execute(query, (entry.mailbox_id,))]


def test_mail_for_an_account_and_for_postmaster_arrives(parts: Parts) -> None:
    post = DeliveryParts(parts)
    assert post.reception.judge(EmailAddress.parse("Ann+x@example.test"), size_bytes=1000) is Verdict.ACCEPT
    assert post.reception.judge(BARE_POSTMASTER, size_bytes=None) is Verdict.ACCEPT
    raw = MAIL % b"1"
    spool = post.reception.spool()
    spool.write(raw)
    recipients = ("Ann+x@example.test", "postmaster", "abuse@example.test")
    post.reception.accept(envelope_of(raw, *recipients, received_at=1_800_000_000_000), spool)
    assert post.worker().run_due() == 1
    assert subjects(parts, "ann@example.test") == ["Hello"]
    assert subjects(parts, "abuse@example.test") == ["Hello"]


def test_an_owner_whose_mailbox_is_full_is_told_by_the_loops_of_a_process(parts: Parts) -> None:
    post, stop, hints = DeliveryParts(parts), threading.Event(), QueueHints(parts.conninfo, "test")
    parts.administration.set_quota(parts.accounts.at("ann@example.test"), 0)
    timers = threading.Thread(target=post.timers().run, args=(stop,))
    timers.start()
    try:
        worker = post.worker()
        while not worker.run_due():
            hints.wait(0.2)
    finally:
        stop.set()
        timers.join(10)
    assert subjects(parts, "ann@example.test") == ["Your mailbox is full"]


def test_all_loops_end_within_ten_seconds_of_being_told_to(parts: Parts) -> None:
    post, stop = DeliveryParts(parts), threading.Event()
    loops = [threading.Thread(target=loop.run, args=(stop,)) for loop in (post.worker(), post.sender(), post.timers())]
    for loop in loops:
        loop.start()
    stop.set()
    for loop in loops:
        loop.join(10)
        assert not loop.is_alive()
