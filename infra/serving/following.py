"""The views that follow, each in a thread of its own, and the dispatcher that wakes them."""

import threading

from domain.ids import new_id
from infra.composition import Parts
from infra.contacts_view import ContactsView
from infra.delivery_parts import DeliveryParts
from infra.followers import Dispatcher, Follower, FollowingView
from infra.search_view import SearchView, forget_lost_cursors
from infra.serving.roles import Ready
from infra.tantivy_search.live import open_live
from infra.trail.view import ToldView
from infra.view_states import Telling


def follow(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Keep search and contacts up with the log until `stop`."""
    index = open_live(parts.settings.data / "search")
    with parts.connect() as connection, connection.transaction():
        forget_lost_cursors(connection, index)
    views: list[FollowingView] = [SearchView(index, DeliveryParts(parts).extracts.extract), ContactsView()]
    dispatcher = Dispatcher(parts.conninfo, [view.name for view in views])
    followers = {view.name: Follower(parts.conninfo, parts.reader, ToldView(view)) for view in views}
    telling = Telling(parts.connect, new_id("f"), followers)
    threads = [
        threading.Thread(target=dispatcher.run, args=(stop,), name="dispatcher"),
        threading.Thread(target=telling.run, args=(stop,), name="telling"),
    ]
    for name, follower in followers.items():
        threads.append(threading.Thread(target=follower.run, args=(stop,), name=f"follower {name}"))
    for thread in threads:
        thread.start()
    ready("")
    while not stop.wait(0.5):
        if not all(thread.is_alive() for thread in threads):
            raise RuntimeError("a view that follows ended; the process starts anew")
    for thread in threads:
        thread.join()
    index.close()
