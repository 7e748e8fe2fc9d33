"""Sessions: opaque tokens of which only a hash is kept; what they stood for a moment ago is known."""

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from psycopg import Connection
from psycopg.rows import class_row

from domain.decisions import RecordSignIn
from domain.events import Who
from domain.ids import new_id
from gateways.accounts import CredentialsInvalidError, Principal, Session, SessionUnknownError, SignedIn
from gateways.appending import Appender
from infra.accounts.credentials import CredentialCheck, Credentials
from infra.accounts.ended_sessions import tell_ended
from infra.accounts.known_tokens import KnownTokens, Moment, RememberedTokens
from infra.accounts.outages import Connect, told_as_unavailable
from infra.accounts.said import is_id, said
from infra.accounts.second_factors import PostgresSecondFactors
from infra.accounts.unfinished import Unfinished

DAY_MS = 86_400_000
SESSION_MS = 90 * DAY_MS
MAX_SESSIONS = 100
"""Of one account; the oldest end first."""
SEEN_EVERY_MS = 300_000
SEEN_AT_ONCE = 500
"""Of those who wait so many are noted as seen with one question; the others with the next ones."""

_TOKEN = re.compile(r"lm_[A-Za-z0-9_-]{43}", re.ASCII)
_BEGIN = (
    "INSERT INTO sessions (token_hash, session_id, account_id, client, network_address, created_at, last_seen_at,"
    " expires_at) SELECT %s, %s, account_id, %s, %s, %s, %s, %s FROM accounts"
    " WHERE account_id = %s AND password_version = %s AND state = 'open' FOR SHARE"
)
_TRIM = (
    "DELETE FROM sessions WHERE account_id = %(account)s AND (expires_at <= %(now)s OR session_id NOT IN"
    " (SELECT session_id FROM sessions WHERE account_id = %(account)s"
    " ORDER BY created_at DESC, session_id DESC LIMIT %(most)s)) RETURNING token_hash"
)
_FIND = (
    "SELECT a.account_id, a.mailbox_id, a.address, s.session_id, a.role, s.last_seen_at FROM sessions s"
    " JOIN accounts a USING (account_id) WHERE s.token_hash = %s AND s.expires_at > %s AND a.state = 'open'"
)
_STANDING = (
    "SELECT s.token_hash, s.last_seen_at FROM sessions s JOIN accounts a USING (account_id)"
    " WHERE s.token_hash = ANY (%b) AND s.expires_at > %s AND a.state = 'open'"
)
_SEEN = "UPDATE sessions SET last_seen_at = %s WHERE token_hash = %s AND last_seen_at < %s"
_SEEN_TOGETHER = (
    "UPDATE sessions SET last_seen_at = %s WHERE token_hash IN"
    " (SELECT token_hash FROM sessions WHERE token_hash = ANY (%s) FOR UPDATE SKIP LOCKED)"
)
_LIST = (
    "SELECT session_id, client, network_address, created_at, last_seen_at, expires_at FROM sessions"
    " WHERE account_id = %s AND expires_at > %s ORDER BY created_at DESC, session_id DESC LIMIT %s"
)
_END = "DELETE FROM sessions WHERE account_id = %s AND session_id = %s RETURNING token_hash"
END_OTHERS = "DELETE FROM sessions WHERE account_id = %s AND session_id <> %s RETURNING token_hash"


