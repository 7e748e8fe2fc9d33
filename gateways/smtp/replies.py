"""Every reply of reception, with its enhanced status code (RFC 3463, RFC 5248), and what becomes which."""

from gateways.reception import StorageFullError, Verdict
from gateways.screening import REFUSE, REJECT, Screening
from gateways.smtp.actions import Outcome

DATA_GO_AHEAD = b"354 End data with <CR><LF>.<CR><LF>\r\n"
READY_FOR_TLS = b"220 2.0.0 Ready to start TLS\r\n"
OK = b"250 2.0.0 Ok\r\n"
SENDER_OK = b"250 2.1.0 Sender ok\r\n"
RECIPIENT_OK = b"250 2.1.5 Recipient ok\r\n"
CANNOT_VERIFY = b"252 2.5.0 Cannot verify, but mail is taken and delivery tried\r\n"  # RFC 5321 section 3.5.3
HELP = b"214 2.0.0 Commands: EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS HELP QUIT\r\n"

COMMAND_TOO_LONG = b"500 5.5.2 Command line too long\r\n"
COMMAND_GARBLED = b"500 5.5.2 A command is one line of text that ends with CRLF\r\n"
COMMAND_UNKNOWN = b"500 5.5.1 Command unknown\r\n"
COMMAND_REFUSED = b"502 5.5.1 Command not available here\r\n"
ARGUMENT_INVALID = b"501 5.5.4 Arguments invalid\r\n"
SENDER_INVALID = b"501 5.1.7 Sender address invalid\r\n"
RECIPIENT_INVALID = b"501 5.1.3 Recipient address invalid\r\n"
PARAMETER_UNKNOWN = b"555 5.5.4 Parameter not known here\r\n"
UTF8_NEEDED = b"553 5.6.7 A non-ASCII address needs SMTPUTF8\r\n"  # RFC 6531 section 3.5
BAD_SEQUENCE = b"503 5.5.1 Bad sequence of commands\r\n"
NO_RECIPIENTS = b"503 5.5.1 No valid recipients\r\n"
TOO_MANY_RECIPIENTS = b"452 4.5.3 Too many recipients\r\n"

MESSAGE_TOO_LARGE = b"552 5.3.4 Message too large\r\n"
BARE_LINE_END = b"550 5.6.0 A CR or LF stands alone in the message\r\n"
LOOP = b"554 5.4.6 The message has been here before\r\n"
EARLY_TALKER = b"554 5.5.1 You spoke before the greeting\r\n"
STORAGE_FULL = b"452 4.3.1 No room at present, try again later\r\n"
UNAVAILABLE = b"451 4.3.0 Temporarily unavailable, try again later\r\n"

NO_MAILBOX = b"550 5.1.1 No such mailbox here\r\n"
VIRUS = b"550 5.7.1 A virus was found in the message\r\n"
SPAM = b"550 5.7.1 Refused as spam; if it is none, please tell postmaster here\r\n"

RELAY_REFUSED = b"550 5.7.1 We do not relay for this domain\r\n"
_VERDICTS = {
    Verdict.ACCEPT: RECIPIENT_OK,
    Verdict.ONLY_AUTOMATIC: RECIPIENT_OK,
    Verdict.UNKNOWN_MAILBOX: NO_MAILBOX,
    Verdict.FULL: b"452 4.2.2 Mailbox full\r\n",
    Verdict.NOT_SERVED: RELAY_REFUSED,
    Verdict.LATER: b"451 4.7.1 We have not met: please try again in a few minutes\r\n",
    Verdict.SUSPENDED: b"550 5.2.1 Mailbox takes no mail at present\r\n",
}

SHUTTING_DOWN = "4.3.2", "Shutting down, try again"
TIMED_OUT = "4.4.2", "You were silent for too long"
TOO_MANY_ERRORS = "4.7.0", "Too many errors"
TOO_MANY_COMMANDS = "4.7.0", "Too many commands without mail"
TOO_MANY_MAILS = "4.7.0", "Too many mails on one connection"
TOO_MANY_CONNECTIONS = "4.7.0", "Too many connections"


def closing(hostname: str, why: tuple[str, str]) -> bytes:
    """The 421 before a connection that we end (RFC 5321 section 3.8)."""
    return f"421 {why[0]} {hostname} {why[1]}\r\n".encode()


def refused(screening: Screening) -> bytes:
    """Why those who looked at a message refuse it: a virus, its author's domain, which asks for unproven mail to be
    refused (RFC 7372 section 3.3, RFC 9989 section 7), or spam, of which the words tell a spammer nothing."""
    if screening.virus_action == REFUSE:
        return VIRUS
    if screening.disposition == REJECT:
        domain = screening.author_domain
        return f"550 5.7.26 Not proven to come from {domain}, which asks for such mail to be refused\r\n".encode()
    return SPAM


def listed(zone: str) -> bytes:
    """The client's address is on a block list, which is where to ask why (RFC 5321 section 3.6.2 leaves it to us)."""
    return f"550 5.7.1 Your address is listed by {zone}\r\n".encode()


def accepted(acceptance_id: str) -> bytes:
    """The 250 that takes over responsibility (RFC 5321 section 4.2.5)."""
    return f"250 2.0.0 Ok: accepted as {acceptance_id}\r\n".encode()


def on_recipient(outcome: Outcome) -> bytes:
    """The reply to RCPT: the verdict's, or that of what went wrong in reaching one."""
    return _VERDICTS[outcome] if isinstance(outcome, Verdict) else on_failure(outcome)


def on_failure(outcome: Outcome) -> bytes:
    """The reply to a failure of ours: always one after which the sender tries again."""
    return STORAGE_FULL if isinstance(outcome, StorageFullError) else UNAVAILABLE
