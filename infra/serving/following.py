"""The views that follow, each in a thread of its own, and what wakes them: the dispatcher, or Kafka behind it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

from domain.ids import new_id
from infra.composition import Parts
from infra.contacts_view import ContactsView
from infra.delivery_parts import DeliveryParts
from infra.followers import OUTAGES, Dispatcher, Follower, FollowingView
from infra.kafka import publishing
from infra.postgres_queue import Connect
from infra.search_generations import LiveIndex
from infra.search_view import SearchView, forget_lost_cursors
from infra.serving.roles import Ready
from infra.spam.parts import spam_view
from infra.trail.view import ToldView
from infra.view_states import Telling
from projections.search import SearchUnavailableError

LOOK_S = 5.0
PUBLISH_POLL_S, PUBLISH_GATHER_S = 0.05, 0.1
"""Whoever follows gathers anyway."""
Run = Callable[[threading.Event], None]
"""Works until it is told to stop."""
_log = logging.getLogger(__name__)


class _Following(NamedTuple):
    """Who follows, by what is followed for, and who wakes them; `publisher` is one who follows in order to wake."""

    followers: dict[str, Follower[Any]]
    wakers: list[tuple[str, Run]]
    publisher: dict[str, Follower[Any]]


def follow(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Keep search, contacts and what the spam filters learn up with the log until `stop`."""
    with ExitStack() as closing:
        index = parts.search.live(closing)
        if parts.kafka is None or parts.settings.kafka_publish == "no":
            with parts.connect() as connection, connection.transaction():
                publishing.forget(connection)
        views: list[FollowingView] = [
            ToldView(SearchView(index, DeliveryParts(parts).extracts.extract)),
            ToldView(ContactsView()),
            spam_view(parts),
        ]
        following = _woken_by_kafka(parts, views, closing) if parts.kafka else _woken_by_postgres(parts, views)
        telling = Telling(parts.connect, new_id("f"), following.followers | following.publisher)
        runs = [*following.wakers, ("telling", telling.run)]
        runs += [(f"follower {name}", follower.run) for name, follower in following.followers.items()]
        _run_all(runs, LostIndex(parts.connect, index), stop, ready)


def _woken_by_postgres(parts: Parts, views: Sequence[FollowingView]) -> _Following:
    followers = {view.name: Follower(parts.conninfo, parts.reader, view) for view in views}
    return _Following(followers, [("dispatcher", Dispatcher(parts.conninfo, list(followers)).run)], {})


def _woken_by_kafka(parts: Parts, views: Sequence[FollowingView], leaving: ExitStack) -> _Following:
    """The wake-ups of appends go to what publishes, and views are members of the groups that read it: all but those
    that one process alone can write, where another member would sit on its partitions."""
    from infra.kafka.group_follower import GroupFollower
    from infra.kafka.topic_reader import TopicReader

    assert parts.kafka is not None
    written_by_one = {"search"} if parts.settings.search == "tantivy" else set()
    followers: dict[str, Follower[Any]] = {}
    for view in views:
        if view.name in written_by_one:
            followers[view.name] = Follower(parts.conninfo, parts.reader, view)
        else:
            reader = TopicReader(parts.connect, parts.reader)
            member = GroupFollower(parts.conninfo, reader, view, parts.kafka.following(view.name))
            leaving.callback(member.close)
            followers[view.name] = member
    publisher = _publisher(parts)
    wakers: list[tuple[str, Run]] = [
        (name, partial(one.run, poll_s=PUBLISH_POLL_S, gather_s=PUBLISH_GATHER_S)) for name, one in publisher.items()
    ]
    wakers.append(("dispatcher", Dispatcher(parts.conninfo, [*publisher, *sorted(written_by_one)]).run))
    return _Following(followers, wakers, publisher)


def _publisher(parts: Parts) -> dict[str, Follower[Any]]:
    """Who brings appends into the topic, unless something else does."""
    from infra.kafka.events import EventsView, SealedLog

    assert parts.kafka is not None
    if parts.settings.kafka_publish == "no":
        return {}
    with parts.connect() as connection:
        publishing.begin_at_heads(connection)
    events = EventsView(parts.kafka.publisher, parts.kafka.topics.events)
    return {events.name: Follower(parts.conninfo, SealedLog(parts.recorder), events)}


def _run_all(runs: Sequence[tuple[str, Run]], lost: "LostIndex", stop: threading.Event, ready: Ready) -> None:
    threads = [threading.Thread(target=run, args=(stop,), name=name) for name, run in runs]
    for thread in threads:
        thread.start()
    ready("")
    _watch(threads, lost, stop)
    for thread in threads:
        thread.join()


def _watch(threads: Sequence[threading.Thread], lost: "LostIndex", stop: threading.Event) -> None:
    looked: float | None = None
    while True:
        if looked is None or time.monotonic() - looked > LOOK_S:
            lost.look()
            looked = time.monotonic()
        if stop.wait(0.5):
            return
        if not all(thread.is_alive() for thread in threads):
            raise RuntimeError("a view that follows ended; the process starts anew")


class LostIndex:
    """Notices that another index stands where one stood, and sets the stored cursors back to what it has."""

    def __init__(self, connect: Connect, index: LiveIndex) -> None:
        self._connect = connect
        self._index = index
        self._seen: str | None = None

    def look(self) -> None:
        """Look once; in an outage of the index or the database the next look sees the same."""
        try:
            found = self._index.identity()
            if found != self._seen:
                with self._connect() as connection, connection.transaction():
                    forget_lost_cursors(connection, self._index)
                self._seen = found
        except (*OUTAGES, SearchUnavailableError) as error:
            _log.warning("the search index cannot be looked at: %s", error)