class PostgresSessions:
    """The port `gateways.accounts.Sessions`."""

    def __init__(
        self,
        connect: Connect,
        check: CredentialCheck,
        unfinished: Unfinished,
        appender: Appender,
        second_factors: PostgresSecondFactors,
        *,
        known: KnownTokens | None = None,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._connect = connect
        self._check = check
        self._unfinished = unfinished
        self._appender = appender
        self._second_factors = second_factors
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._known = known or RememberedTokens()

    @told_as_unavailable
    def sign_in(
        self,
        address: str,
        password: str,
        *,
        client: str,
        network_address: str,
        protocol: str = "http",
        totp: str | None = None,
    ) -> SignedIn:
        """A new session; see `Sessions.sign_in`."""
        known = self._check.require(address, password, network_address=network_address)
        codes_left = self._second_factors.require(known, totp, network_address=network_address)
        self._unfinished.open_mailbox(known.account_id)
        self._unfinished.record_password(known.account_id)
        self._second_factors.record(known.account_id)
        client, network_address = said(client), said(network_address)
        token, session_id = "lm_" + secrets.token_urlsafe(32), new_id("n")
        expires_at = self._begin(known, token, session_id, client=client, network_address=network_address)
        who = Who(actor="owner", client=client, protocol=protocol, address=network_address)
        try:
            self._appender.run(
                RecordSignIn(
                    mailbox_id=known.mailbox_id,
                    command_id=f"signin:{session_id}",
                    who=who,
                    session_id=session_id,
                    address=network_address,
                    client=client,
                    protocol=protocol,
                    recovery_codes_left=codes_left,
                )
            )
        except BaseException:  # no session without its record
            self._end(_END, known.account_id, session_id)
            raise
        return SignedIn(token, msgspec.structs.replace(known.account, state="open"), session_id, expires_at)

    def _begin(self, known: Credentials, token: str, session_id: str, *, client: str, network_address: str) -> int:
        now = self._clock_ms()
        times = (now, now, now + SESSION_MS)
        values = (_hash(token), session_id, client, network_address, *times, known.account_id, known.password_version)
        with self._connect() as connection, connection.transaction():
            if not connection.execute(_BEGIN, values).rowcount:  # a change of password or state came first
                raise CredentialsInvalidError("address and password do not belong together")
            trimmed = {"account": known.account_id, "now": now, "most": MAX_SESSIONS}
            if ended := connection.execute(_TRIM, trimmed).fetchall():
                tell_ended(connection, known.account_id)
        self.forget(ended)
        return now + SESSION_MS

    def authenticate(self, token: str) -> Principal | None:
        """Whom a token speaks for; see `Sessions.authenticate`."""
        if _TOKEN.fullmatch(token) is None:
            return None
        key = _hash(token)
        found = self._known.find(key)
        return found if isinstance(found, Principal) else self._look_up(key, found)

    @told_as_unavailable
    def _look_up(self, key: bytes, asked: Moment) -> Principal | None:
        now = self._clock_ms()
        with self._connect() as connection:
            row = connection.execute(_FIND, (key, now), prepare=True).fetchone()
            if row is None:
                return None
            _note_seen(connection, key, last_seen_at=row[5], now=now)
        principal = Principal(*row[:5])
        self._known.note(key, principal, asked)
        return principal

    @told_as_unavailable
    def ended(self, tokens: Sequence[str]) -> set[str]:
        """Those that speak for nobody any more; see `Sessions.ended`."""
        hashes = {_hash(token): token for token in tokens}
        now = self._clock_ms()
        with self._connect() as connection:
            found = connection.execute(_STANDING, (list(hashes), now), binary=True).fetchall()
            seen = [key for key, last_seen_at in found if now - last_seen_at >= SEEN_EVERY_MS]
            if seen:
                connection.execute(_SEEN_TOGETHER, (now, seen[:SEEN_AT_ONCE]))
        for key, _last_seen_at in found:
            del hashes[key]
        self.forget([(key,) for key in hashes])
        return set(hashes.values())

    @told_as_unavailable
    def list_sessions(self, account_id: str) -> list[Session]:
        """Where the account is signed in; see `Sessions.list_sessions`."""
        with self._connect() as connection, connection.cursor(row_factory=class_row(Session)) as cursor:
            return cursor.execute(_LIST, (account_id, self._clock_ms(), MAX_SESSIONS)).fetchall()

    @told_as_unavailable
    def end_session(self, account_id: str, session_id: str) -> None:
        """Sign out there; see `Sessions.end_session`."""
        if not is_id(session_id) or not self._end(_END, account_id, session_id):
            raise SessionUnknownError("no such session")

    @told_as_unavailable
    def end_others(self, account_id: str, *, keep: str) -> int:
        """Sign out everywhere but in one session; see `Sessions.end_others`."""
        return self._end(END_OTHERS, account_id, keep)

    def _end(self, statement: str, account_id: str, session_id: str) -> int:
        with self._connect() as connection, connection.transaction():
            ended = connection.execute(statement.encode(), (account_id, session_id)).fetchall()
            if ended:
                tell_ended(connection, account_id)
        self.forget(ended)
        return len(ended)

    def forget(self, hashes: Iterable[tuple[Any, ...]]) -> None:
        """Believe no longer in these sessions, just deleted: (hash of the token,) each."""
        self._known.forget([bytes(key) for (key,) in hashes])


def _note_seen(connection: Connection[Any], key: bytes, *, last_seen_at: int, now: int) -> None:
    if now - last_seen_at >= SEEN_EVERY_MS:
        connection.execute(_SEEN, (now, key, now - SEEN_EVERY_MS + 1))


def _hash(token: str) -> bytes:
    """What is kept of a token: it holds 256 bits of chance, so it needs no slow hash."""
    return hashlib.sha256(token.encode()).digest()
