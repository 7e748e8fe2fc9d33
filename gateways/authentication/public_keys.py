"""Public keys of signatures, as they lie in the DNS (RFC 6376 section 3.6.1, RFC 8301, RFC 8463)."""

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateways.authentication.dns import Resolver
from gateways.authentication.signature import Signature
from gateways.authentication.tags import TagsInvalidError, tag_list, without_space

LEAST_BITS, MOST_BITS = 1024, 8192
"""RFC 8301 section 3.2; above it a verification costs too much to be asked for by strangers."""
MAX_RECORD_OCTETS = 16_384
MAX_KEYS = 10
"""Records at one name that are looked at; there ought to be one (RFC 6376 section 3.6.2.2)."""


class KeyInvalidError(ValueError):
    """There is no key, or none that may be used for this signature: permerror."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key and what may be done with it."""

    key: RSAPublicKey | Ed25519PublicKey
    hash_names: tuple[str, ...] | None
    is_strict: bool
    """t=s: the identity's domain must be the signing one itself."""

    @property
    def type(self) -> str:
        """`rsa` or `ed25519`."""
        return "rsa" if isinstance(self.key, RSAPublicKey) else "ed25519"

    def verifies(self, octets: bytes, signed: bytes) -> bool:
        """Whether `octets` is this key's signature of the SHA-256 of `signed` (RFC 8463 section 3 for Ed25519)."""
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(octets, signed, PKCS1v15(), hashes.SHA256())
            else:
                digest = hashes.Hash(hashes.SHA256())
                digest.update(signed)
                self.key.verify(octets, digest.finalize())
        except InvalidSignature:
            return False
        return True


async def find_key(resolver: Resolver, signature: Signature) -> PublicKey:
    """The key that is to verify the signature.

    Raises: KeyInvalidError, DnsTemporaryError
    """
    records = (await resolver.txt(signature.key_name)).records
    if not records:
        raise KeyInvalidError("there is no key")
    failure = KeyInvalidError("there is no key")
    for record in records[:MAX_KEYS]:
        try:
            return _usable(read_key(record), signature)
        except KeyInvalidError as error:
            failure = error
    raise failure


def _usable(key: PublicKey, signature: Signature) -> PublicKey:
    if key.type != signature.key_type:
        raise KeyInvalidError("the key is of another kind")
    if key.hash_names is not None and signature.hash_name not in key.hash_names:
        raise KeyInvalidError("the key is for another hash")
    of = signature.identity.rpartition("@")[2].lower().removesuffix(".")
    if key.is_strict and of and of != signature.domain:
        raise KeyInvalidError("the key is for the domain itself only")
    return key


@lru_cache(maxsize=1024)
def read_key(record: bytes) -> PublicKey:
    """The key of a record.

    Raises: KeyInvalidError
    """
    if len(record) > MAX_RECORD_OCTETS:
        raise KeyInvalidError("the key record is too long")
    try:
        tags = tag_list(record.decode("ascii"))
    except (TagsInvalidError, UnicodeDecodeError) as error:
        raise KeyInvalidError("the key record is garbled") from error
    if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v"):
        raise KeyInvalidError("the key record is of another version")
    if not _words(tags, "s", "*") & {"*", "email"}:
        raise KeyInvalidError("the key is not for mail")
    names = tuple(_words(tags, "h", "")) if "h" in tags else None
    return PublicKey(_key(tags), names, "s" in _words(tags, "t", ""))


def _words(tags: dict[str, str], name: str, default: str) -> set[str]:
    return {word.lower() for word in without_space(tags.get(name, default)).split(":")}


def _key(tags: dict[str, str]) -> RSAPublicKey | Ed25519PublicKey:
    if "p" not in tags:
        raise KeyInvalidError("the key record has no key")
    octets = _octets(tags["p"])
    kind = tags.get("k", "rsa").lower()
    try:
        if kind == "ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyInvalidError("the key is garbled") from error
    if kind != "rsa" or not isinstance(key, RSAPublicKey):
        raise KeyInvalidError("the key is of a kind not known")
    if not LEAST_BITS <= key.key_size <= MOST_BITS:
        raise KeyInvalidError(f"the key has {key.key_size} bits")
    return key


def _octets(text: str) -> bytes:
    if not without_space(text):
        raise KeyInvalidError("the key was withdrawn")
    try:
        return base64.b64decode(without_space(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyInvalidError("the key is not base64") from error
