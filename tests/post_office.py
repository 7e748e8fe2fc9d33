"""A whole post office for tests: real Postgres, blobs, keys, lane, queue, worker; the directory is in memory."""

import hashlib
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from psycopg import InterfaceError, OperationalError
from psycopg_pool import ConnectionPool

from domain.addresses import EmailAddress
from domain.decisions import OpenMailbox
from domain.ids import MailboxId, new_id
from gateways.delivery.sender import Sender
from gateways.delivery.worker import DeliveryWorker
from gateways.delivery.worker_parts import Outages, Pace, WorkerParts
from gateways.directory import DirectoryEntry
from gateways.envelope import Envelope, Recipient
from gateways.filtering.filters import Filters
from gateways.filtering.forwarded import Forwarding
from gateways.srs import Srs
from infra.delivery_book import PostgresBook
from infra.file_blobs import FileBlobs
from infra.file_keys import FileKeys
from infra.owner_rules import PostgresRuleBook
from infra.postgres_outbox import PostgresOutbox
from infra.postgres_queue import PostgresQueue
from infra.reception import QueueReception
from infra.relay.joint_notices import PostgresJointNotices
from infra.relay.records import PostgresRelaying
from infra.store.lane import Lane
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore

DOMAIN = "example.test"
MAIL = (
    b"From: Bob <bob@elsewhere.test>\r\nTo: ann@example.test\r\nSubject: Hello\r\n"
    b"Message-ID: <%b@elsewhere.test>\r\nDate: Sun, 22 Nov 2026 05:00:00 +0000\r\n\r\nHow are you?\r\n"
)
OUTAGES = Outages(common=(OperationalError, InterfaceError))
_DIRECTORY = "INSERT INTO directory (address, mailbox_id, account_id, state) VALUES (%s, %s, %s, 'open')"


class Addresses:
    """A directory that a test fills."""

    def __init__(self) -> None:
        self.entries: dict[str, DirectoryEntry] = {}

    def find(self, address: str) -> DirectoryEntry | None:
        return self.entries.get(address)

    def find_all(self, addresses: Collection[str]) -> dict[str, DirectoryEntry]:
        return {address: self.entries[address] for address in addresses if address in self.entries}


