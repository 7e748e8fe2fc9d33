"""What was counted of TLS with other hosts, as reports read it and let it go."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from gateways.tls_reports.report import Counted
from infra.postgres_queue import Connect

MOST_ROWS: Final = 1_000
"""Of one report, those of the most sessions."""
_DUE = (
    "SELECT day, domain FROM (SELECT DISTINCT day, domain FROM tls_outcomes WHERE day < %s AND day >= %s) AS due"
    " ORDER BY random() LIMIT %s"
)
"""In no order: domains whose DNS does not answer stand in nobody's way."""
_ROWS = (
    "SELECT policy, result, host, sessions FROM tls_outcomes WHERE day = %s AND domain = %s"
    " ORDER BY sessions DESC, policy, result, host LIMIT %s"
)
_POLICY = "SELECT policy FROM mta_sts_policies WHERE domain = %s"
_FORGET = "DELETE FROM tls_outcomes WHERE day = %s AND domain = %s"


def tls_counted(connect: Connect, *, since: date, before: date, limit: int) -> Sequence[tuple[date, str]]:
    """Days and domains that are not reported yet."""
    with connect() as connection:
        return connection.execute(_DUE, (before, since, limit)).fetchall()


def sessions_counted(connect: Connect, day: date, domain: str) -> Sequence[Counted]:
    """Those of one day with one domain's hosts."""
    with connect() as connection:
        return [Counted(*row) for row in connection.execute(_ROWS, (day, domain, MOST_ROWS))]


def known_policy(connect: Connect, domain: str) -> str:
    """The text of the domain's MTA-STS policy as it was fetched last; empty where none is kept."""
    with connect() as connection:
        found = connection.execute(_POLICY, (domain,)).fetchone()
    return "" if found is None else str(found[0])


def forget_sessions(connect: Connect, day: date, domain: str) -> None:
    """They are reported. Safe to repeat."""
    with connect() as connection:
        connection.execute(_FORGET, (day, domain))
