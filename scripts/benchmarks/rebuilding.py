"""Making views again from the log: the rows in step, and the search index, half of the events `MessageDelivered`."""

import time
from collections.abc import Iterator

import psycopg

from domain.decisions.modifying import Modify
from domain.ids import MailboxId
from domain.mailbox_state import MailboxState
from gateways.mime.structure import ParsedMessage
from infra.extracts import store_extracts
from infra.rebuild import rebuild_mailbox, verify_mailbox
from infra.search_rebuild import rebuild_search
from scripts.benchmarks.mails import blob_name, parsed
from scripts.benchmarks.report import Figure, absolute, compared, p50
from scripts.benchmarks.stage import Stage, Store, say
from scripts.benchmarks.two_mailboxes import IN_FLIGHT, fill

ROW = "rebuild"
GOAL_PER_S = 5_000


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `rebuild`."""
    store, messages = stage.store(), stage.sizes.rebuild_messages
    store.touch_blobs(messages)
    mailbox_id = store.open_mailboxes(1)[0]
    say(f"{ROW}: a mailbox with {messages:,} deliveries and as many changes")
    fill(store, mailbox_id, messages)
    _read_each(store, messages)
    store.settle()
    _change_each(store, mailbox_id)
    store.settle()
    head = _head(store, mailbox_id)
    rows_s: list[float] = []
    reading_s: list[float] = []
    differences: list[str] = []
    for number in range(min(stage.sizes.rounds, 3)):
        say(f"{ROW}: round {number + 1}, {head:,} events")
        began = time.perf_counter()
        for _event in store.reader.recorded(mailbox_id):
            pass
        reading_s.append(time.perf_counter() - began)
        began = time.perf_counter()
        differences += rebuild_mailbox(store.url, store.reader, mailbox_id).differences
        rows_s.append(time.perf_counter() - began)
    delivered = store.rows("SELECT count(*) FROM stored_events WHERE topic = 'MessageDelivered'")[0][0]
    share = f"{delivered / head:.0%} of {head:,} events are MessageDelivered"
    yield absolute(ROW, "rows in step: events", head / p50(rows_s), "/s", least=GOAL_PER_S, note=share)
    yield compared(
        ROW,
        "rows in step: events",
        head / p50(rows_s),
        "/s",
        peer="reading and opening the log alone",
        peer_value=head / p50(reading_s),
    )
    say(f"{ROW}: verify")
    yield from _verified(store, mailbox_id, head, differences)
    say(f"{ROW}: search")
    began = time.perf_counter()
    generations = stage.fresh_generations()
    made = rebuild_search(store.url, generations, store.reader, extract=_nothing_is_read_again)
    search_s = time.perf_counter() - began
    yield absolute(ROW, "search index: events", made.events / search_s, "/s")
    yield absolute(
        ROW, "rows in step and search: events", head / (p50(rows_s) + search_s), "/s", least=GOAL_PER_S,
        note="one after the other; texts of 300 words, from their stored extracts",
    )  # fmt: skip
    stage.drop(store)


def _verified(store: Store, mailbox_id: MailboxId, head: int, differences: list[str]) -> Iterator[Figure]:
    began = time.perf_counter()
    MailboxState.replay(store.reader.recorded(mailbox_id))
    folded_s = time.perf_counter() - began
    began = time.perf_counter()
    differences += verify_mailbox(store.url, store.reader, mailbox_id)
    verified_s = time.perf_counter() - began
    yield compared(
        ROW, "verify: events", head / verified_s, "/s", peer="fold in memory alone", peer_value=head / folded_s
    )
    yield absolute(ROW, "differences found", len(differences), "", most=0, note="; ".join(differences[:3]))


def _read_each(store: Store, messages: int) -> None:
    """The extracts that delivering them would have stored."""
    with psycopg.connect(store.url) as connection:
        for start in range(0, messages, IN_FLIGHT):
            numbers = range(start, min(start + IN_FLIGHT, messages))
            store_extracts(connection, {blob_name(number): parsed(number) for number in numbers})
            connection.commit()


def _nothing_is_read_again(blob: str) -> ParsedMessage:
    raise LookupError(f"{blob} has no extract")


def _change_each(store: Store, mailbox_id: MailboxId) -> None:
    """As many changes as there are deliveries, one message each."""
    ids = [row[0] for row in store.rows("SELECT message_id FROM messages WHERE mailbox_id = %s", (mailbox_id,))]
    for start in range(0, len(ids), IN_FLIGHT):
        futures = [
            store.lane.submit(
                Modify(mailbox_id=mailbox_id, command_id=f"star:{one}", ids=(one,), add_keywords=("$flagged",))
            )
            for one in ids[start : start + IN_FLIGHT]
        ]
        for future in futures:
            future.result()


def _head(store: Store, mailbox_id: MailboxId) -> int:
    head = store.facts.head(mailbox_id)
    return 0 if head is None else head.seq
