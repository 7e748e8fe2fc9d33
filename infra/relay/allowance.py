"""How much has left from new addresses, in Postgres, for all relays together."""

import asyncio
from concurrent.futures import Executor
from datetime import date, timedelta

from infra.postgres_queue import Connect

AT_ONCE = 10
"""Mails that a relay takes into its hand with one commit; those not used when it ends are lost to the day."""
KEPT = timedelta(days=40)
_TAKE = (
    "INSERT INTO relay_sources AS r (address, day, mails) SELECT %(address)s, %(day)s, least(%(some)s, %(most)s)"
    " WHERE %(most)s > 0 ON CONFLICT (address, day) DO UPDATE SET mails = least(r.mails + %(some)s, %(most)s)"
    " WHERE r.mails < %(most)s"
    " RETURNING mails, (SELECT mails FROM relay_sources o WHERE o.address = %(address)s AND o.day = %(day)s)"
)
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('relay source ' || %s, 0))"
_OLD = "DELETE FROM relay_sources WHERE day < %s"


class PostgresAllowance:
    """The port `gateways.relay.sources.Allowance`, for one event loop."""

    def __init__(self, connect: Connect, executor: Executor) -> None:
        self._connect = connect
        self._executor = executor
        self._in_hand: dict[tuple[str, date], int] = {}
        self._lock = asyncio.Lock()

    async def take(self, address: str, day: date, most: int) -> bool:
        """See `Allowance.take`."""
        async with self._lock:
            key = (address, day)
            if not self._in_hand.get(key):
                loop = asyncio.get_running_loop()
                given = await loop.run_in_executor(self._executor, self._given, address, day, most)
                self._in_hand = {kept: left for kept, left in self._in_hand.items() if kept[1] == day} | {key: given}
            if not self._in_hand[key]:
                return False
            self._in_hand[key] -= 1
            return True

    def _given(self, address: str, day: date, most: int) -> int:
        place = {"address": address, "day": day, "most": most, "some": AT_ONCE}
        with self._connect() as connection, connection.transaction():
            connection.execute(_LOCK, (address,))
            found = connection.execute(_TAKE, place).fetchone()
            connection.execute(_OLD, (day - KEPT,))
        return 0 if found is None else int(found[0]) - int(found[1] or 0)
