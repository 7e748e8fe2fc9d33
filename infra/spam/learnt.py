"""What the installation was taught, in a door's memory: read in the background, given at once."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import PoolTimeout

from gateways.spam.bayes import learnt
from gateways.spam.learning import LEAST_MAILBOXES, Installation
from infra.postgres_queue import Connect

EVERY_S = 300.0
MOST_TOKENS = 200_000
MOST_SENDERS = 50_000
_MESSAGES = "SELECT coalesce(sum(spams), 0)::bigint, coalesce(sum(hams), 0)::bigint FROM spam_counts"
_TOKENS = """
    SELECT token, sum(spams)::bigint, sum(hams)::bigint FROM spam_tokens
    GROUP BY token HAVING count(*) >= %s ORDER BY sum(spams) + sum(hams) DESC LIMIT %s
"""
_SENDERS = """
    SELECT sender, (count(DISTINCT mailbox_id) FILTER (WHERE is_spam)
        - count(DISTINCT mailbox_id) FILTER (WHERE NOT is_spam))::integer AS more
    FROM spam_taught WHERE sender <> 0 GROUP BY sender
    HAVING count(DISTINCT mailbox_id) FILTER (WHERE is_spam) >= %s ORDER BY more DESC LIMIT %s
"""
_log = logging.getLogger(__name__)


def installation(connection: Connection[Any]) -> Installation:
    """What several mailboxes taught alike; of one alone nothing is in it."""
    ((spams, hams),) = connection.execute(_MESSAGES).fetchall()
    counts = connection.execute(_TOKENS, (LEAST_MAILBOXES, MOST_TOKENS)).fetchall()
    senders = connection.execute(_SENDERS, (LEAST_MAILBOXES, MOST_SENDERS)).fetchall()
    return Installation(learnt(counts, spams=spams, hams=hams), dict(senders))


class InstallationLearnt:
    """Gives what was read last, and has it read anew every so often; never waits."""

    def __init__(
        self, connect: Connect, *, every_s: float = EVERY_S, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect = connect
        self._every_s = every_s
        self._clock_s = clock_s
        self._due_s = 0.0
        self._known = Installation()

    def __call__(self) -> Installation:
        """What is known."""
        if self._clock_s() >= self._due_s:
            self._due_s = self._clock_s() + self._every_s
            threading.Thread(target=self.look, name="spam filter", daemon=True).start()
        return self._known

    def look(self) -> None:
        """Read it now; while the database does not answer what was known stays."""
        self._due_s = self._clock_s() + self._every_s
        try:
            with self._connect() as connection:
                self._known = installation(connection)
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("what the spam filter was taught could not be read: %s", error)
