"""Mail to other hosts: what a relay hands to a sink a second, signed, and the next one due among 10^5."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dnslib.server import DNSLogger, DNSServer
from dnslib.zoneresolver import ZoneResolver

from domain.decisions import SubmitNew
from domain.decisions.delivery import Composed
from domain.events import MessageServer, SubmissionRecipient
from domain.ids import MailboxId, SubmissionId, new_id
from gateways.authentication.dkim_keys import ACTIVE, new_keys
from gateways.delivery.incoming import personal_of
from gateways.mime.parse import parse
from gateways.outgoing import DueMail
from infra import blob_references
from infra.delivery_parts import DeliveryParts
from infra.dkim_keys import PURPOSE, PostgresDkimKeys
from infra.relay.schedule import PostgresSchedule
from scripts.benchmarks.mails import whole
from scripts.benchmarks.report import Figure, absolute, ms, p50, p99
from scripts.benchmarks.service import service
from scripts.benchmarks.stage import Stage, say

ROW = "relay"
DOMAINS = 8
SIZE_BYTES = 16_384
SENDERS = 16
DEFERRED = 100_000
DESTINATIONS = 5_000
LOOKS = 200
PATIENCE_S = 300.0


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `relay`."""
    yield from _throughput(stage)
    yield from _next_due(stage)


def _throughput(stage: Stage) -> Iterator[Figure]:
    mails = stage.sizes.relayed_messages
    with other_hosts() as (sink, settings):
        _prepare(stage, mails)
        say(f"{ROW}: {mails} mails to a sink")
        with service(stage, only="relay", environment=settings) as running:
            running.wait_until("relaying", lambda: sink.taken >= mails, within_s=PATIENCE_S)
            cpu, memory = running.cpu_s(), running.memory(ROW, f"relaying {mails} mails")
    elapsed_s = sink.last_at - sink.first_at
    rate = (sink.taken - sink.first) / elapsed_s if elapsed_s else 0.0
    told = ", ".join(f"{name} {used * 1000 / mails:.1f}" for name, used in cpu.items() if name in ("relay", "Postgres"))
    yield absolute(ROW, "signed mails of 16 KB to a sink", rate, "/s", least=200)
    yield absolute(
        ROW,
        "signed mails to a sink: CPU a mail",
        sum(cpu.values()) * 1000 / mails,
        "ms",
        note=f"start included: {told}",
    )
    yield memory


def _prepare(stage: Stage, mails: int) -> None:
    """Submissions of several owners, handed to the relay by a sender."""
    store, parts = stage.installation, stage.parts
    make_keys(stage)
    owners = store.open_mailboxes(SENDERS)
    futures = [
        store.lane.submit(submission(stage, owners[number % SENDERS], number, to=elsewhere(number)))
        for number in range(mails)
    ]
    for future in futures:
        future.result()
    sender = DeliveryParts(parts).sender()
    while sender.run_due():
        continue


def make_keys(stage: Stage) -> None:
    """Those that mail is signed with."""
    keys = PostgresDkimKeys(stage.parts.connect, stage.parts.keys.derived(PURPOSE))
    if not keys.of("example.test"):
        keys.add(new_keys("example.test", label="bench", state=ACTIVE))


def elsewhere(number: int) -> str:
    """An address at one of the hosts."""
    return f"somebody@d{number % DOMAINS}.test"


