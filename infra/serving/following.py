"""The views that follow, each in a thread of its own, and the dispatcher that wakes them."""

import logging
import threading
import time
from contextlib import ExitStack

from infra.composition import Parts
from infra.contacts_view import ContactsView
from infra.delivery_parts import DeliveryParts
from infra.followers import OUTAGES, Dispatcher, Follower, FollowingView
from infra.postgres_queue import Connect
from infra.search_generations import LiveIndex
from infra.search_view import SearchView, forget_lost_cursors
from infra.serving.roles import Ready
from projections.search import SearchUnavailableError

LOOK_S = 5.0
_log = logging.getLogger(__name__)


def follow(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Keep search and contacts up with the log until `stop`."""
    with ExitStack() as closing:
        index = parts.search.live(closing)
        views: list[FollowingView] = [SearchView(index, DeliveryParts(parts).extracts.extract), ContactsView()]
        dispatcher = Dispatcher(parts.conninfo, [view.name for view in views])
        threads = [threading.Thread(target=dispatcher.run, args=(stop,), name="dispatcher")]
        for view in views:
            follower = Follower(parts.conninfo, parts.reader, view)
            threads.append(threading.Thread(target=follower.run, args=(stop,), name=f"follower {view.name}"))
        for thread in threads:
            thread.start()
        ready("")
        _watch(threads, LostIndex(parts.connect, index), stop)
        for thread in threads:
            thread.join()


def _watch(threads: list[threading.Thread], lost: "LostIndex", stop: threading.Event) -> None:
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
