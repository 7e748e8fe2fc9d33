"""Which copies in SENT are of one mail: told by the names of their objects, which any decision sees in its rows.

Whoever takes a mail that bears a Message-ID names its object after it and after the content, so that a decision can
tell the same mail again, under the mailbox's lock, without reading anything.
"""

import hashlib

_MAIL_CHARS, _CONTENT_CHARS, _CHANCE_CHARS = 12, 10, 9
_LENGTH = 1 + _MAIL_CHARS + _CONTENT_CHARS + _CHANCE_CHARS


def copy_id(mailbox_id: str, own_ref: str, content_sha256: str, chance: str) -> str:
    """An acceptance id for a mail: `own_ref` is its hashed Message-ID, the content what its author handed over.

    `chance` is at least nine characters that no other call gives.
    """
    mail = hashlib.sha256(f"{mailbox_id}\0{own_ref}".encode()).hexdigest()
    return f"a{mail[:_MAIL_CHARS]}{content_sha256[:_CONTENT_CHARS]}{chance[-_CHANCE_CHARS:]}"


def are_of_one_mail(blob: str, other: str) -> bool:
    """Whether two objects hold mails of one mailbox and Message-ID, whatever else they say."""
    return _part(blob, _MAIL_CHARS) == _part(other, _MAIL_CHARS) != ""


def are_alike(blob: str, other: str) -> bool:
    """Whether their author handed over the same content besides."""
    return _part(blob, _MAIL_CHARS + _CONTENT_CHARS) == _part(other, _MAIL_CHARS + _CONTENT_CHARS) != ""


def _part(blob: str, length: int) -> str:
    """The beginning of what follows the first letter; nothing where the object was not named by `copy_id`."""
    name = blob.rpartition("/")[2].partition(".")[0]
    return name[1 : length + 1] if len(name) == _LENGTH else ""
