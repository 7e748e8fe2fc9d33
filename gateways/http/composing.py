"""A client's fields become a message: written as MIME, its object durable, its summary ready for the log."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from domain.addresses import AddressInvalidError, EmailAddress
from domain.decisions import Composed
from domain.events import SubmissionRecipient
from domain.ids import new_id
from domain.refusals import IdentityUnknownError, RecipientsInvalidError
from gateways import attachments
from gateways.blobs import mail_blob_name
from gateways.described_mail import stored_mail
from gateways.http.accounts import profile
from gateways.http.identities import Identity, identity
from gateways.http.operations import Call
from gateways.http.problems import ProblemError
from gateways.http.stored_mail import StoredMail, open_mail
from gateways.http.wording import DraftFields, Wording, addresses, files_of
from gateways.mime.compose import AttachedFile, Composition, CompositionError, compose, new_message_id
from gateways.mime.header_fields import without_fields
from gateways.mime.parse import parse
from gateways.mime.structure import Address, ParsedMessage

AnyCall = Call[Any, Any]
MAX_REFERENCES = 100


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def composed_anew(call: AnyCall, fields: DraftFields, *, date_ms: int) -> Composed:
    """A message of these fields alone. Raises: ProblemError, CompositionError, DomainRefusal, StorageFullError."""
    message_id = new_message_id(call.parts.settings.hostname)
    first = Wording(from_=(_sender(call, None),), message_id=message_id)
    wording = _changed(call, first, fields)
    return stored(call, _written(wording, _files(call, fields, None), date_ms=date_ms))


def composed_on(call: AnyCall, fields: DraftFields, before: Wording, mail: StoredMail) -> Composed:
    """The next revision of a draft: what the fields do not name stays. Raises: as `composed_anew`."""
    wording = _changed(call, before, fields)
    if not wording.message_id:
        wording = msgspec.structs.replace(wording, message_id=new_message_id(call.parts.settings.hostname))
    return stored(call, _written(wording, _files(call, fields, mail), date_ms=now_ms()))


def dated(raw: bytes, date_ms: int) -> bytes:
    """A draft's bytes under the Date of their sending; all else stays."""
    first = compose(Composition(from_=(), message_id="date@localhost", date_ms=date_ms)).partition(b"\r\n")[0]
    return first + b"\r\n" + without_fields(raw, lambda name, _value: name == b"date")


def stored(call: AnyCall, raw: bytes, parsed: ParsedMessage | None = None) -> Composed:
    """The message, its objects durable and touched. Raises: StorageFullError, ProblemError."""
    if len(raw) > call.parts.settings.max_message_bytes:
        raise ProblemError("attachments_too_large", "the whole message would be too large")
    parsed = parsed or parse(raw)
    received_at = now_ms()
    blob = mail_blob_name(new_id("a"), received_at)
    return stored_mail(call.parts.blobs, raw, parsed, blob=blob, received_at=received_at, touch=call.parts.touch)


def recipients(wording: Wording) -> tuple[SubmissionRecipient, ...]:
    """Whom it goes to, each mailbox once. Raises: RecipientsInvalidError."""
    found: dict[str, SubmissionRecipient] = {}
    for one in (*wording.to, *wording.cc, *wording.bcc):
        try:
            address = EmailAddress.parse(one.address)
        except AddressInvalidError as error:
            raise RecipientsInvalidError(f"{one.address[:100]}: {error}") from None
        found.setdefault(str(address).lower(), SubmissionRecipient(str(address)))
    if not found:
        raise RecipientsInvalidError("there is nobody to send it to")
    return tuple(found.values())


def _changed(call: AnyCall, before: Wording, fields: DraftFields) -> Wording:
    given: dict[str, Any] = {}
    for name in ("to", "cc", "bcc"):
        if (value := getattr(fields, name)) is not UNSET:
            given[name] = addresses(value)
    for name in ("subject", "text", "html"):
        if (value := getattr(fields, name)) is not UNSET:
            given[name] = value
    if fields.identity_id is not UNSET:
        as_whom = None if fields.identity_id is None else identity(call, fields.identity_id)
        given |= {"from_": (_sender(call, as_whom),), "reply_to": _reply_to(as_whom)}
    if fields.in_reply_to is not UNSET:
        given |= _answered(call, before, fields.in_reply_to)
    return msgspec.structs.replace(before, **given)


