"""A mail, and what a script comes to for it."""

from gateways.mime.parse import parse
from gateways.sieve.checking import program_of
from gateways.sieve.message import Mailbox, MailEnvelope, Message
from gateways.sieve.outcome import Outcome
from gateways.sieve.paths import paths
from gateways.sieve.running import run

MAIL = (
    b"Received: from a.test by b.test; Mon, 23 Nov 2026 10:00:00 +0000\r\n"
    b"Received: from c.test by a.test; Mon, 23 Nov 2026 09:59:00 +0000\r\n"
    b"From: Coyote <coyote@desert.example.org>\r\n"
    b"To: Roadrunner <roadrunner+birdseed@acme.example.com>, acm@frobnitzm.example\r\n"
    b"Subject: =?utf-8?q?I_have_a_pr=C3=A9sent?= for you\r\n"
    b"X-Priority: 3 (normal)\r\n"
    b"X-Empty:\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nLook, I'm sorry about the whole ANVIL thing.\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>Project <b>schedule</b></p>\r\n"
    b"--b\r\nContent-Type: application/x-bird\r\nContent-Disposition: attachment; filename=seed\r\n\r\nseeds\r\n"
    b"--b--\r\n"
)
LABELS = (("INBOX", None, "INBOX"), ("SPAM", None, "SPAM"), ("l1", None, "Birds"), ("l2", "l1", "Fast"))


def message(raw: bytes = MAIL, *, sender: str = "coyote@desert.example.org") -> Message:
    return Message(
        raw,
        parse(raw),
        envelope=MailEnvelope(sender, ("roadrunner+birdseed@acme.example.com",)),
        mailbox=Mailbox(("roadrunner@acme.example.com",), paths(LABELS)),
        size_bytes=len(raw),
    )


def outcome(script: str, raw: bytes = MAIL) -> Outcome:
    return run([program_of(script)], message(raw))


EVERYTHING = (
    'require ["fileinto", "copy", "imap4flags", "vacation", "reject", "ereject", "variables", "relational", "body",'
    ' "editheader", "mailbox", "subaddress", "envelope", "encoded-character", "comparator-i;ascii-numeric"];\n'
)


def is_so(test: str, raw: bytes = MAIL) -> bool:
    """Whether a test holds of the mail."""
    found = outcome(f"{EVERYTHING}if {test} {{ discard; }}", raw)
    assert not found.error, found.error
    return found.is_discarded
