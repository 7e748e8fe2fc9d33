"""A message as a person sees it: header fields decoded, body as text and safe HTML, attachments as bytes."""

from collections.abc import Callable
from html import escape
from typing import NamedTuple
from urllib.parse import unquote

from gateways.mime.encoded_words import unfolded, words_decoded
from gateways.mime.header_fields import body_offset, fields_in_order
from gateways.mime.html_text import MAX_HTML_CHARS, html_to_text
from gateways.mime.reading import part_bytes, part_text, read_parts
from gateways.mime.sanitise import sanitise
from gateways.mime.structure import MAX_TEXT_CHARS, Attachment, ParsedMessage, Part, part_at

_MAX_SHOWN_FIELDS = 1_000
_MAX_SHOWN_VALUE_CHARS = 16_384


class ShownBody(NamedTuple):
    """The body; ``html`` is None where the sender wrote none or it cannot be shown safely: then ``text`` stands."""

    text: str
    html: str | None
    blocked_remote: bool


class AttachmentUnknownError(LookupError):
    """The message has no attachment with that id."""


def headers(raw: bytes) -> list[tuple[str, str]]:
    """Every header field in its order, decoded on one line: at most 1,000 fields and 16,384 characters of each."""
    shown = []
    for name, value in fields_in_order(raw, 0, body_offset(raw, 0, len(raw))):
        shown.append((name.decode("ascii"), words_decoded(unfolded(value))[:_MAX_SHOWN_VALUE_CHARS]))
        if len(shown) >= _MAX_SHOWN_FIELDS:
            break
    return shown


def body(raw: bytes, parsed: ParsedMessage, *, remote: bool = False, cid_url: Callable[[Attachment], str]) -> ShownBody:
    """What the message says; ``remote`` is the reader's consent to load images from elsewhere.

    ``cid_url`` gives the address under which an attachment shown in the HTML can be fetched.
    """
    texts = [_as_text(raw, part) for part in read_parts(parsed.structure)]
    text = "\n".join(texts)[:MAX_TEXT_CHARS]
    rich = read_parts(parsed.structure, prefer="text/html")
    if not any(part.content_type == "text/html" for part in rich):
        return ShownBody(text, None, False)
    by_cid = {a.content_id: a for a in parsed.attachments if a.content_id is not None}

    def address(content_id: str) -> str | None:
        found = by_cid.get(content_id) or by_cid.get(unquote(content_id))
        return None if found is None else cid_url(found)

    return _with_html(text, [_as_html(raw, part, remote, address) for part in rich])


def _with_html(text: str, pieces: list[tuple[str, bool] | None]) -> ShownBody:
    """Every piece one below the other; one that cannot be shown safely leaves the message to its text."""
    safe = [piece for piece in pieces if piece is not None]
    if len(safe) < len(pieces):
        return ShownBody(text, None, False)
    return ShownBody(text, "\n".join(html for html, _ in safe), any(blocked for _, blocked in safe))


def _as_text(raw: bytes, part: Part) -> str:
    text = part_text(raw, part)
    return html_to_text(text[:MAX_HTML_CHARS]) if part.content_type == "text/html" else text


def _as_html(raw: bytes, part: Part, remote: bool, cid_url: Callable[[str], str | None]) -> tuple[str, bool] | None:
    text = part_text(raw, part)
    if part.content_type == "text/html":
        return sanitise(text, remote=remote, cid_url=cid_url)
    shown = escape(text[:MAX_TEXT_CHARS]).replace("\n", "<br>\n")
    return f"<div>{shown}</div>", False


def attachment_bytes(raw: bytes, parsed: ParsedMessage, attachment_id: str) -> tuple[Attachment, bytes]:
    """An attachment and its decoded bytes.

    Raises: AttachmentUnknownError.
    """
    for attachment in parsed.attachments:
        if attachment.id == attachment_id:
            part = part_at(parsed.structure, attachment.path)
            if part is not None:
                return attachment, part_bytes(raw, part)
    raise AttachmentUnknownError(attachment_id)
