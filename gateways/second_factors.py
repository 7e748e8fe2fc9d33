"""The port to second factors: codes that follow the time (RFC 6238), and recovery codes for who lost the device.

Every call blocks and may come from many threads. What the accounts' database does not answer is
`AccountsUnavailableError`.
"""

from typing import ClassVar, Protocol

import msgspec

from domain.events import Who
from domain.refusals import DomainRefusal


class TotpRequiredError(DomainRefusal):
    """The password was right; the code of the second factor is asked for besides: 401."""

    code: ClassVar[str] = "totp_required"


class TotpOnError(DomainRefusal):
    """The account has a second factor already: 409."""

    code: ClassVar[str] = "totp_on"


class TotpUnknownError(DomainRefusal):
    """The account has no second factor, or none is begun (any more): 404."""

    code: ClassVar[str] = "totp_unknown"


class NewSecondFactor(msgspec.Struct, frozen=True):
    """A second factor just begun; shown this once. `secret` is base32, `uri` the same for an authenticator to scan.

    Until its first code is told, by `expires_at` (unix milliseconds), it guards nothing. Each of the recovery codes
    stands for one code once it is on.
    """

    secret: str
    uri: str
    recovery_codes: list[str]
    expires_at: int


class SecondFactors(Protocol):
    """By account. Codes are counted: too many wrong ones, and none is looked at for a while."""

    def is_on(self, account_id: str) -> bool:
        """Whether the account's password alone opens nothing."""
        ...

    def begin(self, account_id: str, *, password: str, network_address: str) -> NewSecondFactor:
        """A new one, in place of one begun before.

        Raises:
            CredentialsInvalidError (the password is wrong), TotpOnError, SignInThrottledError, AccountUnknownError.
        """
        ...

    def switch_on(self, account_id: str, code: str, *, session_id: str, who: Who) -> None:
        """From now on it is asked for; recorded in the owner's log.

        Raises:
            CredentialsInvalidError (the code is wrong), TotpOnError, TotpUnknownError, SignInThrottledError,
            AccountUnknownError.
        """
        ...

    def remove(self, account_id: str, code: str, *, session_id: str, who: Who) -> None:
        """With a code or a recovery code: it is asked for no more; recorded. A repeat finishes what was interrupted.

        Raises:
            CredentialsInvalidError, TotpUnknownError, SignInThrottledError, AccountUnknownError.
        """
        ...