class PostOffice:
    """Everything between the 250 and the mailbox."""

    def __init__(self, url: str, folder: Path, *, clock_ms: Any = None) -> None:
        self.url = url
        self.now_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self.pool = ConnectionPool(url, min_size=1, max_size=24, kwargs={"autocommit": True}, open=True)
        self.keys = FileKeys(folder / "keys", folder / "keys" / "master.key")
        self.blobs = FileBlobs(folder / "blobs")
        self.lane = Lane(url, self.keys, clock_ms=self.now_ms)
        self.queue = PostgresQueue(self.pool.connection, clock_ms=self.now_ms)
        self.book = PostgresBook(self.pool.connection)
        self.directory = Addresses()
        self.srs = Srs(b"secret of a test", DOMAIN, clock_s=lambda: self.now_ms() / 1000)
        self.reception = QueueReception(
            directory=self.directory,
            domains=frozenset({DOMAIN}),
            blobs=self.blobs,
            queue=self.queue,
            connect=self.pool.connection,
            cache_s=0,
        )

    def open_mailbox(self, mailbox_id: str, *addresses: str, quota_bytes: int = 10**9) -> MailboxId:
        box = MailboxId(mailbox_id)
        with self.pool.connection() as connection:
            connection.execute("INSERT INTO mailboxes (mailbox_id) VALUES (%s) ON CONFLICT DO NOTHING", (box,))
        self.keys.create(box)
        opened = OpenMailbox(mailbox_id=box, command_id="open", address="", display_name="", quota_bytes=quota_bytes)
        self.lane.run(opened)
        for address in addresses:
            self.directory.entries[EmailAddress.parse(address).canonical] = DirectoryEntry(box)
        with self.pool.connection() as connection:  # the first address is the account's own, which rules go by
            for address in addresses[:1]:
                row = (EmailAddress.parse(address).canonical, box, f"u{box}")
                connection.execute(_DIRECTORY, row)
        return box

    def accept(self, raw: bytes, *recipients: str, **changes: Any) -> Envelope:
        """Through the door, as the SMTP server does it."""
        envelope = msgspec.structs.replace(envelope_of(raw, *recipients, received_at=self.now_ms()), **changes)
        spool = self.reception.spool()
        spool.write(raw)
        self.reception.accept(envelope, spool)
        return envelope

    def worker(self, **changes: Any) -> DeliveryWorker:
        """`changes` are of its parts, of its pace, or of itself."""
        parts = {
            "queue": self.queue,
            "blobs": self.blobs,
            "book": self.book,
            "appender": self.lane,
            "directory": self.directory,
            "relay": PostgresRelaying(self.pool.connection, clock_ms=self.now_ms),
            "domains": frozenset({DOMAIN}),
            "hostname": "mx.example.test",
            "filters": self.filters(),
            "srs": self.srs,
            "joint": PostgresJointNotices(self.pool.connection, clock_ms=self.now_ms),
        }
        parts |= {one.name: changes.pop(one.name) for one in fields(WorkerParts) if one.name in changes}
        pace = {one.name: changes.pop(one.name) for one in fields(Pace) if one.name in changes}
        own = {"outages": OUTAGES, "clock_ms": self.now_ms} | changes
        return DeliveryWorker(WorkerParts(**parts), pace=Pace(**pace), **own)

    def filters(self, **changes: Any) -> Filters:
        parts = {
            "book": PostgresRuleBook(self.pool.connection),
            "queue": self.queue,
            "blobs": self.blobs,
            "hostname": "mx.example.test",
            "forwarding": Forwarding(self.srs, None, frozenset({DOMAIN})),
            "clock_ms": self.now_ms,
        }
        return Filters(**(parts | changes))

    def sender(self, **changes: Any) -> Sender:
        reader = StreamReader(MailboxRecorder(datastore(self.url)), self.keys)
        parts = {
            "outbox": PostgresOutbox(self.pool.connection, reader, clock_ms=self.now_ms),
            "queue": self.queue,
            "blobs": self.blobs,
            "appender": self.lane,
            "domains": frozenset({DOMAIN}),
            "hostname": "mx.example.test",
            "outages": (OperationalError, InterfaceError),
            "clock_ms": self.now_ms,
            "joint": PostgresJointNotices(self.pool.connection, clock_ms=self.now_ms),
            "executor": self.senders,
        }
        return Sender(**(parts | changes))

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.pool.connection() as connection:
            return connection.execute(query, parameters).fetchall()

    def inbox(self, mailbox_id: str) -> list[dict[str, Any]]:
        """The live messages in INBOX, oldest first."""
        found = self.rows(
            "SELECT message_id, blob, size, summary::text, thread_id FROM messages WHERE mailbox_id = %s"
            " AND destroyed_seq IS NULL AND 'INBOX' = ANY(labels) ORDER BY delivered_seq",
            mailbox_id,
        )
        return [{"id": i, "blob": b, "size": n, "thread_id": t, **msgspec.json.decode(s)} for i, b, n, s, t in found]

    @cached_property
    def senders(self) -> ThreadPoolExecutor:
        """Threads as a sender has them."""
        return ThreadPoolExecutor(4)

    def close(self) -> None:
        self.senders.shutdown()
        self.lane.close()
        self.pool.close()


@contextmanager
def post_office(url: str, folder: Path, **changes: Any) -> Iterator[PostOffice]:
    office = PostOffice(url, folder, **changes)
    try:
        yield office
    finally:
        office.close()


def envelope_of(raw: bytes, *recipients: str, received_at: int) -> Envelope:
    return Envelope(
        acceptance_id=new_id("a"),
        received_at=received_at,
        reverse_path="bob@elsewhere.test",
        recipients=tuple(Recipient(address) for address in recipients),
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
        size_bytes=len(raw),
        content_sha256=hashlib.sha256(raw).hexdigest(),
    )
