"""DKIM's private keys in Postgres, sealed: the database alone, or a backup of it, signs nothing."""

from collections.abc import Sequence

import psycopg

from gateways.authentication.dkim_keys import ACTIVE, PENDING, RETIRED, DkimKey, KeysPresentError
from infra.accounts.outages import Connect
from infra.sealing import open_sealed, seal

PURPOSE = b"ledgermail-dkim-1"
"""What the sealing key is derived from the master key for."""
_OF = "SELECT selector, algorithm, state, sealed FROM dkim_keys WHERE domain = %s ORDER BY made_at, selector"
_ADD = "INSERT INTO dkim_keys (domain, selector, algorithm, state, sealed) VALUES (%s, %s, %s, %s, %s)"
_LOCK = "SELECT state FROM dkim_keys WHERE domain = %s ORDER BY selector FOR UPDATE"
_MOVE = "UPDATE dkim_keys SET state = %s WHERE domain = %s AND state = %s"


class PostgresDkimKeys:
    """The port `gateways.authentication.dkim_keys.DkimKeys`; see there. `secret` seals them."""

    def __init__(self, connect: Connect, secret: bytes) -> None:
        self._connect = connect
        self._secret = secret

    def of(self, domain: str) -> Sequence[DkimKey]:
        """See `DkimKeys.of`.

        Raises: SealBrokenError: they were sealed under another master key.
        """
        with self._connect() as connection:
            rows = connection.execute(_OF, (domain,)).fetchall()
        return [
            DkimKey(domain, selector, algorithm, state, open_sealed(self._secret, sealed, _aad(domain, selector)))
            for selector, algorithm, state, sealed in rows
        ]

    def add(self, keys: Sequence[DkimKey]) -> None:
        """See `DkimKeys.add`."""
        try:
            with self._connect() as connection, connection.transaction():
                for key in keys:
                    sealed = seal(self._secret, key.private, _aad(key.domain, key.selector))
                    connection.execute(_ADD, (key.domain, key.selector, key.algorithm, key.state, sealed))
        except psycopg.errors.UniqueViolation as error:
            raise KeysPresentError(keys[0].domain) from error

    def switch(self, domain: str) -> None:
        """See `DkimKeys.switch`."""
        with self._connect() as connection, connection.transaction():
            states = {state for (state,) in connection.execute(_LOCK, (domain,))}
            if PENDING in states:
                connection.execute(_MOVE, (RETIRED, domain, ACTIVE))
                connection.execute(_MOVE, (ACTIVE, domain, PENDING))


def _aad(domain: str, selector: str) -> bytes:
    return f"{domain}\0{selector}".encode()
