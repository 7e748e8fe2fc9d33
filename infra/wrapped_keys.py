"""How a mailbox's key is stored anywhere: wrapped by the master key, bound to its mailbox and its id."""

import hashlib
import os
import re
import secrets

from infra.keys import KeyBrokenError, MailboxKey
from infra.sealing import KEY_BYTES, SealBrokenError, open_sealed, seal

_FORMAT = b"ledgermail-key-1"
_MAILBOX_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)


def new_key() -> MailboxKey:
    """A key that nobody has yet."""
    return MailboxKey("k" + secrets.token_hex(10), os.urandom(KEY_BYTES))


def wrapped(master: bytes, mailbox_id: str, key: MailboxKey) -> bytes:
    """The stored form of a mailbox's key."""
    sealed = seal(master, key.secret, _associated(mailbox_id, key.key_id.encode()))
    return b"\n".join((_FORMAT, key.key_id.encode(), sealed))


def unwrapped(master: bytes, mailbox_id: str, stored: bytes) -> MailboxKey:
    """The key that was wrapped.

    Raises: KeyBrokenError
    """
    parts = stored.split(b"\n", 2)
    if len(parts) != 3 or parts[0] != _FORMAT:
        raise KeyBrokenError(f"the key of mailbox {mailbox_id} is damaged")
    try:
        secret = open_sealed(master, parts[2], _associated(mailbox_id, parts[1]))
    except SealBrokenError as error:
        raise KeyBrokenError(
            f"the key of mailbox {mailbox_id} does not open: it is damaged or wrapped by another master key"
        ) from error
    return MailboxKey(parts[1].decode("ascii"), secret)


def key_name(mailbox_id: str) -> str:
    """`ab/cd/<mailbox>.key`: where the mailbox's key lies among files, spread by its digest.

    Raises: ValueError: it is no mailbox id.
    """
    digest = hashlib.sha256(checked_mailbox_id(mailbox_id).encode()).hexdigest()
    return f"{digest[:2]}/{digest[2:4]}/{mailbox_id}.key"


def checked_mailbox_id(text: str) -> str:
    """`text`, when a mailbox can be called so.

    Raises: ValueError
    """
    if not is_mailbox_id(text):
        raise ValueError(f"{text[:80]!r} is no mailbox id")
    return text


def is_mailbox_id(text: str) -> bool:
    """Whether a mailbox can be called so."""
    return _MAILBOX_ID.fullmatch(text) is not None


def _associated(mailbox_id: str, key_id: bytes) -> bytes:
    return b"\0".join((_FORMAT, mailbox_id.encode(), key_id))
