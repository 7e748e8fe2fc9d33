"""Followers that are woken by `mailbox_events`: one view, 1, 2 and 4 members of its group in processes of their own."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Any

from domain.ids import MailboxId
from infra.composition import Parts
from infra.contacts_view import ContactsView
from infra.kafka.cluster import KafkaUnavailableError
from infra.kafka.events import encoded, runs
from infra.kafka.group_follower import GroupFollower
from infra.kafka.parts import KafkaParts
from infra.kafka.topic_reader import TopicReader
from infra.settings import load
from infra.store.recorder import MailboxRecorder, datastore
from scripts.benchmarks.report import Figure, absolute
from scripts.benchmarks.stage import Stage, Store, say
from scripts.benchmarks.topics import MAILBOXES, backlog, kafka, own_topics

ROW = "follow"
CONSUMERS = (1, 2, 4)
RECORD_EVENTS = 8
"""What came to a mailbox while the publisher gathered, where much comes in."""
JOINED_S, FOLLOWED_S = 60.0, 180.0

Records = Sequence[tuple[str, bytes]]
_BEHIND = (
    "SELECT count(*) FROM mailboxes b LEFT JOIN followers f ON f.mailbox_id = b.mailbox_id AND f.view = 'contacts'"
    " WHERE b.mailbox_id = ANY (%s) AND coalesce(f.applied_seq, 0) < b.head"
)
_COUNTED = "SELECT coalesce(sum(received), 0) FROM correspondents WHERE mailbox_id = ANY (%s)"


class NotFollowedError(Exception):
    """The group did not form, or did not come to the end."""


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `follow`."""
    store, events = stage.store(), stage.sizes.published_events
    say(f"{ROW}: {events:,} deliveries in {MAILBOXES} mailboxes")
    mailboxes = backlog(store, events)  # their wake-ups stay: no sweep wakes the view before the records do
    store.settle()
    records = _records(store, mailboxes)
    for consumers in CONSUMERS:
        say(f"{ROW}: {consumers} consumers")
        store.rows_done("TRUNCATE correspondents")
        store.rows_done("DELETE FROM followers")
        settings = own_topics(stage, store)
        with kafka(settings) as parts, _group(settings, parts, consumers):
            began = time.perf_counter()
            parts.publisher.publish(parts.topics.events, records)
            _wait(lambda: _number(store, _BEHIND, mailboxes) == 0, FOLLOWED_S, "the end of the log")
            taken_s = time.perf_counter() - began
        at = f"{consumers} consumer{'s' if consumers > 1 else ''}"
        note = f"{len(records):,} records of up to {RECORD_EVENTS} events, from the first one's publishing on"
        yield absolute(ROW, f"{at}: events", (events + len(mailboxes)) / taken_s, "/s", note=note)
        wrong = abs(_number(store, _COUNTED, mailboxes) - events)
        yield absolute(ROW, f"{at}: lost or counted twice", wrong, "", most=0)
    stage.drop(store)


def _records(store: Store, mailboxes: Sequence[MailboxId]) -> Records:
    """What the publisher would have made of it, mailbox by mailbox in turn."""
    events = datastore(store.url, pool_size=1)
    recorder = MailboxRecorder(events)
    made: list[list[tuple[str, bytes]]] = []
    for mailbox_id in mailboxes:
        rows = list(recorder.rows_after(mailbox_id, 0, limit=100_000))
        some = [rows[start : start + RECORD_EVENTS] for start in range(0, len(rows), RECORD_EVENTS)]
        made.append([(mailbox_id, encoded(run)) for part in some for run in runs(mailbox_id, part)])
    events.close()
    return [one[turn] for turn in range(max(map(len, made))) for one in made if turn < len(one)]


@contextmanager
def _group(settings: Mapping[str, str], parts: KafkaParts, consumers: int) -> Iterator[None]:
    """So many followers that share the partitions among them; ended afterwards."""
    spawned = multiprocessing.get_context("spawn")
    stop = spawned.Event()
    members = [spawned.Process(target=follow, args=(dict(settings), stop), daemon=True) for _ in range(consumers)]
    for member in members:
        member.start()
    try:
        _wait(lambda: _is_shared(parts, consumers), JOINED_S, f"{consumers} members")
        yield
    finally:
        stop.set()
        for member in members:
            member.join(20)
            member.kill()


def follow(settings: Mapping[str, str], stop: Event) -> None:
    """Follow in this process until `stop`."""
    with Parts(load(settings)) as parts:
        assert parts.kafka is not None
        view = ContactsView()
        reader = TopicReader(parts.connect, parts.reader)
        follower = GroupFollower(parts.conninfo, reader, view, parts.kafka.following(view.name))
        try:
            follower.run(stop)  # type: ignore[arg-type]  # asked and waited for alike
        finally:
            follower.close()


def _is_shared(parts: KafkaParts, consumers: int) -> bool:
    """Whether every member has its share of the partitions, and the group is at rest."""
    group = parts.topics.group(f"follower-{ContactsView.name}")
    try:
        with parts.cluster.admin() as admin:
            found = admin.describe_groups([group])[group]
    except KafkaUnavailableError:  # the first group of a cluster: what keeps groups is being made
        return False
    fair = parts.topics.partitions // consumers
    shares = [_partitions(one) for one in found["members"]]
    return found["group_state"] == "Stable" and len(shares) == consumers and min(shares) >= fair


def _partitions(member: Mapping[str, Any]) -> int:
    assigned = (member["member_assignment"] or {}).get("assigned_partitions", ())
    return sum(len(one["partitions"]) for one in assigned)


def _number(store: Store, statement: str, mailboxes: Sequence[MailboxId]) -> int:
    return int(store.rows(statement, (list(mailboxes),))[0][0])


def _wait(reached: Callable[[], bool], within_s: float, what: str) -> None:
    until = time.monotonic() + within_s
    while not reached():
        if time.monotonic() > until:
            raise NotFollowedError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.02)
