"""Who keeps a view up at present: each follower says so in a table, where other processes read it for `/readyz`."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
from psycopg import Connection

from infra.postgres_queue import Connect

EVERY_S = 5.0
LATELY_S = 30
"""Who has said nothing for so long is gone, or cannot reach the database."""
_TELL = """
    INSERT INTO view_states (view, process, not_ready, told_at)
    SELECT v, %(process)s, n, clock_timestamp() FROM unnest(%(views)s::text[], %(reasons)s::text[]) AS told (v, n)
    ON CONFLICT (view, process) DO UPDATE SET not_ready = excluded.not_ready, told_at = excluded.told_at
"""
_FORGET = "DELETE FROM view_states WHERE process = %s OR told_at < clock_timestamp() - interval '1 day'"
_STATES = """
    SELECT view, count(*) FILTER (WHERE not_ready IS NULL), count(not_ready), max(not_ready)
    FROM view_states WHERE told_at > clock_timestamp() - make_interval(secs => %s) GROUP BY view
"""
_log = logging.getLogger(__name__)


class ViewNotKeptError(Exception):
    """Nobody keeps the view up at present."""


class Told(Protocol):
    """A follower, as far as it is told of."""

    @property
    def not_ready(self) -> str | None:
        """Why it applies nothing at present."""


@dataclass(frozen=True, slots=True)
class ViewState:
    """How many followers of a view said lately that they are ready, how many that they wait, and why one does."""

    ready: int
    waiting: int
    why: str | None


def view_states(connection: Connection[Any]) -> dict[str, ViewState]:
    """Every view of which anybody said something lately."""
    found = connection.execute(_STATES, (LATELY_S,)).fetchall()
    return {view: ViewState(ready, waiting, why) for view, ready, waiting, why in found}


def require_kept(connect: Connect, view: str) -> None:
    """Nothing, where a follower of the view is ready. Others that wait behind it are as they should be.

    Raises: ViewNotKeptError.
    """
    with connect() as connection:
        state = view_states(connection).get(view)
    if state is None:
        raise ViewNotKeptError(f"no process follows for {view}")
    if not state.ready:
        raise ViewNotKeptError(state.why)


class Telling:
    """Tells of the followers of one process until it is stopped; what it told is then taken back."""

    def __init__(self, connect: Connect, process: str, followers: Mapping[str, Told]) -> None:
        self._connect = connect
        self._process = process
        self._followers = followers

    def run(self, stop: threading.Event, *, every_s: float = EVERY_S) -> None:
        """Tell every so often. While the database does not answer nobody is told, and nobody could ask."""
        while not stop.is_set():
            self._try(self.tell)
            stop.wait(every_s)
        self._try(self.forget)

    def tell(self) -> None:
        """Say how each stands."""
        reasons = [follower.not_ready for follower in self._followers.values()]
        place = {"process": self._process, "views": list(self._followers), "reasons": reasons}
        with self._connect() as connection, connection.transaction():
            connection.execute(_TELL, place)

    def forget(self) -> None:
        """Take back what was said, and what those said that vanished long ago."""
        with self._connect() as connection, connection.transaction():
            connection.execute(_FORGET, (self._process,))

    @staticmethod
    def _try(step: Any) -> None:
        try:
            step()
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            _log.warning("nobody could be told how the views stand: %s", error)
