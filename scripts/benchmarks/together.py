"""Two delivery and two follower processes on one backlog: what they have done is counted, message by message."""

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import uvloop

from domain.events import MessageDelivered, MessagePersonal
from domain.ids import MailboxId
from infra.rebuild import verify_mailbox
from scripts.benchmarks.accounts import Holder, open_accounts
from scripts.benchmarks.ingest import RECIPIENTS
from scripts.benchmarks.report import Figure, absolute
from scripts.benchmarks.service import Service, service
from scripts.benchmarks.smtp_client import Load, send
from scripts.benchmarks.stage import Stage, say

ROW = "together"
DOORS = "http,smtp,lmtp,timers"
WORKERS = "delivery,follower"
CONNECTIONS = 16
FIRST_S = 60.0
_APPENDED = "SELECT coalesce(sum(head), 0) FROM mailboxes WHERE mailbox_id = ANY (%s)"
_COUNTED = "SELECT coalesce(sum(received), 0) FROM correspondents WHERE mailbox_id = %s"
_SUBJECT = re.compile(r"([a-z0-9]+)#(\d+)#")


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `together`."""
    recipients = open_accounts(stage, [f"together{number}" for number in range(RECIPIENTS)])
    sent = []
    for processes in (1, 2):
        sent.append(_backlog(stage, recipients))
        delivered_s, followed_s, split = _worked_off(stage, recipients, processes)
        count = sent[-1].messages
        at = f"{processes} delivery and {processes} follower process{'es' if processes > 1 else ''}"
        yield absolute(ROW, f"{at}: delivered", count / delivered_s, "/s", note=split)
        yield absolute(ROW, f"{at}: delivered and followed", count / followed_s, "/s")
    wrong = _wrong(stage, recipients, sent)
    for name, found in wrong.items():
        yield absolute(ROW, name, len(found), "", most=0, note="; ".join(found[:3]))


def _backlog(stage: Stage, recipients: Sequence[Holder]) -> Load:
    """Mails that are accepted and delivered by nobody."""
    with service(stage, only=DOORS) as doors:
        load = Load(
            port=doors.smtp,
            recipients=[one.address for one in recipients],
            messages=stage.sizes.backlog_messages,
            connections=CONNECTIONS,
            run=f"t{time.time_ns()}",
        )
        say(f"{ROW}: {load.messages:,} mails are accepted")
        uvloop.run(send(load))
    return load


def _worked_off(stage: Stage, recipients: Sequence[Holder], count: int) -> tuple[float, float, str]:
    """Seconds from the first delivery seen until the last, and until search and contacts have it; who used what CPU."""
    ids = [one.mailbox_id for one in recipients]
    before = _appended(stage, ids)
    expected = before + stage.sizes.backlog_messages
    say(f"{ROW}: {count} of each deliver and follow them")
    with ExitStack() as closing:
        with ThreadPoolExecutor(count + 1) as pool:
            beginning = pool.submit(_first, stage, ids, before)
            running = list(pool.map(lambda _: closing.enter_context(service(stage, only=WORKERS)), range(count)))
            first = beginning.result()
        running[0].wait_until("delivery", lambda: _appended(stage, ids) >= expected)
        delivered_s = time.perf_counter() - first
        running[0].wait_until("followers", running[0].followers_are_up)
        followed_s = time.perf_counter() - first
        return delivered_s, followed_s, _split(running)


def _first(stage: Stage, ids: Sequence[MailboxId], before: int) -> float:
    """When the first was delivered. Raises: TimeoutError."""
    until = time.monotonic() + FIRST_S
    while _appended(stage, ids) <= before:
        if time.monotonic() > until:
            raise TimeoutError(f"nothing was delivered within {FIRST_S:.0f} s")
        time.sleep(0.02)
    return time.perf_counter()


def _appended(stage: Stage, ids: Sequence[MailboxId]) -> int:
    return int(stage.installation.rows(_APPENDED, (list(ids),))[0][0])


def _split(running: Sequence[Service]) -> str:
    """What each process has used since its start: that each of them had its share."""
    used = [service.cpu_s() for service in running]
    roles = [role for role in used[0] if role in WORKERS.split(",")]
    return "CPU s " + ", ".join(f"{role} {' and '.join(f'{one[role]:.1f}' for one in used)}" for role in roles)


def _wrong(stage: Stage, recipients: Sequence[Holder], sent: Sequence[Load]) -> dict[str, list[str]]:
    """What is not as it must be, by kind."""
    say(f"{ROW}: counting")
    wrong: dict[str, list[str]] = {"lost": [], "doubled": [], "out of order": [], "views that are not the fold": []}
    index = stage.search_index()
    for place, holder in enumerate(recipients):
        expected = {f"{load.run}#{n}" for load in sent for n in range(place, load.messages, len(recipients))}
        found, seqs = _in_the_log(stage, holder.mailbox_id)
        wrong["lost"] += sorted(expected - found.keys())
        wrong["doubled"] += [name for name, times in found.items() if times > 1]
        wrong["out of order"] += [f"{holder.address}: {seqs[-3:]}"] * (seqs != list(range(1, len(seqs) + 1)))
        wrong["views that are not the fold"] += verify_mailbox(stage.url, stage.installation.reader, holder.mailbox_id)
        counted = int(stage.installation.rows(_COUNTED, (holder.mailbox_id,))[0][0])
        indexed, _ = index.messages(holder.mailbox_id)
        wrong["views that are not the fold"] += [
            f"{holder.address}: {count} of {found.total()} in {view}"
            for view, count in (("contacts", counted), ("search", len(indexed)))
            if count != found.total()
        ]
    return wrong


def _in_the_log(stage: Stage, mailbox_id: MailboxId) -> tuple[Counter[str], list[int]]:
    """How often each mail was delivered, and the places of all events in their order."""
    found: Counter[str] = Counter()
    seqs: list[int] = []
    for recorded in stage.installation.reader.recorded(mailbox_id):
        seqs.append(recorded.seq)
        if isinstance(recorded.event, MessageDelivered) and isinstance(recorded.event.personal, MessagePersonal):
            told = _SUBJECT.match(recorded.event.personal.subject)
            found[f"{told[1]}#{told[2]}" if told else recorded.event.id] += 1
    return found, seqs
