"""One-click unsubscription (RFC 8058): the fields that bulk mail bears, and what lies behind their link.

The link needs no signing in and tells a stranger nothing: sender and recipient are sealed in it. Opening it shows a
button and changes nothing, since scanners open links; only the POST unsubscribes.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.commands import Refusal
from domain.decisions import RecordUnsubscription
from domain.events import Who
from domain.ids import MailboxId
from gateways.delivery.unsubscribed_check import canonical
from gateways.http.operations import Answer, Call, Operation
from gateways.http.ports import HttpParts
from gateways.http.problems import ProblemError

PATH: Final = "/unsubscribe"
ONE_CLICK: Final = "List-Unsubscribe=One-Click"
_PURPOSE: Final = b"ledgermail-unsubscribe-1"
_NONCE_OCTETS: Final = 12
_NOBODY_IS_LEFT: Final = ("mailbox_unknown", "mailbox_erased")
"""Of a sender who is gone nobody gets any more mail."""
_HTML: Final = "text/html; charset=utf-8"
_POLICY: Final = b"default-src 'none'; form-action 'self'; frame-ancestors 'none'"
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width"><title>Unsubscribe</title><main><h1>{title}</h1>{body}</main></html>
"""
_ASKED = _PAGE.format(
    title="Unsubscribe?",
    body='<p>You will get no more mail to many from this sender.</p><form method="post">'
    '<input type="hidden" name="List-Unsubscribe" value="One-Click"><button>Unsubscribe</button></form>',
)
_DONE = _PAGE.format(title="You are unsubscribed", body="<p>This sender's mail to many will not reach you again.</p>")


class UnsubscribeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the link: who sent the mail, and to whom, sealed."""

    token: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class _Link(NamedTuple):
    mailbox_id: MailboxId
    address: str


def unsubscribe_fields(parts: HttpParts, mailbox_id: MailboxId, address: str) -> tuple[tuple[str, str], ...]:
    """The header fields of a bulk mail to one recipient (RFC 8058 section 3.1); none where nobody can reach us."""
    if parts.settings.public_url is None:
        return ()
    link = f"{parts.settings.public_url}{PATH}?token={_sealed(parts.settings.secret, mailbox_id, address)}"
    return (("List-Unsubscribe", f"<{link}>"), ("List-Unsubscribe-Post", ONE_CLICK))


def ask(call: Call[UnsubscribeQuery, None]) -> Answer:
    """A page with a button."""
    _opened(call)
    return Answer(_ASKED.encode(), content_type=_HTML, policy=_POLICY)


def unsubscribe(call: Call[UnsubscribeQuery, Any]) -> Answer:
    """The recipient gets no more bulk mail of this sender, whose log says so. Safe to repeat."""
    link = _opened(call)
    told = RecordUnsubscription(
        mailbox_id=link.mailbox_id,
        command_id=call.command_id,
        who=Who(actor="recipient", protocol="http"),
        address=canonical(link.address),
    )
    try:
        call.run(told)
    except Refusal as refusal:
        if refusal.code not in _NOBODY_IS_LEFT:
            raise
    return Answer(_DONE.encode(), content_type=_HTML, policy=_POLICY)


def _sealed(secret: bytes, mailbox_id: MailboxId, address: str) -> str:
    nonce = secrets.token_bytes(_NONCE_OCTETS)
    told = msgspec.msgpack.encode((mailbox_id, address))
    return urlsafe_b64encode(nonce + _cipher(secret).encrypt(nonce, told, _PURPOSE)).decode().rstrip("=")


def _opened(call: Call[UnsubscribeQuery, Any]) -> _Link:
    """What the link says. Raises: ProblemError, where it is none of ours."""
    text = call.query.token
    try:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        told = _cipher(call.parts.settings.secret).decrypt(sealed[:_NONCE_OCTETS], sealed[_NONCE_OCTETS:], _PURPOSE)
    except (ValueError, InvalidTag):
        raise ProblemError("signature_invalid") from None
    mailbox_id, address = msgspec.msgpack.decode(told, type=tuple[str, str])
    return _Link(MailboxId(mailbox_id), address)


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret, _PURPOSE, "sha256"))


OPERATIONS = (
    Operation(
        method="GET",
        path=PATH,
        summary="A page that asks whether to unsubscribe from a sender's bulk mail",
        run=ask,
        query=UnsubscribeQuery,
        answers={200: "text/html"},
        errors=("signature_invalid",),
        open_to_strangers=True,
        tag="writing",
    ),
    Operation(
        method="POST",
        path=PATH,
        summary="Unsubscribe from a sender's bulk mail (RFC 8058)",
        run=unsubscribe,
        query=UnsubscribeQuery,
        answers={200: "text/html"},
        errors=("signature_invalid",),
        open_to_strangers=True,
        secret=True,
        tag="writing",
    ),
)
