"""Addresses that need no token: signed, and good for a while."""

import hmac
import time
from base64 import urlsafe_b64encode
from typing import NamedTuple

from domain.ids import MailboxId
from gateways.http.ports import HttpParts
from gateways.http.problems import ProblemError

HOUR_S = 3600
SAME_FOR_S = 300
_LABEL = b"ledgermail-address-1\0"


def sign(secret: bytes, text: str) -> str:
    """The signature of a text."""
    digest = hmac.digest(secret, _LABEL + text.encode(), "sha256")
    return urlsafe_b64encode(digest[:24]).decode()


class SignedAddress(NamedTuple):
    """A path with its signature, and until when it is good (unix seconds)."""

    url: str
    expires: int


def signed(secret: bytes, method: str, path: str, *, mailbox_id: str = "") -> SignedAddress:
    """The address of a path: good for 55 to 60 minutes, and the same for five minutes, so that it can be cached."""
    expires = int(time.time()) // SAME_FOR_S * SAME_FOR_S + HOUR_S
    holder = f"mailbox={mailbox_id}&" if mailbox_id else ""
    signature = sign(secret, _text(method, path, mailbox_id, expires))
    return SignedAddress(f"{path}?{holder}expires={expires}&signature={signature}", expires)


def require_signed(secret: bytes, method: str, path: str, *, mailbox_id: str, expires: int, signature: str) -> None:
    """The address bears our signature and is still good. Raises: ProblemError."""
    wanted = sign(secret, _text(method, path, mailbox_id, expires))
    if not hmac.compare_digest(wanted.encode(), signature.encode()) or expires < time.time():
        raise ProblemError("signature_invalid")


def require_let_in(parts: HttpParts, mailbox_id: MailboxId) -> None:
    """A signed address opens nothing of an account that is suspended, closed or erased. Raises: ProblemError."""
    if not parts.accounts.is_open(mailbox_id):
        raise ProblemError("signature_invalid")


def _text(method: str, path: str, mailbox_id: str, expires: int) -> str:
    return f"{method}\n{path}\n{mailbox_id}\n{expires}"
