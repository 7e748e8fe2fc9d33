"""Mail sent at a steady pace: how long until another host has it, and, beside it, until a mailbox here has it."""

import time
from collections.abc import Iterator, Sequence

import psycopg

from domain.ids import MailboxId, new_id
from scripts.benchmarks import relaying
from scripts.benchmarks.relaying import PATIENCE_S, ROW, SENDERS, elsewhere, make_keys, other_hosts, submission
from scripts.benchmarks.report import Figure, absolute, p50, p99
from scripts.benchmarks.service import service
from scripts.benchmarks.stage import Stage, say

PER_S = 100
ONE_HERE_IN = 5
_DIRECTORY = "INSERT INTO directory (address, mailbox_id, account_id, state) VALUES (%s, %s, %s, 'open')"
_OPEN = (
    "SELECT count(*) FROM submissions WHERE mailbox_id = ANY(%s)"
    " AND recipients->0->>'status' NOT IN ('relayed', 'delivered')"
)
_TOOK = (
    "SELECT s.recipients->0->>'status', (told.recorded_at - sent.recorded_at) / 1000.0 FROM submissions s"
    " JOIN stored_events sent ON sent.originator_id = s.mailbox_id AND sent.originator_version = s.created_seq"
    " JOIN stored_events told ON told.originator_id = s.mailbox_id AND told.originator_version = s.changed_seq"
    " WHERE s.mailbox_id = ANY(%s)"
)


def measure_all(stage: Stage) -> Iterator[Figure]:
    """The rows of `relay`."""
    yield from relaying.measure(stage)
    yield from measure(stage)


def measure(stage: Stage) -> Iterator[Figure]:
    """From the send to the report in its sender's log, which comes after the far side's 250 or the delivery here."""
    mails = stage.sizes.relayed_messages
    make_keys(stage)
    owners = stage.installation.open_mailboxes(SENDERS)
    here = _address(stage, owners[0])
    commands = [
        submission(stage, owners[number % SENDERS], number, to=elsewhere(number) if number % ONE_HERE_IN else here)
        for number in range(mails)
    ]
    with other_hosts() as (_sink, settings), service(stage, only="sender,relay,delivery", environment=settings) as run:
        say(f"{ROW}: {mails} mails, {PER_S} a second")
        began = time.perf_counter()
        for number, command in enumerate(commands):
            time.sleep(max(0.0, began + number / PER_S - time.perf_counter()))
            stage.installation.lane.submit(command)
        run.wait_until("settling", lambda: _count_open(stage, owners) == 0, within_s=PATIENCE_S)
        rate = mails / (time.perf_counter() - began)
    took = _took(stage, owners)
    there, delivered = took.get("relayed", []), took.get("delivered", [])
    note = f"{PER_S} mails a second handed over, {rate:.0f} a second settled; until its sender's log tells of it"
    yield absolute(ROW, "from the send until another host has it, p50", p50(there), "s", note=note)
    yield absolute(ROW, "from the send until another host has it, p99", p99(there), "s", most=30, note=note)
    yield absolute(ROW, "from the send until a mailbox here has it, beside, p50", p50(delivered), "s", note=note)
    yield absolute(
        ROW, "from the send until a mailbox here has it, beside, p99", p99(delivered), "s", most=2, note=note
    )


def _address(stage: Stage, owner: MailboxId) -> str:
    address = f"{new_id('r')}@example.test"
    with psycopg.connect(stage.url, autocommit=True) as connection:
        connection.execute(_DIRECTORY, (address, owner, f"u{owner}"))
    return address


def _count_open(stage: Stage, owners: Sequence[MailboxId]) -> int:
    with psycopg.connect(stage.url, autocommit=True) as connection:
        found = connection.execute(_OPEN, (list(owners),)).fetchone()
    assert found is not None
    return int(found[0])


def _took(stage: Stage, owners: Sequence[MailboxId]) -> dict[str, list[float]]:
    """Seconds, by what became of the mail."""
    found: dict[str, list[float]] = {}
    with psycopg.connect(stage.url, autocommit=True) as connection:
        for status, seconds in connection.execute(_TOOK, (list(owners),)):
            found.setdefault(status, []).append(float(seconds))
    return found
