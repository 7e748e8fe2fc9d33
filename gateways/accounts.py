"""The ports to accounts: registration, sessions, passwords, and the passwords of native clients.

Every call blocks and may come from many threads at once. Times are unix milliseconds. What a caller did wrong is a
`DomainRefusal` with the stable `code` of the HTTP contract; what the accounts' database does not answer is
`AccountsUnavailableError`. Who a call comes from (`Who`) is recorded with the events that it appends.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

import msgspec

from domain.events import Who
from domain.ids import MailboxId
from domain.refusals import DomainRefusal

Role = Literal["user", "auditor"]
AccountState = Literal["opening", "open", "suspended", "closed"]
"""`opening`: the mailbox is not opened yet, any visit finishes that; `closed`: neither owner nor mail gets in."""


class AddressTakenError(DomainRefusal):
    """Somebody has the address, or it belongs to the operator (RFC 2142): 409."""

    code: ClassVar[str] = "address_taken"


class AddressInvalidError(DomainRefusal):
    """No account can have this address: 422."""

    code: ClassVar[str] = "address_invalid"


class PasswordWeakError(DomainRefusal):
    """The password is too short, too long or too easily guessed; `detail` says which: 422."""

    code: ClassVar[str] = "password_weak"


class DomainNotServedError(DomainRefusal):
    """The address is of a domain that is not served here: 422."""

    code: ClassVar[str] = "domain_not_served"


class RegistrationClosedError(DomainRefusal):
    """Only an operator opens accounts here: 403."""

    code: ClassVar[str] = "registration_closed"


class DisplayNameInvalidError(DomainRefusal):
    """The display name is too long or holds control characters: 422."""

    code: ClassVar[str] = "display_name_invalid"


class CredentialsInvalidError(DomainRefusal):
    """Address and password do not belong together; which of them is wrong is never said: 401."""

    code: ClassVar[str] = "credentials_invalid"


class AccountSuspendedError(DomainRefusal):
    """The password was right, but an operator suspended the account: 403."""

    code: ClassVar[str] = "account_suspended"


class AccountUnknownError(DomainRefusal):
    """There is no such account: 404."""

    code: ClassVar[str] = "account_unknown"


class SessionUnknownError(DomainRefusal):
    """The account has no such session (any more): 404."""

    code: ClassVar[str] = "session_unknown"


class AppPasswordUnknownError(DomainRefusal):
    """The account has no such app password (any more): 404."""

    code: ClassVar[str] = "app_password_unknown"


class AppPasswordInvalidError(DomainRefusal):
    """The name is empty or too long, or the account has too many app passwords: 422."""

    code: ClassVar[str] = "app_password_invalid"


class SignInThrottledError(DomainRefusal):
    """Too many failures, of this account or from this network address: 429 with `Retry-After: retry_after_s`."""

    code: ClassVar[str] = "rate_limited"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s


class AccountsUnavailableError(Exception):
    """The accounts cannot be asked at present: 503, try again."""


class Account(msgspec.Struct, frozen=True):
    """An account. Its display name is in the mailbox's `profile` document."""

    account_id: str
    mailbox_id: MailboxId
    address: str
    state: AccountState
    created_at: int
    role: Role = "user"


class SignedIn(msgspec.Struct, frozen=True):
    """A session just begun. `token` is shown this once; only its hash is kept."""

    token: str
    account: Account
    session_id: str
    expires_at: int


class Principal(msgspec.Struct, frozen=True):
    """Who a token speaks for."""

    account_id: str
    mailbox_id: MailboxId
    address: str
    session_id: str
    """Of an app password: its id; `password` where it was the account's own."""
    role: Role
    password_version: int = 0
    """Of the account's own password, where that was it: another one is another."""


class Session(msgspec.Struct, frozen=True):
    """Where somebody is signed in. `last_seen_at` is exact to some minutes."""

    session_id: str
    client: str
    network_address: str
    created_at: int
    last_seen_at: int
    expires_at: int


class AppPassword(msgspec.Struct, frozen=True):
    """A native client's password, without its secret. `last_used_at` is exact to some minutes."""

    app_password_id: str
    name: str
    created_at: int
    last_used_at: int | None


class NewAppPassword(msgspec.Struct, frozen=True):
    """An app password just made. `secret` is shown this once; only its hash is kept."""

    app_password: AppPassword
    secret: str


