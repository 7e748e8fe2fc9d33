"""One message: opened for a person, as it lies in the store, and its attachments."""

from typing import Annotated, Any

import msgspec

from domain.events import MessageServer
from domain.ids import MailboxId
from gateways.filtering.noted import Noted
from gateways.http.downloads import INLINE_TYPES, disposition, download, safe_type
from gateways.http.file_scans import FileScans
from gateways.http.operations import Answer, Call, Id, Operation, Read
from gateways.http.problems import ProblemError
from gateways.http.shapes import AttachmentShown, Authentication, HeaderField, MessageOpened, MessageShown
from gateways.http.signed_addresses import require_let_in, require_signed, signed
from gateways.http.stored_mail import StoredMail, message_row, open_mail, read_raw, server_part
from gateways.mime import show
from gateways.mime.structure import Attachment
from gateways.virus.scanning import UNSCREENED
from projections.summaries import summary_json


class OpenQuery(Read, frozen=True, kw_only=True):
    """`remote`: the reader's consent to load images from elsewhere."""

    remote: bool = False


class AttachmentQuery(Read, frozen=True, kw_only=True):
    """Of a signed address: whose, until when (unix seconds), and the signature."""

    mailbox: Id | None = None
    expires: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    signature: Annotated[str, msgspec.Meta(max_length=100)] | None = None


def open_message(call: Call[OpenQuery, None]) -> Answer:
    """The summary and all that is read only when a message is opened."""
    mail = open_mail(call.parts, call.mailbox_id, call.path["message_id"])
    server = mail.server
    trace = server.trace.encode() if server is not None else b""
    attachments = {one.id: _shown(call, mail, one) for one in mail.parsed.attachments}
    body = show.body(
        mail.raw, mail.parsed, remote=call.query.remote, cid_url=lambda attachment: attachments[attachment.id].url
    )
    fields = show.headers(trace + mail.raw[: mail.parsed.header_bytes])
    opened = MessageOpened(
        headers=[HeaderField(_clean(name), _clean(value)) for name, value in fields],
        text=_clean(body.text),
        html=None if body.html is None else _clean(body.html),
        attachments=list(attachments.values()),
        authentication=_authentication(None if server is None else server.screening),
        spam_score=_spam(None if server is None else server.screening).score,
        spam_reasons=_spam(None if server is None else server.screening).reasons,
        blocked_remote=body.blocked_remote,
        virus_scan=virus_scan(server),
        filtered=_noted(None if server is None else server.filtering),
    )
    summary = msgspec.json.decode(summary_json(mail.row), type=dict[str, Any])
    return Answer(msgspec.json.encode(summary | msgspec.structs.asdict(opened)))


def _noted(filtering: msgspec.Raw | None) -> Noted | None:
    return None if filtering is None else msgspec.json.decode(filtering, type=Noted | None)


def raw_message(call: Call[Read, None]) -> Answer:
    """The trace block, then byte for byte what arrived."""
    row = message_row(call.parts, call.mailbox_id, call.path["message_id"])
    server = server_part(call.parts, call.mailbox_id, row)
    trace = server.trace.encode() if server is not None else b""
    raw = read_raw(call.parts, row, server)
    if call.parts.file_scans is not None and virus_scan(server) == UNSCREENED:
        call.parts.file_scans.require_clean(raw)
    whole = trace + raw
    return download(whole, content_type="message/rfc822", filename=f"{row.message_id}.eml")


def attachment(call: Call[AttachmentQuery, None]) -> Answer:
    """The decoded bytes, or where the store has them; what is no harmless image is always a download."""
    mailbox_id = _reader_of(call)
    unscreened = _scans_needed(call, mailbox_id)
    if unscreened is None and (address := _address_in_store(call, mailbox_id)) is not None:
        return Answer(status=302, headers=((b"location", address.encode()),))
    mail = open_mail(call.parts, mailbox_id, call.path["message_id"])
    found, content = show.attachment_bytes(mail.raw, mail.parsed, call.path["attachment_id"])
    if unscreened is not None:
        unscreened.require_clean(content)
    return download(content, content_type=found.content_type, filename=found.filename, inline=True)


def _scans_needed(call: Call[AttachmentQuery, None], mailbox_id: MailboxId) -> FileScans | None:
    """Who must find an attachment clean before it is handed out: nobody, where the message was looked at or nobody was
    to look. Raises: MessageUnknownError."""
    if call.parts.file_scans is None:
        return None
    row = message_row(call.parts, mailbox_id, call.path["message_id"])
    server = server_part(call.parts, mailbox_id, row)
    return call.parts.file_scans if virus_scan(server) == UNSCREENED else None


