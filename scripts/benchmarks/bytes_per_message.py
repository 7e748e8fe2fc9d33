"""What a message of 16 KB costs in the database, by table: rows, what lies beside them (TOAST), indexes.

The messages come in as mail does: the content into the blob folder, a record into the queue, the delivery worker.
"""

import hashlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from psycopg import InterfaceError, OperationalError
from psycopg_pool import ConnectionPool

from domain.ids import new_id
from gateways.delivery.worker import DeliveryWorker
from gateways.delivery.worker_parts import Outages, WorkerParts
from gateways.directory import DirectoryEntry
from gateways.envelope import Envelope, Recipient
from infra.delivery_book import PostgresBook
from infra.file_blobs import FileBlobs
from infra.postgres_queue import PostgresQueue
from infra.reception import QueueReception
from infra.relay.records import PostgresRelaying
from scripts.benchmarks.mails import whole
from scripts.benchmarks.report import Figure, absolute
from scripts.benchmarks.stage import Stage, Store, say

ROW = "bytes"
MAIL_BYTES = 16_384
MAILBOXES = 10
DOMAINS = frozenset({"example.test"})

_SIZES = (
    "SELECT c.relname, pg_relation_size(c.oid),"
    " coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0), pg_indexes_size(c.oid)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY pg_total_relation_size(c.oid) DESC"
)


class _Addresses:
    """The directory of the measured mailboxes."""

    def __init__(self, entries: dict[str, DirectoryEntry]) -> None:
        self._entries = entries

    def find(self, address: str) -> DirectoryEntry | None:
        """The entry of an address."""
        return self._entries.get(address)


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `bytes`."""
    store, folder, count = stage.store(), stage.folder / "bytes-blobs", stage.sizes.byte_messages
    store.rows_done("TRUNCATE blobs CASCADE")
    before = _sizes(store)
    began = time.perf_counter()
    _deliver(store, folder, count)
    say(f"{ROW}: {count:,} messages delivered in {time.perf_counter() - began:.0f} s, one worker")
    store.settle()
    after = _sizes(store)
    whole_bytes = 0.0
    for name, (rows, beside, indexes) in after.items():
        was = before.get(name, (0, 0, 0))
        parts = [(now - then) / count for now, then in zip((rows, beside, indexes), was, strict=True)]
        whole_bytes += sum(parts)
        if sum(parts) >= 1:
            split = f"rows {parts[0]:,.0f}, beside them {parts[1]:,.0f}, indexes {parts[2]:,.0f}"
            yield absolute(ROW, f"{name}", sum(parts), "bytes a message", note=split)
    yield absolute(ROW, "whole database", whole_bytes, "bytes a message", note=f"{count:,} messages of {MAIL_BYTES:,}")
    files = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    yield absolute(ROW, "blob folder", files / count, "bytes a message")
    stage.drop(store)
    shutil.rmtree(folder)


def _sizes(store: Store) -> dict[str, tuple[int, int, int]]:
    return {name: (rows, beside, indexes) for name, rows, beside, indexes in store.rows(_SIZES)}


def _deliver(store: Store, folder: Path, count: int) -> None:
    addresses = [f"u{number}@example.test" for number in range(MAILBOXES)]
    boxes = store.open_mailboxes(MAILBOXES)
    directory = _Addresses({a: DirectoryEntry(box) for a, box in zip(addresses, boxes, strict=True)})
    blobs = FileBlobs(folder)
    with ConnectionPool(store.url, min_size=1, max_size=16, kwargs={"autocommit": True}, open=True) as pool:
        queue = PostgresQueue(pool.connection)
        reception = QueueReception(
            directory=directory, domains=DOMAINS, blobs=blobs, queue=queue, connect=pool.connection
        )
        parts = WorkerParts(
            queue=queue,
            blobs=blobs,
            book=PostgresBook(pool.connection),
            appender=store.lane,
            directory=directory,
            relay=PostgresRelaying(pool.connection),
            domains=DOMAINS,
            hostname="mx.example.test",
        )
        worker = DeliveryWorker(parts, outages=Outages(common=(OperationalError, InterfaceError)))
        for number in range(count):
            _accept(reception, number, addresses[number % MAILBOXES])
            if number % 200 == 199:
                while worker.run_due():
                    pass
        while worker.run_due():
            pass


def _accept(reception: QueueReception, number: int, recipient: str) -> None:
    content = whole(number, recipient, size=MAIL_BYTES, run="bytes")
    spool = reception.spool()
    spool.write(content)
    reception.accept(_envelope(content, recipient), spool)


def _envelope(content: bytes, recipient: str) -> Envelope:
    return Envelope(
        acceptance_id=new_id("a"),
        received_at=time.time_ns() // 1_000_000,
        reverse_path="writer@elsewhere.test",
        recipients=(Recipient(recipient),),
        body_type="8BITMIME",
        smtputf8=False,
        requiretls=False,
        ret=None,
        envid=None,
        helo="mail.elsewhere.test",
        peer="192.0.2.1",
        protocol="ESMTPS",
        tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
        hostname="mx.example.test",
        size_bytes=len(content),
        content_sha256=hashlib.sha256(content).hexdigest(),
    )
