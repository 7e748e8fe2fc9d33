"""Views with a cache before them: at every moment of a history they say what the views say."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.ids import LabelId, MailboxId
from domain.search_language import parse
from infra.caches.cache import Cache, MemoryCache
from infra.caches.current import CurrentAnswers
from infra.caches.names import Names
from infra.caches.sealed import SealedCache
from infra.caches.views import Views, with_cache
from infra.contacts_view import ContactsView, StoredSuggestions
from infra.followers import Follower, FollowingView, fan_out
from infra.redis_server.cache import RedisCache
from infra.search_view import SearchView
from infra.tantivy_search.live import open_live
from infra.views.database import Database, reading_pool
from infra.views.mailbox_facts import MailboxFacts
from infra.views.message_lists import MessageLists
from tests.infra.test_followers import extract, given, history
from tests.own_redis import shared_redis
from tests.system.given_mailbox import GivenMailboxes
from tests.system.random_commands import START_MS, RandomCommands

__all__ = ["given", "history"]  # fixtures
NAMES = Names(bytes(32))
SECRET = b"s" * 32


class CountingCache:
    """A cache, and how often something was found there."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.hits = 0
        self.entries: dict[bytes, bytes] = {}

    def get(self, name: bytes) -> bytes | None:
        found = self._cache.get(name)
        self.hits += found is not None
        return found

    def put(self, name: bytes, value: bytes, *, for_s: int) -> None:
        self._cache.put(name, value, for_s=for_s)
        self.entries[name] = value


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.servers)])
def cache(request: pytest.FixtureRequest) -> Iterator[CountingCache]:
    if request.param == "memory":
        yield CountingCache(MemoryCache())
        return
    with shared_redis() as server:
        server.ask("FLUSHDB")
        yield CountingCache(RedisCache(server))


@pytest.fixture
def database(given: GivenMailboxes) -> Iterator[Database]:
    pool = reading_pool(given.url)
    yield Database(pool)
    pool.close()


@pytest.fixture
def views(database: Database, tmp_path: Path) -> Iterator[Views]:
    index = open_live(tmp_path / "search")
    yield Views(MessageLists(database), MailboxFacts(database), StoredSuggestions(database), index)
    index.close()


@pytest.fixture
def cached(views: Views, given: GivenMailboxes, database: Database, cache: CountingCache) -> Views:
    return with_cache(views, CurrentAnswers(SealedCache(cache, NAMES, secret=SECRET), database))


def all_that_may_be_kept(views: Views, mailbox_id: MailboxId) -> dict[str, Any]:
    inbox, search = LabelId("INBOX"), views.search
    return {
        "all mail": views.lists.messages(mailbox_id),
        "two of all mail": views.lists.messages(mailbox_id, limit=2),
        "unread in the inbox": views.lists.messages(mailbox_id, label=inbox, unread=True),
        "starred in the inbox": views.lists.messages(mailbox_id, label=inbox, starred=True),
        "conversations": views.lists.threads(mailbox_id),
        "conversations of the inbox": views.lists.threads(mailbox_id, label=inbox, limit=3),
        "labels": views.facts.labels(mailbox_id),
        "counts": views.facts.counts(mailbox_id),
        "correspondents": views.suggestions.find(mailbox_id, "a"),
        "two correspondents": views.suggestions.find(mailbox_id, "", limit=2),
        "search": search.search(mailbox_id, parse("in:anywhere", START_MS)),
        "search for a word": search.search(mailbox_id, parse("alpha OR -engine", START_MS), limit=3),
    }


def follow(given: GivenMailboxes, view: FollowingView) -> None:
    follower = Follower(given.url, given.reader, view)
    with psycopg.connect(given.url, autocommit=True) as connection:
        fan_out(connection, ["search", "contacts"])
        while follower.step(connection):
            pass


def test_after_every_part_of_a_history_cached_views_say_what_the_views_say(
    history: RandomCommands,
    views: Views,
    cached: Views,
    cache: CountingCache,
) -> None:
    following = [SearchView(views.search, extract), ContactsView()]
    for part in range(12):
        history.run(10)
        if part % 2:
            for view in following:
                follow(history.given, view)
        for _unkept_and_kept in range(2):
            assert all_that_may_be_kept(cached, history.mailbox_id) == all_that_may_be_kept(views, history.mailbox_id)
    assert cache.hits >= 12 * len(all_that_may_be_kept(views, history.mailbox_id))


