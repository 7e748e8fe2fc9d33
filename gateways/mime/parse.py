"""One reading of a message: all that lists, search, threads and protocols need, so that none opens the bytes again."""

from hashlib import sha256

from domain.base_subject import base_subject
from gateways.mime.reading import attached_parts, part_bytes, search_text, snippet_of
from gateways.mime.splitter import split_message
from gateways.mime.structure import PARSER_VERSION, Attachment, ParsedMessage, Part
from gateways.mime.summary import summary_of

_EXTENSIONS = {
    "application/pdf": "pdf",
    "application/pgp-signature": "asc",
    "application/pkcs7-signature": "p7s",
    "application/zip": "zip",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "message/delivery-status": "txt",
    "message/rfc822": "eml",
    "text/calendar": "ics",
    "text/html": "html",
    "text/plain": "txt",
    "text/rfc822-headers": "txt",
    "text/vcard": "vcf",
}


def parse(raw: bytes | memoryview) -> ParsedMessage:
    """The summary, tree, attachments and text of any bytes whatever; never raises, in linear time and memory.

    Only a part's presentation suffers from what is broken in it: a wrong charset, a lost boundary, bad base64 give the
    best text that can be had.
    """
    data = bytes(raw)
    structure, fields = split_message(data)
    summary = summary_of(fields, structure.charset)
    text = search_text(data, structure)
    subject, marked = base_subject(summary.subject)
    return ParsedMessage(
        parser=PARSER_VERSION,
        summary=summary,
        snippet=snippet_of(text),
        structure=structure,
        attachments=tuple(_attachment(data, part) for part in attached_parts(structure)),
        text=text,
        base_subject=subject,
        header_bytes=structure.body_start,
        reply_or_forward=marked,
    )


def _attachment(raw: bytes, part: Part) -> Attachment:
    content = part_bytes(raw, part)
    return Attachment(
        id="a" + part.path.lower().replace(".", "_"),
        filename=part.filename or _invented_name(part),
        content_type=part.content_type,
        size=len(content),
        sha256=sha256(content).hexdigest(),
        inline=part.content_id is not None and part.disposition != "attachment",
        content_id=part.content_id,
        path=part.path,
    )


def _invented_name(part: Part) -> str:
    """A name for a part that has none: "image-2.png"."""
    kind = part.content_type.partition("/")[0]
    stem = kind if kind in ("audio", "image", "message", "text", "video") else "attachment"
    return f"{stem}-{part.path.replace('.', '-')}.{_EXTENSIONS.get(part.content_type, 'bin')}"
