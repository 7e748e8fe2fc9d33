"""The private keys that mail of a domain is signed with, and the port to where they are kept."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

RSA, ED25519 = "rsa-sha256", "ed25519-sha256"
ALGORITHMS = (RSA, ED25519)
"""A domain has a key of each: whoever does not know Ed25519 yet goes by the other (RFC 8463 section 5)."""
RSA_BITS = 2048
PENDING, ACTIVE, RETIRED = "pending", "active", "retired"
"""Made, its record to be published; signed with; no more signed with, its record needed for mail under way."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """One private key (PKCS #8 DER) of a domain (A-labels)."""

    domain: str
    selector: str
    algorithm: str
    state: str
    private: bytes = field(repr=False)

    def sign(self, octets: bytes) -> bytes:
        """The signature of their SHA-256 (RFC 8463 section 3 for Ed25519)."""
        key = _loaded(self.private)
        if isinstance(key, RSAPrivateKey):
            return key.sign(octets, PKCS1v15(), hashes.SHA256())
        digest = hashes.Hash(hashes.SHA256())
        digest.update(octets)
        return key.sign(digest.finalize())

    @property
    def record(self) -> str:
        """The text to publish at `name` (RFC 6376 section 3.6.1)."""
        public = _loaded(self.private).public_key()
        if self.algorithm == RSA:
            octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return f"v=DKIM1; k=rsa; p={base64.b64encode(octets).decode()}"
        octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(octets).decode()}"

    @property
    def name(self) -> str:
        """Where its record is to be published."""
        return f"{self.selector}._domainkey.{self.domain}"

    def in_state(self, state: str) -> "DkimKey":
        """The same key, as it stands after a step of its life."""
        return replace(self, state=state)


class DkimKeys(Protocol):
    """Where the keys are kept. Calls block; every change is durable on return."""

    def of(self, domain: str) -> Sequence[DkimKey]:
        """All keys of the domain, the oldest first."""
        ...

    def add(self, keys: Sequence[DkimKey]) -> None:
        """Keep new keys, all or none.

        Raises: KeysPresentError: a selector is taken, or keys in that state are there already.
        """
        ...

    def switch(self, domain: str) -> None:
        """From now on its pending keys are signed with and its active ones retired; nothing where none is pending."""
        ...


class KeysPresentError(Exception):
    """The domain has such keys already."""


def new_keys(domain: str, *, label: str, state: str) -> list[DkimKey]:
    """A key of each algorithm; `label` begins their selectors."""
    rsa = generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return [
        DkimKey(domain, f"{label}-rsa", RSA, state, _octets(rsa)),
        DkimKey(domain, f"{label}-ed25519", ED25519, state, _octets(Ed25519PrivateKey.generate())),
    ]


def _octets(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@lru_cache(maxsize=256)
def _loaded(private: bytes) -> RSAPrivateKey | Ed25519PrivateKey:
    key = load_der_private_key(private, password=None)
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise TypeError("a key is of RSA or Ed25519")
    return key