class Registration(Protocol):
    """Opens accounts to anybody, where the operator lets it."""

    def register(self, address: str, password: str, *, display_name: str = "", who: Who | None = None) -> Account:
        """A new account with an open mailbox; of any number that race for one address exactly one gets it.

        Raises:
            RegistrationClosedError, AddressInvalidError, DomainNotServedError, AddressTakenError,
            DisplayNameInvalidError, PasswordWeakError, SignInThrottledError (too many at once).
        """
        ...


class Accounts(Protocol):
    """Looks accounts up."""

    def find(self, account_id: str) -> Account | None:
        """The account of this id; None where there is none."""
        ...

    def is_open(self, mailbox_id: MailboxId) -> bool:
        """Whether the owner of this mailbox is let in: not where the account is suspended, closed or erased."""
        ...


class Sessions(Protocol):
    """Signing in, and what a token stands for."""

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
        """A new session, recorded in the owner's log. An unknown address costs and answers what a wrong password does.

        `totp` is a code of the second factor, or a recovery code; asked for where the account has a second factor.

        Raises:
            CredentialsInvalidError, AccountSuspendedError, SignInThrottledError, TotpRequiredError.
        """
        ...

    def authenticate(self, token: str) -> Principal | None:
        """Whom the token speaks for; None where it does not (any more).

        Answers from memory for less than a second: what ended in any process is ended in all within that.
        """
        ...

    def ended(self, tokens: Sequence[str]) -> set[str]:
        """Those of these tokens that speak for nobody (any more), by one question, never from memory.

        The others are seen by it, as by `authenticate`.
        """
        ...

    def list_sessions(self, account_id: str) -> list[Session]:
        """Where the account is signed in, the latest first; at most 100."""
        ...

    def end_session(self, account_id: str, session_id: str) -> None:
        """Sign out there. `session_id` of the caller's `Principal` is the current one.

        Raises:
            SessionUnknownError.
        """
        ...

    def end_others(self, account_id: str, *, keep: str) -> int:
        """Sign out everywhere but in session `keep`; how many ended."""
        ...


class Passwords(Protocol):
    """The account's own password."""

    def change(self, account_id: str, *, old: str, new: str, keep_session: str, who: Who | None = None) -> None:
        """Set a new password, end all sessions but `keep_session`, and record it in the owner's log.

        Raises:
            CredentialsInvalidError (`old` is wrong), PasswordWeakError, SignInThrottledError.
        """
        ...


class NativeSignIn(Protocol):
    """How clients sign in that speak IMAP, POP3 and SMTP, with all that an account may be opened with."""

    def with_password(
        self, address: str, password: str, *, client: str, network_address: str, protocol: str
    ) -> Principal:
        """Whom an app password or the account's own speaks for; the latter for nobody where it has a second factor.

        The first of a day from a place is recorded in the owner's log. `session_id` is the app password's id, or
        `password`.

        Raises:
            CredentialsInvalidError, AccountSuspendedError, SignInThrottledError.
        """
        ...

    def with_token(self, token: str, *, network_address: str, protocol: str) -> Principal:
        """Whom the token of a session speaks for.

        Raises:
            CredentialsInvalidError.
        """
        ...

    def still_speaks(self, principal: Principal) -> bool:
        """Whether what somebody signed in with opens the account still: connections outlive passwords and sessions."""
        ...


class AppPasswords(Protocol):
    """Passwords for clients that speak IMAP, POP3 and SMTP."""

    def add(self, account_id: str, name: str, *, who: Who | None = None) -> NewAppPassword:
        """One more, at most 50.

        Raises:
            AppPasswordInvalidError, AccountUnknownError.
        """
        ...

    def list_all(self, account_id: str) -> list[AppPassword]:
        """The account's, the latest first, without their secrets."""
        ...

    def remove(self, account_id: str, app_password_id: str, *, who: Who | None = None) -> None:
        """It opens nothing any more.

        Raises:
            AppPasswordUnknownError.
        """
        ...

    def verify(self, address: str, secret: str, *, client: str, network_address: str, protocol: str) -> Principal:
        """Whom a native client's log-in speaks for; the first of a day from a place is recorded in the owner's log.

        Raises:
            CredentialsInvalidError, AccountSuspendedError, SignInThrottledError.
        """
        ...
