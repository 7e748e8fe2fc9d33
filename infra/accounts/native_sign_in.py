"""How clients sign in that speak SMTP (and IMAP and POP3): one check of all passwords that open an account."""

import time
from collections.abc import Callable

from gateways.accounts import AccountSuspendedError, CredentialsInvalidError, Principal
from infra.accounts.app_passwords import PostgresAppPasswords
from infra.accounts.credentials import CredentialCheck, Credentials
from infra.accounts.hashing import PasswordHashing
from infra.accounts.outages import Connect, told_as_unavailable
from infra.accounts.said import canonical
from infra.accounts.sessions import PostgresSessions
from infra.accounts.throttle import SignInThrottle
from infra.accounts.unfinished import Unfinished

OWN_PASSWORD = "password"  # noqa: S105 - the word for it in the owner's log
_STILL_SPEAKS = (
    "SELECT FROM accounts a WHERE a.account_id = %(account)s AND ("
    " EXISTS (SELECT FROM app_passwords p WHERE p.account_id = a.account_id AND p.app_password_id = %(by)s"
    " AND NOT p.removed)"
    " OR EXISTS (SELECT FROM sessions s WHERE s.account_id = a.account_id AND s.session_id = %(by)s"
    " AND s.expires_at > %(now)s)"
    " OR (%(by)s = %(own)s AND a.password_version = %(version)s AND NOT EXISTS"
    " (SELECT FROM second_factors f WHERE f.account_id = a.account_id AND f.state = 'on')))"
)
_LET_IN = ("open", "opening", "suspended")


class PostgresNativeSignIn:
    """The port `gateways.accounts.NativeSignIn`."""

    def __init__(
        self,
        *,
        app_passwords: PostgresAppPasswords,
        credentials: CredentialCheck,
        hashing: PasswordHashing,
        throttle: SignInThrottle,
        unfinished: Unfinished,
        sessions: PostgresSessions,
        connect: Connect,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._connect = connect
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._app_passwords = app_passwords
        self._credentials = credentials
        self._hashing = hashing
        self._throttle = throttle
        self._unfinished = unfinished
        self._sessions = sessions

    @told_as_unavailable
    def with_password(
        self, address: str, password: str, *, client: str, network_address: str, protocol: str
    ) -> Principal:
        """Whom the password speaks for; see `NativeSignIn.with_password`.

        With a second factor the account's own speaks for nobody here, and is refused as a wrong one is.

        One failure is counted once, whichever password it was meant to be, and costs the same for nobody's address.
        """
        name = canonical(address)
        with self._throttle.attempt(name or address, network_address):
            known = None if name is None else self._credentials.find(name)
            signed_in_by = self._matching(known, password)
            if known is None or signed_in_by is None or known.state not in _LET_IN:
                raise CredentialsInvalidError("address and password do not belong together")
        if known.state == "suspended":
            raise AccountSuspendedError("the account is suspended")
        self._unfinished.open_mailbox(known.account_id)
        self._app_passwords.record(
            known, signed_in_by, client=client, network_address=network_address, protocol=protocol
        )
        version = known.password_version if signed_in_by == OWN_PASSWORD else 0
        return Principal(known.account_id, known.mailbox_id, known.address, signed_in_by, known.role, version)

    def with_token(self, token: str, *, network_address: str, protocol: str) -> Principal:
        """Whom a session's token speaks for; see `NativeSignIn.with_token`."""
        principal = self._sessions.authenticate(token)
        if principal is None:
            raise CredentialsInvalidError("the token speaks for nobody")
        return principal

    @told_as_unavailable
    def still_speaks(self, principal: Principal) -> bool:
        """Whether what it came in with stands still; see `NativeSignIn.still_speaks`."""
        asked = {
            "account": principal.account_id,
            "by": principal.session_id,
            "own": OWN_PASSWORD,
            "version": principal.password_version,
            "now": self._clock_ms(),
        }
        with self._connect() as connection:
            return connection.execute(_STILL_SPEAKS, asked).fetchone() is not None

    def _matching(self, known: Credentials | None, password: str) -> str | None:
        found = self._app_passwords.matching("" if known is None else known.account_id, password)
        if found is not None:
            return found
        right = self._hashing.verify(None if known is None else known.password_hash, password)
        guarded = known is not None and known.has_second_factor
        return OWN_PASSWORD if right and not guarded else None
