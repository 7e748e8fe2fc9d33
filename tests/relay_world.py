"""A post office with a relay, and around it a world on loopback: a DNS and other hosts' SMTP servers."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import uvloop
from psycopg import InterfaceError, OperationalError

from domain.decisions import SubmitNew
from domain.decisions.delivery import Composed
from domain.events import MessageServer, SubmissionRecipient
from domain.ids import MailboxId, SubmissionId, new_id
from gateways.blobs import mail_blob_name
from gateways.delivery.incoming import personal_of
from gateways.delivery.notification import Notifications
from gateways.delivery.own_mail import notice_envelope
from gateways.envelope import Recipient
from gateways.mime.parse import parse
from gateways.queue import QueueRecord
from gateways.relay.courier import Road
from gateways.relay.destination import Pace
from gateways.relay.parcels import Parcel
from gateways.relay.patience import Patience
from gateways.relay.relay import Relay
from gateways.relay.retries import Retries
from gateways.relay.return_path import ReturnPaths, SendersOwn
from gateways.relay.routing import Routing
from gateways.relay.schedule import Outcome
from gateways.relay.security import Security
from gateways.relay.settlement import Settlement
from gateways.relay.sts import StsPolicies
from gateways.relay.tls_outcomes import TlsOutcome
from infra import blob_references
from infra.dkim_keys import PostgresDkimKeys
from infra.dns_resolver import DnsResolver
from infra.queue_hints import QueueHints
from infra.relay.letters import BlobLetters, SigningKeys
from infra.relay.network import MachineNetwork
from infra.relay.parcels import PostgresParcels
from infra.relay.policy_fetch import HttpsPolicies
from infra.relay.records import PostgresRelaying
from infra.relay.schedule import PostgresSchedule
from infra.relay.sent_trips import SentTrips
from infra.relay.tls_memory import PostgresPolicies, TlsCounts
from infra.settings_readers import ListenAddress
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.contracts.queue import Clock
from tests.post_office import DOMAIN, PostOffice

SECRET = b"s" * 32
MAIL = (
    b"From: Carl <carl@example.test>\r\nTo: zoe@far.test\r\nSubject: Hello\r\nMessage-ID: <m@example.test>\r\n"
    b"Date: Sun, 22 Nov 2026 05:00:00 +0000\r\n\r\nHow are you?\r\n.\r\n..and so on\r\n"
)
SHORT = Patience(
    connect_s=5,
    greeting_s=5,
    handshake_s=5,
    mail_s=5,
    recipient_s=5,
    data_s=5,
    block_s=5,
    end_s=5,
    quit_s=1,
    idle_s=0.05,
    transaction_s=30,
    attempt_s=60,
)
"""For hosts that answer: a test that fails shall not hang. Those that hang are given less."""
HANGING = replace(SHORT, connect_s=0.5, greeting_s=0.5, mail_s=0.5, recipient_s=0.5, data_s=0.5, end_s=0.5)
QUICK = Pace(idle_s=0.05, first_rest_s=0.01, longest_rest_s=0.02)


class Heard:
    """What is counted."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.doubts = 0

    def settled(self, parcel: Parcel, outcomes: Sequence[Outcome]) -> None:
        self.outcomes += [one.status for one in outcomes]

    def in_doubt(self, recipients: int) -> None:
        self.doubts += recipients


