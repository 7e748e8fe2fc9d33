"""A cache of what is a mailbox's own: sealed under its key, so that nobody reads it there, nor another mailbox here.

What destroys the key erases the entries, wherever they lie; their octets go minutes later by themselves.
"""

import hmac

from domain.ids import MailboxId
from infra.caches.cache import Cache
from infra.caches.names import Names
from infra.keys import KeyBrokenError, KeyMissingError, Keys
from infra.sealing import SealBrokenError, open_sealed, seal_once

_LABEL = b"ledgermail-cache-1"


class SealedCache:
    """Without the mailbox's key there is nothing, and nothing is kept."""

    def __init__(self, cache: Cache, keys: Keys, names: Names) -> None:
        self._cache = cache
        self._keys = keys
        self._names = names

    def get(self, mailbox_id: MailboxId, kind: str, *parts: bytes) -> bytes | None:
        """What was put there last under this name, if it is still there."""
        key = self._key(mailbox_id)
        if key is None:
            return None
        name = self._name(mailbox_id, kind, parts)
        sealed = self._cache.get(name)
        try:
            return None if sealed is None else open_sealed(key, sealed, name)
        except SealBrokenError:
            return None

    def put(self, mailbox_id: MailboxId, kind: str, *parts: bytes, value: bytes, for_s: int) -> None:
        """Keep the value for so long, or do not."""
        key = self._key(mailbox_id)
        if key is not None:
            name = self._name(mailbox_id, kind, parts)
            self._cache.put(name, seal_once(key, value, name), for_s=for_s)

    def _name(self, mailbox_id: MailboxId, kind: str, parts: tuple[bytes, ...]) -> bytes:
        return self._names.of(kind, mailbox_id.encode(), *parts)

    def _key(self, mailbox_id: MailboxId) -> bytes | None:
        try:
            key = self._keys.get(mailbox_id)
        except (KeyMissingError, KeyBrokenError, OSError):  # whoever needs the key will say so
            return None
        return None if key is None else hmac.digest(key.secret, _LABEL, "sha256")
