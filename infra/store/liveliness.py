"""How a connection notices that the other side is gone: a silent partition would keep it, and its locks, for hours."""

from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

LIVELY: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Parameters of libpq for every connection; on a Unix socket they have no effect."""
RECONNECT_S = 1.0
"""How long a pool tries to replace a lost connection before it waits for the next who asks: by itself it would wait
twice as long after each try, and after a long outage for minutes beyond its end."""


def check_or_drain(pool: ConnectionPool[Any], connection: Connection[Any]) -> None:
    """Check a connection that is to be lent. Where it died the others died with it: they are replaced at once, for the
    pool would try one after another, and wait longer after each.

    Raises: psycopg.Error, on which the pool takes another.
    """
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        pool.drain()
        raise
