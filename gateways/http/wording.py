"""What a draft says: the fields that a client gives, and the same read back from the message that the draft is."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from gateways.http.operations import Id
from gateways.http.stored_mail import StoredMail
from gateways.mime.compose import AttachedFile
from gateways.mime.reading import part_text, read_parts
from gateways.mime.show import attachment_bytes
from gateways.mime.structure import Address, Part

MAX_PEOPLE = 500
MAX_FILES = 100


class Person(msgspec.Struct, frozen=True):
    """A name (may be empty) and an address."""

    address: Annotated[str, msgspec.Meta(min_length=1, max_length=320)]
    name: Annotated[str, msgspec.Meta(max_length=500)] = ""


People = Annotated[tuple[Person, ...], msgspec.Meta(max_length=MAX_PEOPLE)]
InReplyTo = Annotated[str, msgspec.Meta(max_length=1000)]


class DraftFields(msgspec.Struct, frozen=True, kw_only=True):
    """What a draft says. `in_reply_to` is the id of a message here, or a Message-ID; `identity_id` whom it is sent as.

    Of `attachment_ids` each is an upload's or, of a draft that stands, that of an attachment it has. HTML that shows
    `cid:` and the id of an upload shows that file in its place.
    """

    to: People | UnsetType = UNSET
    cc: People | UnsetType = UNSET
    bcc: People | UnsetType = UNSET
    subject: Annotated[str, msgspec.Meta(max_length=2000)] | UnsetType = UNSET
    text: str | UnsetType | None = UNSET
    html: str | UnsetType | None = UNSET
    in_reply_to: InReplyTo | UnsetType | None = UNSET
    attachment_ids: Annotated[tuple[Id, ...], msgspec.Meta(max_length=MAX_FILES)] | UnsetType = UNSET
    identity_id: Id | UnsetType | None = UNSET


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """All that a draft says."""

    from_: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    message_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


def wording_of(mail: StoredMail) -> Wording:
    """What the message of a draft says; its files are read apart (`files_of`)."""
    summary = mail.parsed.summary
    plain = [p for p in read_parts(mail.parsed.structure) if p.content_type == "text/plain"]
    rich = [p for p in read_parts(mail.parsed.structure, prefer="text/html") if p.content_type == "text/html"]
    return Wording(
        from_=summary.from_,
        to=summary.to,
        cc=summary.cc,
        bcc=summary.bcc,
        reply_to=summary.reply_to,
        subject=summary.subject,
        text=_said(mail.raw, plain),
        html=_said(mail.raw, rich),
        message_id=summary.message_id or "",
        in_reply_to=summary.in_reply_to,
        references=summary.references,
    )


def _said(raw: bytes, parts: list[Part]) -> str | None:
    """The text of these parts, without the line end that every body ends with; None where there are none."""
    return "\n".join(part_text(raw, part).removesuffix("\n") for part in parts) if parts else None


def files_of(mail: StoredMail) -> dict[str, AttachedFile]:
    """The files of a draft by their ids."""
    found: dict[str, AttachedFile] = {}
    for one in mail.parsed.attachments:
        _, content = attachment_bytes(mail.raw, mail.parsed, one.id)
        found[one.id] = AttachedFile(one.filename, one.content_type, content, one.inline, one.content_id)
    return found


def addresses(people: tuple[Person, ...]) -> tuple[Address, ...]:
    """The same as addresses of a header."""
    return tuple(Address(one.name, one.address.strip()) for one in people)


def people(found: tuple[Address, ...]) -> list[Any]:
    """Addresses of a header as JSON shows them."""
    return [{"name": one.name, "address": one.address} for one in found]
