"""Telling every process that sessions of an account have ended: a hint by NOTIFY.

The transaction that ends them sends it, so whoever listens hears it before the head of anything appended later. A check
by the clock is behind it (`gateways.http.token_checks`).
"""

from typing import Any

from psycopg import Connection

CHANNEL = "ledgermail_ended"


def tell_ended(connection: Connection[Any], account_id: str) -> None:
    """With the commit of this transaction, say that sessions of the account ended."""
    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, account_id))