class RelayWorld:
    """Carl (m2) of a post office sends; `port` is that of all other hosts."""

    def __init__(self, office: PostOffice, clock: Clock, dns: ListenAddress, *, port: int) -> None:
        self.office, self.clock, self.dns, self.port = office, clock, dns, port
        self.heard = Heard()
        self.patience, self.pace = SHORT, QUICK
        self.returns: ReturnPaths = SendersOwn()
        self.retries = Retries(jitter=0)
        self.listening: list[ListenAddress] = []
        self.is_test_world = True
        self.authorities: str | None = None
        self.sts_port = 443
        self.tls = TlsCounts(office.pool.connection)
        self.keys = PostgresDkimKeys(office.pool.connection, SECRET)
        self.letters: Any = BlobLetters(office.blobs, SigningKeys(self.keys, frozenset({DOMAIN})))
        self.on_schedule: Callable[[PostgresSchedule], Any] = lambda schedule: schedule
        self.attending: list[QueueHints] = []

    def submit(
        self,
        *recipients: str | SubmissionRecipient,
        raw: bytes = MAIL,
        mail_from: str = "carl@example.test",
        stream: str = "personal",
    ) -> str:
        """Carl sends; the submission's id."""
        blob = f"emails/2026/11/22/{new_id('d')}.eml"
        self.office.blobs.put(blob, raw)
        with self.office.pool.connection() as connection:
            blob_references.touch(connection, {blob: len(raw)})
        message = Composed(
            personal=personal_of(parse(raw)),
            server=MessageServer(blob=blob),
            size=len(raw),
            received_at=self.clock(),
        )
        command = SubmitNew(
            mailbox_id=MailboxId("m2"),
            command_id=new_id("c"),
            mail_from=mail_from,
            recipients=tuple(SubmissionRecipient(one) if isinstance(one, str) else one for one in recipients),
            send_at_ms=self.clock(),
            undo_until_ms=self.clock(),
            stream=stream,
            message=message,
            per_minute=10_000,
            per_day=100_000,
        )
        submission_id = str(self.office.lane.run(command).answer["submission_id"])
        self.office.sender().run_due()
        return submission_id

    def hand_over(self, *recipients: str, source: str, raw: bytes = MAIL) -> None:
        """A record whose recipients are elsewhere is taken over by the relay."""
        acceptance_id = new_id("a")
        blob = mail_blob_name(acceptance_id, self.clock())
        self.office.queue.expect(blob, size_bytes=len(raw))
        self.office.blobs.put(blob, raw)
        notice = notice_envelope(
            raw, Recipient(recipients[0]), acceptance_id, hostname="mx.example.test", now_ms=self.clock()
        )
        envelope = msgspec.structs.replace(
            notice, recipients=tuple(map(Recipient, recipients)), source=source, reverse_path="carl@example.test"
        )
        record = QueueRecord(envelope=envelope, blob=blob)
        PostgresRelaying(self.office.pool.connection, clock_ms=self.clock).take(record, range(len(recipients)))

    def run(self, *, until_none: bool = True) -> int:
        """A relay of its own takes what is due, to its end; how many mails that were."""
        return uvloop.run(self.run_async(until_none=until_none))

    async def run_async(self, *, until_none: bool = True) -> int:
        name = new_id("r")
        hints = QueueHints(self.office.url, name)
        hints.attend()
        self.attending.append(hints)
        with ThreadPoolExecutor(8) as executor:
            relay = self.relay(name, executor)
            total = 0
            try:
                while (taken := await relay.run_due()) and until_none:
                    total += taken
            finally:
                await relay.close()
                self.tls.write()
                hints.close()
        return total + (0 if until_none else taken)

    def relay(self, name: str, executor: ThreadPoolExecutor) -> Relay:
        office = self.office
        schedule = PostgresSchedule(
            office.pool.connection,
            name,
            clock_ms=self.clock,
            on_doubt=self.heard.in_doubt,
            archive=SentTrips(office.keys),
        )
        schedule.end_leases_of_the_dead()
        used = self.on_schedule(schedule)
        reader = StreamReader(MailboxRecorder(datastore(office.url)), office.keys)
        settlement = Settlement(
            schedule=used,
            outgoing=schedule,
            appender=office.lane,
            notifications=Notifications(
                queue=office.queue, blobs=office.blobs, hostname="mx.example.test", clock_ms=self.clock
            ),
            hostname="mx.example.test",
            clock_ms=self.clock,
            retries=self.retries,
        )
        return Relay(
            outgoing=schedule,
            schedule=used,
            parcels=PostgresParcels(office.pool.connection, reader),
            letters=self.letters,
            settlement=settlement,
            road=self.road(executor),
            executor=executor,
            heard=self.heard,
            clock_ms=self.clock,
            outages=(OperationalError, InterfaceError),
            pace=self.pace,
        )

    def road(self, executor: ThreadPoolExecutor) -> Road:
        resolver = DnsResolver(self.dns, tries_s=(1.0, 2.0))
        network = MachineNetwork(self.listening, port=self.port, is_test_world=self.is_test_world)
        policies = StsPolicies(
            resolver,
            HttpsPolicies(resolver, network, port=self.sts_port, authorities=self.authorities),
            PostgresPolicies(self.office.pool.connection, executor, clock_ms=self.clock),
            clock_ms=self.clock,
        )
        return Road(
            routing=Routing(resolver, network, hostname="mx.example.test"),
            security=Security(resolver, policies, port=self.port, authorities=self.authorities),
            tls_outcomes=self.tls,
            returns=self.returns,
            hostname="mx.example.test",
            port=self.port,
            patience=self.patience,
        )

    def statuses(self, submission_id: str) -> list[tuple[str, str]]:
        """(status, last reply) of each recipient."""
        ((found,),) = self.office.rows(
            "SELECT recipients::text FROM submissions WHERE submission_id = %s", SubmissionId(submission_id)
        )
        return [(one["status"], one["last_reply"]) for one in msgspec.json.decode(found)]

    def notices(self) -> list[bytes]:
        """What Carl was told by mail."""
        while self.office.worker().run_due():
            continue
        return [self.office.blobs.read(one["blob"]) for one in self.office.inbox("m2")]

    def tls_outcomes(self) -> list[tuple[TlsOutcome, int]]:
        rows = self.office.rows("SELECT domain, policy, result, host, sessions FROM tls_outcomes ORDER BY 1, 2, 3, 4")
        return [(TlsOutcome(*row[:4]), row[4]) for row in rows]

    def is_clean(self) -> bool:
        """Whether nothing is kept of anything any more."""
        tables = ("relay_schedule", "relay_domains", "relay_outcomes", "relay_awaited")
        left = [self.office.rows(f"SELECT count(*) FROM {table}") for table in tables]
        held = self.office.rows("SELECT count(*) FROM blob_references WHERE holder LIKE 'outbox:%%'")
        return left == [[(0,)]] * len(tables) and held == [(0,)]
