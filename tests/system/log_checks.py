"""What must agree about one mailbox, and how to see whether it does: chain, rows, query API, clients."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg

from domain.chain import GENESIS, event_hash
from domain.client_fold import ClientFold
from domain.ids import MailboxId
from domain.mailbox_state import MailboxState, difference
from infra.store.reading import StreamReader
from infra.views.database import Database, reading_pool
from infra.views.mailbox_facts import MailboxFacts
from infra.views.mailbox_records import MailboxRecords
from infra.views.message_lists import MessageLists
from infra.views.stored_rows import stored_rows
from projections.page import Page
from tests.system.given_mailbox import GivenMailboxes

Json = dict[str, Any]


def assert_chain_is_intact(given: GivenMailboxes, mailbox_id: MailboxId) -> int:
    """Seqs 1, 2, 3 …, each hash over the one before, the last of them the mailbox row's. Answers the head."""
    seq, chained = 0, GENESIS
    for row in given.reader.rows(mailbox_id):
        assert row.seq == seq + 1
        facts = {"topic": row.topic, "recorded_at": row.recorded_at, "key_id": row.key_id, "sealed": row.state}
        chained = event_hash(chained, mailbox_id, row.seq, **facts)
        assert chained == row.hash
        seq = row.seq
    with psycopg.connect(given.url) as connection:
        found = connection.execute("SELECT head, head_hash FROM mailboxes WHERE mailbox_id = %s", (mailbox_id,))
        assert found.fetchone() == (seq, chained)
    return seq


def rows_of(given: GivenMailboxes, mailbox_id: MailboxId) -> Json:
    with psycopg.connect(given.url) as connection:
        return stored_rows(connection, mailbox_id)


def assert_rows_equal(given: GivenMailboxes, mailbox_id: MailboxId, state: MailboxState) -> None:
    found = difference(state.rows(), rows_of(given, mailbox_id))
    assert not found, "\n".join(found[:20])


class QueryApi:
    """The three ports of the query API on Postgres, their answers decoded."""

    def __init__(self, database: Database, mailbox_id: MailboxId) -> None:
        self.mailbox_id = mailbox_id
        self.lists = MessageLists(database)
        self.facts = MailboxFacts(database)
        self.records = MailboxRecords(database)

    def pages(self, ask: Callable[..., Page], size: int, **wanted: Any) -> Iterator[list[Json]]:
        cursor: str | None = None
        while True:
            page = ask(self.mailbox_id, cursor=cursor, limit=size, **wanted)
            assert len(page.rows) <= size
            yield [msgspec.json.decode(row) for row in page.rows]
            if (cursor := page.cursor) is None:
                return

    def all(self, ask: Callable[..., Page], size: int, **wanted: Any) -> list[Json]:
        return [row for page in self.pages(ask, size, **wanted) for row in page]

    def messages(self, size: int = 50, **wanted: Any) -> list[Json]:
        return self.all(self.lists.messages, size, **wanted)

    def threads(self, size: int = 50, **wanted: Any) -> list[Json]:
        return self.all(self.lists.threads, size, **wanted)

    def thread(self, thread_id: str) -> list[Json]:
        return [msgspec.json.decode(row) for row in self.lists.thread(self.mailbox_id, thread_id)]

    def fold_page(self, since: int, limit: int) -> Json:
        """A page of `/sync?fold=true`."""
        net = self.facts.net_changes(self.mailbox_id, since, limit=limit)
        changed = [msgspec.json.decode(row) for row in net.changed]
        page = {
            "since": net.since,
            "next": net.next,
            "head": net.head,
            "more": net.next < net.head,
            "messages": {"changed": changed, "removed": list(net.removed)},
        }
        if net.labels_changed is not None:
            page["labels"] = {"changed": list(net.labels_changed), "removed": list(net.labels_removed or ())}
        if net.counts is not None:
            page["counts"] = net.counts
        return page

    def snapshot_page(self, cursor: str | None, limit: int) -> tuple[Json, str | None]:
        """A page of `/snapshot`, the first with labels and counts."""
        page, seq = self.lists.snapshot(self.mailbox_id, cursor=cursor, limit=limit)
        shown: Json = {"seq": seq, "messages": [msgspec.json.decode(row) for row in page.rows]}
        if cursor is None:
            shown |= {
                "labels": self.facts.labels(self.mailbox_id),
                "counts": self.facts.counts(self.mailbox_id),
            }
        return shown, page.cursor


