"""Sealed bytes: AES-256-GCM (NIST SP 800-38D) under a mailbox's or a message's key. Pure but for the nonce."""

import hmac
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
SALT_BYTES = 16
"""The fewest octets that a message's salt may have."""
_CACHED_CIPHERS = 4096
_MESSAGE_LABEL = b"ledgermail-message-1"


class SealBrokenError(Exception):
    """The sealed bytes were not made with this key and these associated data, or were changed since."""


def seal(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """A random nonce, then ciphertext and tag: 28 octets longer than `plaintext`."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, plaintext, aad)


def open_sealed(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """The plaintext that `seal` was given.

    Raises: SealBrokenError
    """
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise SealBrokenError("too short to be sealed bytes")
    try:
        return _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)
    except InvalidTag as error:
        raise SealBrokenError("the key, the associated data or the bytes are not those of the sealing") from error


def message_key(mailbox_secret: bytes, salt: bytes) -> bytes:
    """A message's own key: HMAC-SHA-256 under the mailbox's secret of the label and the message's random salt.

    The secret is uniformly random, so that HKDF's extraction (RFC 5869 section 3.3) has nothing to add.
    """
    if len(salt) < SALT_BYTES:
        raise ValueError(f"a message's salt has at least {SALT_BYTES} octets")
    return hmac.digest(mailbox_secret, _MESSAGE_LABEL + salt, "sha256")


def forget_ciphers() -> None:
    """Drop every cipher kept in memory, and with it the keys inside: called when a key is destroyed."""
    _cipher.cache_clear()


@lru_cache(maxsize=_CACHED_CIPHERS)
def _cipher(key: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} octets")
    return AESGCM(key)
