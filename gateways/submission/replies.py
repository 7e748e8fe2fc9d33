"""The replies of submission beside those of reception (RFC 4954 section 6), and which refusal becomes which."""

from domain.commands import Refusal
from domain.refusals import DomainRefusal
from gateways.accounts import AccountSuspendedError, CredentialsInvalidError
from gateways.smtp import replies
from gateways.smtp.actions import Outcome

SIGNED_IN = b"235 2.7.0 Signed in\r\n"
SIGN_IN_FIRST = b"530 5.7.0 Sign in first\r\n"
SIGN_IN_FAILED = b"535 5.7.8 Name and password do not belong together\r\n"
TOKEN_REFUSED = b"535 5.7.8 The token is not taken\r\n"
ACCOUNT_SUSPENDED = b"525 5.7.13 The account is suspended\r\n"
SIGN_IN_LATER = b"454 4.7.0 Signing in is not possible at present, try again later\r\n"
ENCRYPT_FIRST = b"538 5.7.11 Signing in needs TLS\r\n"
MECHANISM_UNKNOWN = b"504 5.5.4 Mechanism not known here\r\n"
CANCELLED = b"501 5.7.0 Signing in was cancelled\r\n"
RESPONSE_INVALID = b"501 5.5.2 Not the Base64 that the mechanism asks for\r\n"
RESPONSE_TOO_LONG = b"500 5.5.6 Line too long\r\n"
SIGN_IN_AGAIN = b"530 5.7.0 What you signed in with opens nothing any more: sign in again\r\n"
SENDER_NOT_OWN = b"550 5.7.1 The sender is not an address of yours\r\n"
AUTHOR_NOT_OWN = b"550 5.7.1 The message is not from an address of yours\r\n"
AUTHOR_UNCLEAR = b"550 5.6.0 The message needs one From field that names who it is from\r\n"
HEADER_TOO_LARGE = b"552 5.3.4 The header of the message is too large\r\n"
RELEASE_TOO_LATE = b"501 5.5.4 The message cannot be held for so long\r\n"
NO_ADDRESS_LITERALS = b"550 5.1.2 Mail to address literals is not sent\r\n"
HELP = b"214 2.0.0 Commands: EHLO HELO AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS HELP QUIT\r\n"

TOO_MANY_SIGN_INS = "4.7.0", "Too many failed sign-ins"

_REFUSALS = {
    "recipients_invalid": b"550 5.5.3 The message has no recipients, or too many\r\n",
    "sign_in_required": b"450 4.7.0 Unusually much was sent: sign in on the web, then send again\r\n",
    "sending_blocked": b"550 5.7.1 Sending from this account is blocked\r\n",
    "mailbox_full": b"452 4.2.2 Your mailbox is full: there is no room for the copy in SENT\r\n",
    "account_suspended": ACCOUNT_SUSPENDED,
    "mailbox_unknown": b"550 5.2.1 The account is closed\r\n",
}


class SubmissionRefusedError(Refusal):
    """The message is not taken; `reply` says why."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply.decode().strip())
        self.reply = reply


def on_refusal(failure: Outcome) -> bytes:
    """The reply to what kept a message from being taken."""
    if isinstance(failure, SubmissionRefusedError):
        return failure.reply
    if not isinstance(failure, DomainRefusal):
        return replies.on_failure(failure)
    if failure.code == "rate_limited":
        return f"450 4.7.1 Too many messages, again in {failure.members['retry_after_s']} s\r\n".encode()
    return _REFUSALS.get(failure.code, b"550 5.7.0 The message is not taken\r\n")


def on_sign_in(failure: Outcome) -> bytes:
    """The reply to a sign-in that came to nothing."""
    if isinstance(failure, CredentialsInvalidError):
        return SIGN_IN_FAILED
    return ACCOUNT_SUSPENDED if isinstance(failure, AccountSuspendedError) else SIGN_IN_LATER


def challenge(encoded: str) -> bytes:
    """What the mechanism says next (RFC 4954 section 4)."""
    return f"334 {encoded}\r\n".encode()
