"""The corpus as a sender has it: every message file as CRLF lines, and what must become of it."""

import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

_NAMES = re.compile(
    r"\.(eml|msg|raw|email|mbox|message[a-z0-9_]*)$|^mail_test_\d+$|^msg_\d+\.txt$|^msg-\d|rlug(-\d)?$|\.(baddomain|fuzzy1)$"
)
_ALL_OF = (
    "spamassassin/ham/",
    "spamassassin/spam/",
    "spamassassin/lossy8bit/",
    "threads/notmuch/",
    "dsn/flufl.bounce/",
)
_NO_MAIL = frozenset({"MANIFEST.json", "README", "README.md", "LICENSE"})
PER_CONNECTION = 40
SENDER = "corpus@elsewhere.test"


class CorpusMail(msgspec.Struct, frozen=True):
    """One message file, its content as it goes over the wire."""

    path: Path
    content: bytes

    @property
    def holds_bare_cr(self) -> bool:
        return re.search(rb"\r(?!\n)", self.content) is not None


def corpus_mails(corpus: Path) -> list[CorpusMail]:
    """Every message file: a leading mbox `From ` line dropped, LF and CRLF made CRLF, a bare CR kept."""
    files = sorted(path for path in corpus.rglob("*") if path.is_file() and path.name not in _NO_MAIL)
    return [CorpusMail(path, as_lines(path.read_bytes())) for path in files if _is_mail(path, corpus)]


def _is_mail(path: Path, corpus: Path) -> bool:
    return str(path.relative_to(corpus)).startswith(_ALL_OF) or _NAMES.search(path.name) is not None


def as_lines(raw: bytes) -> bytes:
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    return re.sub(rb"\r?\n", b"\r\n", raw)


class Reply(msgspec.Struct, frozen=True):
    """The last word on one mail; `acceptance_id` where it was taken."""

    mail: CorpusMail
    line: str

    @property
    def acceptance_id(self) -> str:
        return self.line.rpartition(" ")[2] if self.line.startswith("250 ") else ""


def send_all(port: int, recipient: str, mails: Sequence[CorpusMail]) -> Iterator[Reply]:
    """Over connection after connection, MAIL, RCPT and DATA in one write (RFC 2920); what has no last line by BDAT."""
    for first in range(0, len(mails), PER_CONNECTION):
        with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
            answers = connection.makefile("rb")
            assert answers.readline().startswith(b"220 ")
            connection.sendall(b"EHLO mail.elsewhere.test\r\n")
            while answers.readline()[3:4] == b"-":
                pass
            for mail in mails[first : first + PER_CONNECTION]:
                yield Reply(mail, _sent(connection, answers, recipient, mail.content))
            connection.sendall(b"QUIT\r\n")


def _sent(connection: socket.socket, answers: Iterator[bytes], recipient: str, content: bytes) -> str:
    envelope = f"MAIL FROM:<{SENDER}> BODY=8BITMIME\r\nRCPT TO:<{recipient}>\r\n".encode()
    if content.endswith(b"\r\n"):
        connection.sendall(envelope + b"DATA\r\n")
        before = [next(answers) for _ in range(3)]
        stuffed = re.sub(rb"(?m)^\.", b"..", content) if b"\r\n." in content or content[:1] == b"." else content
        connection.sendall(stuffed + b".\r\n")
    else:
        connection.sendall(envelope + b"BDAT %d LAST\r\n" % len(content) + content)
        before = [next(answers) for _ in range(2)]
    assert all(line[:1] in b"23" for line in before), before
    return next(answers).decode().rstrip()
