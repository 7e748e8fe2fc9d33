"""Answers under idempotency keys, sealed, on Postgres, for a day."""

import time

from gateways.http.ports import KeptAnswer
from infra.postgres_queue import Connect
from infra.sealing import open_sealed, seal

KEPT_MS = 86_400_000
FORGOTTEN_AT_ONCE = 100

_FIND = "SELECT digest, status, body FROM http_answers WHERE account_id = %s AND key = %s AND expires_at > %s"
_KEEP = (
    "INSERT INTO http_answers AS a (account_id, key, digest, status, body, expires_at) VALUES (%s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (account_id, key) DO UPDATE SET digest = excluded.digest, status = excluded.status,"
    " body = excluded.body, expires_at = excluded.expires_at WHERE a.expires_at <= %s"
)
_FORGET = (
    "DELETE FROM http_answers WHERE (account_id, key) IN"
    " (SELECT account_id, key FROM http_answers WHERE expires_at <= %s LIMIT %s FOR UPDATE SKIP LOCKED)"
)


class PostgresKeptAnswers:
    """The port `gateways.http.ports.KeptAnswers`; `secret` (32 octets) seals the bodies."""

    def __init__(self, connect: Connect, secret: bytes) -> None:
        self._connect = connect
        self._secret = secret

    def find(self, account_id: str, key: str) -> KeptAnswer | None:
        """The answer kept under this key."""
        with self._connect() as connection:
            found = connection.execute(_FIND, (account_id, key, _now_ms())).fetchone()
        if found is None:
            return None
        digest, status, body = found
        return KeptAnswer(bytes(digest), status, open_sealed(self._secret, bytes(body), _aad(account_id, key)))

    def keep(self, account_id: str, key: str, answer: KeptAnswer) -> KeptAnswer:
        """Keep this answer, or give back the one that is kept already."""
        now_ms = _now_ms()
        body = seal(self._secret, answer.body, _aad(account_id, key))
        row = (account_id, key, answer.digest, answer.status, body, now_ms + KEPT_MS, now_ms)
        with self._connect() as connection:
            connection.execute(_FORGET, (now_ms, FORGOTTEN_AT_ONCE))
            connection.execute(_KEEP, row)
        return self.find(account_id, key) or answer


def _aad(account_id: str, key: str) -> bytes:
    return b"http answer\0%b\0%b" % (account_id.encode(), key.encode())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
