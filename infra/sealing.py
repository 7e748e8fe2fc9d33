"""Sealed bytes: AES-256-GCM (NIST SP 800-38D) under a mailbox's or a message's key. Pure but for the nonce."""

import hashlib
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
_BLOCK_BYTES = 64
_INNER, _OUTER = (bytes(octet ^ pad for octet in range(256)) for pad in (0x36, 0x5C))


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
    inner, outer = (begun.copy() for begun in _begun_hmac(mailbox_secret))
    inner.update(_MESSAGE_LABEL + salt)
    outer.update(inner.digest())
    return outer.digest()


def seal_once(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """`seal` under a key that is hardly used again, a message's own: no cipher of it is kept in memory."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _made_cipher(key).encrypt(nonce, plaintext, aad)


def forget_ciphers() -> None:
    """Drop every cipher kept in memory, and with it the keys inside: called when a key is destroyed."""
    _cipher.cache_clear()
    _begun_hmac.cache_clear()


@lru_cache(maxsize=_CACHED_CIPHERS)
def _cipher(key: bytes) -> AESGCM:
    return _made_cipher(key)


def _made_cipher(key: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} octets")
    return AESGCM(key)


@lru_cache(maxsize=_CACHED_CIPHERS)
def _begun_hmac(secret: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """The two hashes of HMAC-SHA-256 (RFC 2104 section 4) with the key taken in: half of the work on a short text."""
    padded = secret.ljust(_BLOCK_BYTES, b"\0")
    if len(padded) != _BLOCK_BYTES:
        raise ValueError(f"a secret has at most {_BLOCK_BYTES} octets")
    return hashlib.sha256(padded.translate(_INNER)), hashlib.sha256(padded.translate(_OUTER))