def submission(stage: Stage, owner: MailboxId, number: int, *, to: str) -> SubmitNew:
    """A mail of the owner's, its object durable."""
    raw = whole(number, to, size=SIZE_BYTES, run=f"relay{time.time_ns()}")
    raw = b"From: Ada <ada@example.test>\r\n" + raw.partition(b"\r\n")[2] if raw.startswith(b"From:") else raw
    blob = f"emails/2026/01/01/{new_id('b')}.eml"
    stage.parts.blobs.put(blob, raw)
    with stage.parts.connect() as connection, connection.transaction():
        blob_references.touch(connection, {blob: len(raw)})
    now = time.time_ns() // 1_000_000
    return SubmitNew(
        mailbox_id=owner,
        command_id=new_id("c"),
        mail_from="ada@example.test",
        recipients=(SubmissionRecipient(to),),
        send_at_ms=now,
        undo_until_ms=now,
        stream="personal",
        per_minute=10**6,
        per_day=10**7,
        message=Composed(
            personal=personal_of(parse(raw)), server=MessageServer(blob=blob), size=len(raw), received_at=now
        ),
    )


def _next_due(stage: Stage) -> Iterator[Figure]:
    """The schedule full of what is not due; one after another something is."""
    store = stage.store()
    say(f"{ROW}: the next one due among {DEFERRED}")
    later = time.time_ns() // 1_000_000 + 3_600_000
    store.rows_done(
        "INSERT INTO relay_schedule (mailbox_id, submission_id, domain, recipients, attempt, due_at, queued_at)"
        " SELECT 'm' || n % 1000, 's' || n, 'd' || n % %s || '.test', '{0}', 2, %s + n, 0"
        " FROM generate_series(1, %s) AS n".replace("n % ", "n %% "),
        (DESTINATIONS, later, DEFERRED),
    )
    store.rows_done(
        "INSERT INTO relay_domains (domain, due_at) SELECT domain, min(due_at) FROM relay_schedule GROUP BY 1"
    )
    store.settle()
    schedule = PostgresSchedule(store.pool.connection, "bench")
    took = []
    for number in range(LOOKS):
        due = DueMail(
            domain=f"d{number}.test",
            mailbox_id=MailboxId("due"),
            submission_id=SubmissionId(f"due{number}"),
            recipients=(0,),
            attempt=1,
        )
        schedule.put_all([due])
        began = time.perf_counter()
        found = schedule.take(limit=400)
        took.append(time.perf_counter() - began)
        assert [one.submission_id for one in found] == [due.submission_id]
    yield absolute(ROW, f"the next one due among {DEFERRED} in the schedule, p50", ms(p50(took)), "ms", most=10)
    yield absolute(ROW, f"the next one due among {DEFERRED} in the schedule, p99", ms(p99(took)), "ms")
    stage.drop(store)


class Counted:
    """What the sink says."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self._lines = process.stdout
        self.port = int(self._lines.readline())
        self.taken = self.first = 0
        self.first_at = self.last_at = 0.0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._lines:
            self.last_at = time.perf_counter()
            self.taken = int(line)
            if not self.first:
                self.first, self.first_at = self.taken, self.last_at


@contextmanager
def other_hosts() -> Iterator[tuple[Counted, dict[str, str]]]:
    """All of them one sink, and the settings by which a service finds it."""
    with _sink() as sink, _dns() as dns:
        yield (
            sink,
            {
                "LEDGERMAIL_DNS": f"127.0.0.1:{dns}",
                "LEDGERMAIL_RELAY_PORT": str(sink.port),
                "LEDGERMAIL_AUTHENTICATION": "off",
            },
        )


@contextmanager
def _sink() -> Iterator[Counted]:
    command = [sys.executable, "-m", "scripts.benchmarks.smtp_sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - this program's own
        try:
            yield Counted(process)
        finally:
            process.kill()


@contextmanager
def _dns() -> Iterator[int]:
    """A DNS of which every domain has the sink for its host; its port."""
    lines = [f"d{number}.test. 3600 IN MX 10 mx.d{number}.test." for number in range(DOMAINS)]
    lines += [f"mx.d{number}.test. 3600 IN A 127.0.0.2" for number in range(DOMAINS)]
    server = DNSServer(ZoneResolver("\n".join(lines)), port=0, address="127.0.0.1", logger=DNSLogger("error"))
    server.start_thread()
    try:
        yield int(server.server.server_address[1])
    finally:
        server.stop()