def _address_in_store(call: Call[AttachmentQuery, None], mailbox_id: MailboxId) -> str | None:
    """Of an attachment that is an object of its own, held by a message of this mailbox. Raises: MessageUnknownError."""
    if (transfers := call.parts.transfers) is None:
        return None
    row = message_row(call.parts, mailbox_id, call.path["message_id"])
    for one in call.parts.extracts.extract(row.blob).attachments:
        if one.id == call.path["attachment_id"] and call.parts.uploads.owned(mailbox_id, one.sha256) == one.size:
            kind, shown = safe_type(one.content_type, inline=True)
            how = disposition("inline" if shown else "attachment", one.filename).decode()
            return transfers.download_address(one.sha256, content_type=kind, disposition=how).url
    return None


def _reader_of(call: Call[AttachmentQuery, None]) -> MailboxId:
    """Whose attachment it is: the signed address says so, or the token does."""
    asked = call.query
    if asked.signature is None:
        return call.mailbox_id
    if asked.mailbox is None:
        raise ProblemError("signature_invalid")
    path = f"/v1/messages/{call.path['message_id']}/attachments/{call.path['attachment_id']}"
    require_signed(
        call.parts.settings.secret,
        "GET",
        path,
        mailbox_id=asked.mailbox,
        expires=asked.expires,
        signature=asked.signature,
    )
    require_let_in(call.parts, mailbox_id := MailboxId(asked.mailbox))
    return mailbox_id


def shown_attachment(call: Call[Any, Any], message_id: str, one: Attachment) -> AttachmentShown:
    """An attachment with an address that needs no token."""
    path = f"/v1/messages/{message_id}/attachments/{one.id}"
    address = signed(call.parts.settings.secret, "GET", path, mailbox_id=call.mailbox_id)
    return AttachmentShown(
        id=one.id,
        filename=_clean(one.filename),
        content_type=_clean(one.content_type),
        size=one.size,
        sha256=one.sha256,
        inline=one.inline and one.content_type in INLINE_TYPES,
        content_id=None if one.content_id is None else _clean(one.content_id),
        url=address.url,
    )


def _shown(call: Call[OpenQuery, None], mail: StoredMail, one: Attachment) -> AttachmentShown:
    return shown_attachment(call, mail.row.message_id, one)


def _authentication(screening: msgspec.Raw | None) -> Authentication:
    found = msgspec.json.decode(screening) if screening is not None and len(bytes(screening)) else None
    if not isinstance(found, dict):
        return Authentication()
    texts = {name: found.get(name) for name in Authentication.__struct_fields__}
    return Authentication(**{name: text for name, text in texts.items() if isinstance(text, str)})


def virus_scan(server: MessageServer | None) -> str | None:
    """What the scanner had said of the message when it was delivered; null where none was to look."""
    screening = None if server is None else server.screening
    found = msgspec.json.decode(screening) if screening is not None and len(bytes(screening)) else None
    word = found.get("virus") if isinstance(found, dict) else None
    return word if isinstance(word, str) and word else None


class _Spam(msgspec.Struct):
    """What a screening says of spam, in whatever version it was recorded."""

    score: float | None = msgspec.field(name="spam_score", default=None)
    reasons: list[str] = msgspec.field(name="spam_reasons", default_factory=list)


def _spam(screening: msgspec.Raw | None) -> _Spam:
    try:
        return msgspec.json.decode(screening or b"{}", type=_Spam)
    except msgspec.ValidationError:
        return _Spam()


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


_UNKNOWN = ("message_unknown", "body_unavailable", "restoring")
_BLOCKED = ("attachment_blocked", "attachment_unscreened")

OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/messages/{message_id}",
        summary="Open a message",
        run=open_message,
        query=OpenQuery,
        answers={200: MessageShown},
        errors=_UNKNOWN,
        unknown="message_unknown",
        large=True,
        tag="messages",
    ),
    Operation(
        method="GET",
        path="/v1/messages/{message_id}/raw",
        summary="The trace block and the message as it arrived",
        run=raw_message,
        answers={200: "message/rfc822"},
        errors=(*_UNKNOWN, *_BLOCKED),
        unknown="message_unknown",
        large=True,
        tag="messages",
    ),
    Operation(
        method="GET",
        path="/v1/messages/{message_id}/attachments/{attachment_id}",
        summary="An attachment's bytes, or a signed address of them",
        run=attachment,
        query=AttachmentQuery,
        answers={200: "*/*", 302: None},
        errors=(*_UNKNOWN, *_BLOCKED, "attachment_unknown", "signature_invalid"),
        unknown="attachment_unknown",
        signed=True,
        large=True,
        tag="messages",
    ),
)
