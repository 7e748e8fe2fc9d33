"""The mail that is measured with: summaries for the lane, whole messages of a given size for SMTP, texts for search.

Number n is the same mail in every run: every fourth answers the one three before it, every fourth holds `COMMON`, and
three of a mailbox hold `RARE`.
"""

import functools
import random
from collections.abc import Sequence

import msgspec

from domain.decisions.delivery import INBOX, Deliver
from domain.events import Mailaddress, MessagePersonal, MessageServer
from domain.ids import LabelId, MailboxId
from domain.threading import ref, refs_of, subject_ref
from domain.times import rfc3339
from gateways.mime.structure import PARSER_VERSION, Address, HeaderSummary, ParsedMessage, Part

COMMON = "quarterly"
RARE = "xylophone"
BLOBS = 2_000
"""Objects whose rows are there beforehand; who delivers more mails names them in turn."""
FIRST_MS = 1_760_000_000_000
"""When number 0 arrived; each later one a second after the one before."""

_TEXT = """
the of and to in that for was with his they this have from one had word but not what all were when your can said there
use each which she how their will other about out many then them these some her would make like him into time has look
two more write see number way could people than first water been call who oil its now find long down day did get come
made may part invoice meeting project budget report review contract delivery schedule customer release server figures
minutes agenda holiday travel booking receipt payment account balance summer winter garden
"""
_WORDS = _TEXT.split()


def words(number: int, count: int) -> str:
    """`count` words, the same for the same number."""
    return " ".join(random.Random(number).choices(_WORDS, k=count))  # noqa: S311 - filler


def blob_name(number: int) -> str:
    """The object of mail `number`."""
    return f"emails/2026/11/22/bench{number:07d}.eml"


def number_of(blob: str) -> int:
    """The mail of an object."""
    return int(blob[-11:-4])


def message_id(mailbox_id: str, number: int) -> str:
    """Its Message-ID."""
    return f"{number}.{mailbox_id}@elsewhere.test"


@functools.lru_cache(maxsize=4096)
def _personal(number: int) -> MessagePersonal:
    return MessagePersonal(
        from_=(Mailaddress(f"Correspondent {number % 97}", f"writer{number % 97}@elsewhere.test"),),
        to=(Mailaddress("Ada", "ada@example.test"),),
        subject=words(number, 6),
        snippet=words(number + 1, 30)[:200],
        date=rfc3339(FIRST_MS + number * 1000),
    )


_TRACE = (
    "Return-Path: <writer@elsewhere.test>\r\nDelivered-To: ada@example.test\r\n"
    "Received: from mail.elsewhere.test (mail.elsewhere.test [192.0.2.1])\r\n\tby mx.example.test with ESMTPS id"
    " a0123456789abcdefghij\r\n\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384); Sun, 22 Nov 2026 05:00:00 +0000\r\n"
    "Authentication-Results: mx.example.test; none\r\n"
)
_ENVELOPE = msgspec.Raw(
    b'{"acceptance_id":"a0123456789abcdefghij","reverse_path":"writer@elsewhere.test","body_type":"8BITMIME",'
    b'"recipients":[{"forward_path":"ada@example.test"}],"helo":"mail.elsewhere.test","peer":"192.0.2.1",'
    b'"protocol":"ESMTPS","tls":"TLSv1.3 TLS_AES_256_GCM_SHA384","hostname":"mx.example.test"}'
)


def delivery(
    mailbox_id: MailboxId,
    number: int,
    *,
    keywords: Sequence[str] = (),
    labels: tuple[LabelId, ...] = (INBOX,),
    blob: int | None = None,
) -> Deliver:
    """The command that delivers mail `number` to a mailbox; its object is that of number `blob`, else its own."""
    name = blob_name(number if blob is None else blob)
    own = message_id(mailbox_id, number)
    parents = (message_id(mailbox_id, number - 3),) if number % 4 == 3 else ()
    return Deliver(
        mailbox_id=mailbox_id,
        command_id=f"deliver:{number}",
        personal=_personal(number % 4096),
        server=MessageServer(
            blob=name,
            acceptance_id=f"a{number:020d}",
            content_sha256=f"{number:064x}",
            refs=refs_of(own, parents, ()),
            subject_ref=subject_ref(_personal(number % 4096).subject, (str(number), mailbox_id)),
            trace=_TRACE,
            envelope=_ENVELOPE,
        ),
        size=16_384,
        received_at=FIRST_MS + number * 1000,
        labels=labels,
        keywords=tuple(keywords),
        source="inbound",
        own_ref=ref(own),
        blobs=(name,),
    )


def parsed(number: int, *, text_words: int = 300) -> ParsedMessage:
    """What reading mail `number` would give, for the search index."""
    text = words(number, text_words)
    if number % 4 == 0:
        text += f" {COMMON}"
    if number in (10, 20, 30):
        text += f" {RARE}"
    personal = _personal(number % 4096)
    return ParsedMessage(
        parser=PARSER_VERSION,
        summary=HeaderSummary(
            from_=tuple(Address(one.name, one.address) for one in personal.from_),
            to=tuple(Address(one.name, one.address) for one in personal.to),
            subject=personal.subject,
        ),
        snippet=personal.snippet,
        structure=Part("1", "text/plain", "utf-8", "8bit", None, None, None, 0, 0, 0, 0, 0),
        attachments=(),
        text=text,
        base_subject=personal.subject,
        header_bytes=500,
    )


@functools.lru_cache(maxsize=64)
def _body(kind: int, size: int) -> bytes:
    lines, line = [], ""
    for word in words(kind, size // 4).split():
        if len(line) + len(word) > 70:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    return "\r\n".join(lines).encode()


def _cut(body: bytes, size: int) -> bytes:
    """So many octets of it, ending with a whole line."""
    return body[: size - 2].rstrip(b"\r\n").ljust(size - 2, b".") + b"\r\n"


def whole(number: int, recipient: str, *, size: int = 16_384, run: str = "") -> bytes:
    """Mail `number` as SMTP carries it: `size` octets, CRLF, no line begins with a dot; `run` tells runs apart."""
    head = (
        f"From: Correspondent {number % 97} <writer{number % 97}@elsewhere.test>\r\nTo: <{recipient}>\r\n"
        f"Subject: {run}#{number}# {words(number % 512, 5)}\r\nDate: Sun, 22 Nov 2026 05:00:00 +0000\r\n"
        f"Message-ID: <{number}.{run}@elsewhere.test>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    ).encode()
    return head + _cut(_body(number % 64, size), size - len(head))