@contextmanager
def query_api(given: GivenMailboxes, mailbox_id: MailboxId) -> Iterator[QueryApi]:
    with reading_pool(given.url, max_size=2) as pool:
        yield QueryApi(Database(pool), mailbox_id)


def sync_page(reader: StreamReader, mailbox_id: MailboxId, since: int, limit: int) -> Json:
    """A page of `/sync` as a client decodes it."""
    return msgspec.json.decode(reader.page(mailbox_id, since, limit=limit).to_json())


def assert_answers_equal(api: QueryApi, state: MailboxState, chance: random.Random) -> None:
    """Every question that the query API answers, at odd page sizes, field for field."""
    assert api.facts.labels(api.mailbox_id) == state.labels()
    assert api.facts.counts(api.mailbox_id) == state.counts()
    for label in (None, *state.counts()):
        _assert_lists_equal(api, state, label, chance)
    for thread_id in {message.thread_id for message in state.mailbox.messages.values()}:
        assert api.thread(thread_id) == state.thread(thread_id)
    head = api.facts.head(api.mailbox_id)
    assert head is not None
    assert (head.seq, head.used_bytes, head.quota_bytes) == (
        state.head,
        state.used_bytes,
        state.mailbox.quota_bytes,
    )
    ids = list(state.mailbox.messages)
    shown = {one: msgspec.json.decode(row) for one, row in api.lists.summaries(api.mailbox_id, ids).items()}
    assert shown == {one: summary for one in ids if (summary := state.message(one)) is not None}
    _assert_belongings_equal(api, state)


def _assert_lists_equal(api: QueryApi, state: MailboxState, label: str | None, chance: random.Random) -> None:
    for unread in (None, True, False):
        for starred in (None, True, False):
            wanted = {"label": label, "unread": unread, "starred": starred}
            size = chance.choice((1, 3, 7, 19, 50))
            expected = state.messages(label, unread=unread, starred=starred, limit=None)
            assert api.messages(size, **wanted) == expected, wanted
    newest: dict[str, Json] = {}
    for message in state.messages(label, limit=None):
        newest.setdefault(message["thread_id"], message)
    expected = [
        {**thread, "subject": newest[thread["id"]]["subject"], "message": newest[thread["id"]]}
        for thread in state.threads(label, limit=None)
    ]
    assert api.threads(chance.choice((1, 3, 7, 19)), label=label) == expected


def _assert_belongings_equal(api: QueryApi, state: MailboxState) -> None:
    box = api.mailbox_id
    drafts = [
        {"id": row.draft_id, "revision": row.revision, "message_id": row.message_id, "seq": row.changed_seq}
        for row in api.records.drafts(box)
    ]
    assert drafts == state.drafts()
    rows, cursor = [], None
    while True:
        page, cursor = api.records.submissions(box, cursor=cursor, limit=3)
        rows += page
        if cursor is None:
            break
    assert [(row.submission_id, row.status, row.message_id, row.changed_seq) for row in rows] == [
        (one["id"], one["status"], one["message_id"], one["seq"]) for one in state.submissions()
    ]
    assert [msgspec.to_builtins(row.recipients) for row in rows] == [one["recipients"] for one in state.submissions()]
    for kind, held in (("contact", state.contacts()), ("identity", state.identities())):
        stored = {one: msgspec.json.decode(body) for one, body in api.facts.documents(box, kind)}
        assert stored == {one["id"]: {k: v for k, v in one.items() if k not in ("id", "seq")} for one in held}
    for kind, body in (("rules", state.rules()), ("vacation", state.vacation())):
        stored = dict(api.facts.documents(box, kind))
        assert (msgspec.json.decode(stored[""]) if stored else None) == body


def assert_client_equals(client: ClientFold, state: MailboxState) -> None:
    assert client.seq == state.head
    assert client.messages() == state.messages(limit=None)
    assert client.labels() == state.labels()
    assert client.counts() == state.counts()
    for label in (None, *state.counts()):
        assert client.threads(label) == state.threads(label, limit=None)


def follow_events(client: ClientFold, given: GivenMailboxes, mailbox_id: MailboxId, chance: random.Random) -> None:
    """To the head by pages of `/sync`."""
    while True:
        page = sync_page(given.reader, mailbox_id, client.seq, chance.choice((1, 7, 40, 500)))
        client.apply_events(page)
        if not page["more"]:
            return


def follow_net_changes(client: ClientFold, api: QueryApi, limit: int) -> None:
    """To the head by pages of `/sync?fold=true`."""
    while True:
        page = api.fold_page(client.seq, limit)
        client.apply_fold(page)
        if not page["more"]:
            return