def test_later_pages_and_what_is_no_list_are_the_views_own(
    history: RandomCommands,
    views: Views,
    cached: Views,
    cache: CountingCache,
) -> None:
    history.run(60)
    mailbox_id = history.mailbox_id
    first = views.lists.messages(mailbox_id, limit=2)
    assert first.cursor is not None
    later: list[Callable[[Views], Any]] = [
        lambda some: some.lists.messages(mailbox_id, limit=2, cursor=first.cursor),
        lambda some: some.lists.snapshot(mailbox_id, cursor=None, limit=3),
        lambda some: some.facts.head(mailbox_id),
        lambda some: some.facts.documents(mailbox_id, "identity"),
        lambda some: some.facts.net_changes(mailbox_id, 3, limit=5),
        lambda some: some.search.cursor(mailbox_id),
    ]
    for ask in later:
        assert [ask(cached), ask(cached)] == [ask(views)] * 2
    assert (cache.hits, cache.entries) == (0, {})


def test_nothing_kept_is_found_by_another_history_with_the_same_head(
    history: RandomCommands,
    views: Views,
    cached: Views,
    cache: CountingCache,
) -> None:
    history.run(30)
    all_that_may_be_kept(cached, history.mailbox_id)
    with psycopg.connect(history.given.url) as connection:
        connection.execute(
            "UPDATE mailboxes SET head_hash = sha256(head_hash) WHERE mailbox_id = %s", (history.mailbox_id,)
        )
    all_that_may_be_kept(cached, history.mailbox_id)
    assert cache.hits == 0


def test_nothing_kept_is_found_after_a_rebuild_switched_the_rows(
    history: RandomCommands,
    cached: Views,
    cache: CountingCache,
) -> None:
    history.run(30)
    cached.lists.messages(history.mailbox_id)
    with psycopg.connect(history.given.url) as connection:
        connection.execute(
            "UPDATE mailboxes SET generation = generation + 1 WHERE mailbox_id = %s", (history.mailbox_id,)
        )
    assert cached.lists.messages(history.mailbox_id).rows == ()
    assert cache.hits == 0


def test_an_entry_that_got_into_another_mailboxs_place_is_not_read(
    given: GivenMailboxes,
    cached: Views,
    cache: CountingCache,
) -> None:
    ann, bob = given.open("ann@example.test"), given.open("bob@example.test")
    anns = cached.facts.labels(ann)
    [(_, entry)] = cache.entries.items()
    cache.entries.clear()
    bobs = cached.facts.labels(bob)
    [name] = cache.entries
    cache.put(name, entry, for_s=60)
    assert cached.facts.labels(bob) == bobs
    assert anns is not bobs


def test_what_is_kept_names_nobody_and_cannot_be_read_without_the_installations_secret(
    given: GivenMailboxes, cached: Views, cache: CountingCache
) -> None:
    ann = given.open("ann@example.test")
    cached.facts.labels(ann)
    [(name, entry)] = cache.entries.items()
    assert b"INBOX" not in entry
    assert ann.encode() not in name
    sealed = SealedCache(cache, NAMES, secret=b"x" * 32)
    sealed.put(ann, "labels-1", value=b"x", for_s=60)
    assert SealedCache(cache, NAMES, secret=SECRET).get(ann, "labels-1") is None
    assert sealed.get(ann, "labels-1") == b"x"


def test_what_another_version_kept_in_another_form_is_asked_for_anew(
    given: GivenMailboxes, database: Database, cache: CountingCache
) -> None:
    ann = given.open("ann@example.test")
    answers = CurrentAnswers(SealedCache(cache, NAMES, secret=SECRET), database)
    assert answers.of_log(ann, ("question",), lambda: "a text", str) == "a text"
    assert answers.of_log(ann, ("question",), lambda: 7, int) == 7
    assert answers.of_log(ann, ("question",), lambda: 8, int) == 7


def test_of_an_erased_mailbox_and_of_none_nothing_is_kept(
    given: GivenMailboxes,
    cached: Views,
    cache: CountingCache,
) -> None:
    ann = given.open("ann@example.test")
    with psycopg.connect(given.url) as connection:
        connection.execute("UPDATE mailboxes SET erased = true WHERE mailbox_id = %s", (ann,))
    for mailbox_id in (ann, MailboxId("m0")):
        cached.facts.counts(mailbox_id)
        cached.suggestions.find(mailbox_id, "a")
    assert cache.entries == {}
