"""Names of what lies in a cache: a kind in clear and a keyed digest, so that nobody learns from them who or what.

Installations that share a server have different secrets, and so never each other's names.
"""

import hashlib

PREFIX = b"ledgermail"
DIGEST_BYTES = 16
SECRET_BYTES = 32


class Names:
    """Names under the installation's `secret`, of 32 octets."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"a secret has {SECRET_BYTES} octets")
        self._secret = secret

    def of(self, kind: str, *parts: bytes) -> bytes:
        """`ledgermail:KIND:DIGEST`; other parts, in any other division, have another digest."""
        counted = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        digest = hashlib.blake2b(counted, key=self._secret, digest_size=DIGEST_BYTES, person=kind.encode()[:16])
        return b"%b:%b:%b" % (PREFIX, kind.encode(), digest.hexdigest().encode())
