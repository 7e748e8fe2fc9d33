"""What the installation was taught, in a door's memory: read in the background, given at once."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import PoolTimeout

from gateways.spam.learning import LEAST_MAILBOXES, Installation, Told, taught_together
from infra.postgres_queue import Connect

EVERY_S = 300.0
MOST_TOKENS = 200_000
MOST_SENDERS = 50_000
_WEIGHED = """
    WITH most AS (
        SELECT (SELECT spams FROM spam_counts ORDER BY spams DESC OFFSET %(others)s LIMIT 1) AS spams,
            (SELECT hams FROM spam_counts ORDER BY hams DESC OFFSET %(others)s LIMIT 1) AS hams
    ), weights AS (
        SELECT c.mailbox_id, least(c.spams, m.spams) AS spams, least(c.hams, m.hams) AS hams,
            coalesce(least(c.spams, m.spams)::float / nullif(c.spams, 0), 0) AS of_a_spam,
            coalesce(least(c.hams, m.hams)::float / nullif(c.hams, 0), 0) AS of_a_ham
        FROM spam_counts c CROSS JOIN most m
    )
    {}
"""
"""No mailbox weighs more than the one that taught third most: or who teaches without end says what all words mean."""
_MESSAGES = _WEIGHED.format("SELECT coalesce(sum(spams), 0)::bigint, coalesce(sum(hams), 0)::bigint FROM weights")
_TOKENS = _WEIGHED.format("""
    SELECT t.token, sum(t.spams * w.of_a_spam), sum(t.hams * w.of_a_ham),
        count(*) FILTER (WHERE t.spams > 0), count(*) FILTER (WHERE t.hams > 0)
    FROM spam_tokens t JOIN weights w USING (mailbox_id)
    GROUP BY t.token HAVING count(*) >= %(least)s
    ORDER BY sum(t.spams * w.of_a_spam) + sum(t.hams * w.of_a_ham) DESC LIMIT %(most)s
""")
_SENDERS = """
    SELECT sender, (count(DISTINCT mailbox_id) FILTER (WHERE is_spam)
        - count(DISTINCT mailbox_id) FILTER (WHERE NOT is_spam))::integer AS more
    FROM spam_taught WHERE sender <> 0 GROUP BY sender
    HAVING count(DISTINCT mailbox_id) FILTER (WHERE is_spam) >= %s ORDER BY more DESC LIMIT %s
"""
_log = logging.getLogger(__name__)


def installation(connection: Connection[Any]) -> Installation:
    """What several mailboxes taught alike; of one alone nothing is in it."""
    asked = {"least": LEAST_MAILBOXES, "others": LEAST_MAILBOXES - 1, "most": MOST_TOKENS}
    ((spams, hams),) = connection.execute(_MESSAGES.encode(), asked).fetchall()
    told = [Told(*row) for row in connection.execute(_TOKENS.encode(), asked).fetchall()]
    senders = connection.execute(_SENDERS, (LEAST_MAILBOXES, MOST_SENDERS)).fetchall()
    return Installation(taught_together(told, spams=spams, hams=hams), dict(senders))


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