def _sender(call: AnyCall, as_whom: Identity | None) -> Address:
    if as_whom is None:
        return Address(_one_line(profile(call).display_name), call.principal.address)
    if not is_own(call, as_whom.address):
        raise IdentityUnknownError("the identity's address is not the account's own")
    return Address(_one_line(as_whom.name), as_whom.address)


def is_own(call: AnyCall, address: str) -> bool:
    """Whether mail to this address reaches the account, as its own address or with a tag."""
    try:
        return EmailAddress.parse(address).canonical == EmailAddress.parse(call.principal.address).canonical
    except AddressInvalidError:
        return False


def _reply_to(as_whom: Identity | None) -> tuple[Address, ...]:
    return (Address("", as_whom.reply_to),) if as_whom is not None and as_whom.reply_to else ()


def _one_line(name: str) -> str:
    return "".join(char if char.isprintable() else " " for char in name)


def _answered(call: AnyCall, before: Wording, in_reply_to: str | None) -> Mapping[str, Any]:
    """In-Reply-To and References of an answer (RFC 5322 section 3.6.4)."""
    if not in_reply_to:
        return {"in_reply_to": (), "references": ()}
    if "@" in in_reply_to or "<" in in_reply_to:
        bare = in_reply_to.strip().removeprefix("<").removesuffix(">")
        return {} if before.in_reply_to == (bare,) else {"in_reply_to": (bare,), "references": (bare,)}
    summary = open_mail(call.parts, call.mailbox_id, in_reply_to).parsed.summary
    if summary.message_id is None:
        return {"in_reply_to": (), "references": ()}
    line = summary.references or summary.in_reply_to[:1]
    root, rest = line[:1], line[1:][-(MAX_REFERENCES - 2) :]
    return {"in_reply_to": (summary.message_id,), "references": (*root, *rest, summary.message_id)}


def _files(call: AnyCall, fields: DraftFields, mail: StoredMail | None) -> tuple[AttachedFile, ...]:
    standing = files_of(mail) if mail is not None else {}
    if fields.attachment_ids is UNSET:
        found = list(standing.values())
    else:
        html = fields.html if isinstance(fields.html, str) else ""
        found = [standing.get(one) or _uploaded(call, one, html) for one in dict.fromkeys(fields.attachment_ids)]
    total = sum(len(file.content) for file in found if isinstance(file.content, bytes))
    if total > call.parts.settings.max_attachment_bytes:
        raise ProblemError("attachments_too_large", limit_bytes=call.parts.settings.max_attachment_bytes)
    return tuple(found)


def _uploaded(call: AnyCall, upload_id: str, html: str) -> AttachedFile:
    upload = call.parts.uploads.find(upload_id)
    if upload is None or upload.mailbox_id != call.mailbox_id:
        raise ProblemError("attachment_unknown", "no such upload", id=upload_id)
    if not upload.completed or upload.sha256 is None:
        raise ProblemError("upload_incomplete", "complete the upload first", id=upload_id)
    content = attachments.fetch(call.parts.blobs, upload.sha256)
    shown = f"cid:{upload_id}" in html
    return AttachedFile(upload.filename, upload.content_type, content, shown, upload_id if shown else None)


def _written(wording: Wording, files: tuple[AttachedFile, ...], *, date_ms: int) -> bytes:
    composition = Composition(
        from_=wording.from_,
        message_id=wording.message_id,
        date_ms=date_ms,
        to=wording.to,
        cc=wording.cc,
        bcc=wording.bcc,
        reply_to=wording.reply_to,
        subject=wording.subject,
        text=wording.text,
        html=wording.html,
        in_reply_to=wording.in_reply_to,
        references=wording.references,
        attachments=files,
    )
    try:
        return compose(composition, keep_bcc=True)
    except UnicodeEncodeError as error:
        raise CompositionError("a text holds what no UTF-8 can spell") from error
