"""How clients sign in that speak SMTP (and IMAP and POP3): one check of all passwords that open an account."""

from gateways.accounts import AccountSuspendedError, CredentialsInvalidError, Principal
from infra.accounts.app_passwords import PostgresAppPasswords
from infra.accounts.credentials import CredentialCheck, Credentials
from infra.accounts.hashing import PasswordHashing
from infra.accounts.outages import told_as_unavailable
from infra.accounts.said import canonical
from infra.accounts.sessions import PostgresSessions
from infra.accounts.throttle import SignInThrottle
from infra.accounts.unfinished import Unfinished

OWN_PASSWORD = "password"  # noqa: S105 - the word for it in the owner's log
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
    ) -> None:
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
        return Principal(known.account_id, known.mailbox_id, known.address, signed_in_by, known.role)

    def with_token(self, token: str, *, network_address: str, protocol: str) -> Principal:
        """Whom a session's token speaks for; see `NativeSignIn.with_token`."""
        principal = self._sessions.authenticate(token)
        if principal is None:
            raise CredentialsInvalidError("the token speaks for nobody")
        return principal

    def _matching(self, known: Credentials | None, password: str) -> str | None:
        found = self._app_passwords.matching("" if known is None else known.account_id, password)
        if found is not None:
            return found
        right = self._hashing.verify(None if known is None else known.password_hash, password)
        guarded = known is not None and known.has_second_factor
        return OWN_PASSWORD if right and not guarded else None
