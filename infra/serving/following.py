"""The views that follow, each in a thread of its own, and what wakes them: the dispatcher, or Kafka behind it."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from infra.composition import Parts
from infra.contacts_view import ContactsView
from infra.delivery_parts import DeliveryParts
from infra.followers import Dispatcher, Follower, FollowingView
from infra.kafka import publishing
from infra.search_view import SearchView, forget_lost_cursors
from infra.serving.roles import Ready
from infra.tantivy_search.live import open_live

PUBLISH_POLL_S, PUBLISH_GATHER_S = 0.05, 0.1
"""Whoever follows gathers anyway."""
ONE_WRITER = frozenset({"search"})
"""The embedded index."""
Run = Callable[[threading.Event], None]
"""Works until it is told to stop."""


def follow(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Keep search and contacts up with the log until `stop`."""
    index = open_live(parts.settings.data / "search")
    with parts.connect() as connection, connection.transaction():
        forget_lost_cursors(connection, index)
        if parts.kafka is None or parts.settings.kafka_publish == "no":
            publishing.forget(connection)
    views: list[FollowingView] = [SearchView(index, DeliveryParts(parts).extracts.extract), ContactsView()]
    with ExitStack() as leaving:
        runs = _woken_by_kafka(parts, views, leaving) if parts.kafka else _woken_by_postgres(parts, views)
        _run_all(runs, stop, ready)
    index.close()


def _woken_by_postgres(parts: Parts, views: Sequence[FollowingView]) -> list[tuple[str, Run]]:
    runs: list[tuple[str, Run]] = [("dispatcher", Dispatcher(parts.conninfo, [view.name for view in views]).run)]
    return runs + [(f"follower {view.name}", Follower(parts.conninfo, parts.reader, view).run) for view in views]


def _woken_by_kafka(parts: Parts, views: Sequence[FollowingView], leaving: ExitStack) -> list[tuple[str, Run]]:
    """The wake-ups of appends go to what publishes, and views are members of the groups that read it: all but those
    that one process alone can write, where another member would sit on its partitions."""
    from infra.kafka.group_follower import GroupFollower
    from infra.kafka.topic_reader import TopicReader

    assert parts.kafka is not None
    lone = [view for view in views if view.name in ONE_WRITER]
    publishers = _publishers(parts)
    woken = [view.name for view in lone] + ([publishing.NAME] if publishers else [])
    runs: list[tuple[str, Run]] = [("dispatcher", Dispatcher(parts.conninfo, woken).run), *publishers]
    runs += [(f"follower {view.name}", Follower(parts.conninfo, parts.reader, view).run) for view in lone]
    for view in [view for view in views if view not in lone]:
        reader = TopicReader(parts.connect, parts.reader)
        follower = GroupFollower(parts.conninfo, reader, view, parts.kafka.following(view.name))
        leaving.callback(follower.close)
        runs.append((f"follower {view.name}", follower.run))
    return runs


def _publishers(parts: Parts) -> list[tuple[str, Run]]:
    """What brings appends into the topic, unless something else does."""
    from infra.kafka.events import EventsView, SealedLog

    assert parts.kafka is not None
    if parts.settings.kafka_publish == "no":
        return []
    with parts.connect() as connection:
        publishing.begin_at_heads(connection)
    events = EventsView(parts.kafka.publisher, parts.kafka.topics.events)
    follower = Follower(parts.conninfo, SealedLog(parts.recorder), events)
    return [("publisher", partial(follower.run, poll_s=PUBLISH_POLL_S, gather_s=PUBLISH_GATHER_S))]


def _run_all(runs: Sequence[tuple[str, Run]], stop: threading.Event, ready: Ready) -> None:
    threads = [threading.Thread(target=run, args=(stop,), name=name) for name, run in runs]
    for thread in threads:
        thread.start()
    ready("")
    while not stop.wait(0.5):
        if not all(thread.is_alive() for thread in threads):
            raise RuntimeError("a view that follows ended; the process starts anew")
    for thread in threads:
        thread.join()
