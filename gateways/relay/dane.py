"""What TLSA records prove of a host's certificate (RFC 6698, RFC 7671, for SMTP RFC 7672)."""

import datetime
import hashlib
import itertools
import ssl
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TRUST_ANCHOR, END_ENTITY = 2, 3
_DIGEST_OCTETS = {1: 32, 2: 64}
MAX_CHAIN = 10


class Tlsa(NamedTuple):
    """One record (RFC 6698 section 2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def is_usable(self) -> bool:
        """Whether it says something for SMTP (RFC 7672 section 3.1); others are passed over."""
        fits = bool(self.data) if self.matching == 0 else len(self.data) == _DIGEST_OCTETS.get(self.matching)
        return self.usage in (TRUST_ANCHOR, END_ENTITY) and self.selector in (0, 1) and fits

    def matches(self, certificate: x509.Certificate) -> bool:
        """Whether it names this certificate or its key."""
        public = certificate.public_key()
        selected = (
            certificate.public_bytes(Encoding.DER)
            if self.selector == 0
            else public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
        if self.matching == 0:
            return selected == self.data
        return hashlib.new({1: "sha256", 2: "sha512"}[self.matching], selected).digest() == self.data


def proves(records: Sequence[Tlsa], chain: Sequence[bytes], names: Sequence[str], *, now: datetime.datetime) -> bool:
    """Whether one of the records proves the chain (DER, the host's own first), for one of these names.

    An end entity's record alone is enough: names and dates say nothing beside it (RFC 7672 section 3.1.1).
    """
    try:
        certificates = [x509.load_der_x509_certificate(one) for one in chain[:MAX_CHAIN]]
        if not certificates:
            return False
        if any(one.usage == END_ENTITY and one.matches(certificates[0]) for one in records):
            return True
        anchors = [one for one in records if one.usage == TRUST_ANCHOR]
        return bool(anchors) and _leads_to(anchors, certificates, names, now)
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType):
        return False


def _leads_to(
    anchors: Sequence[Tlsa], certificates: Sequence[x509.Certificate], names: Sequence[str], now: datetime.datetime
) -> bool:
    """Whether each is issued by the next as far as one that a record names (RFC 7672 section 3.1.2)."""
    if not _is_for(certificates[0], names) or not _is_valid_at(certificates[0], now):
        return False
    for issued, issuer in itertools.pairwise(certificates):
        if not _is_valid_at(issuer, now) or not _is_authority(issuer) or not _issued(issued, issuer):
            return False
        if any(anchor.matches(issuer) for anchor in anchors):
            return True
    return False


def _issued(issued: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_valid_at(certificate: x509.Certificate, now: datetime.datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _is_for(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    try:
        said = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return any(is_name(pattern, name) for pattern in said.get_values_for_type(x509.DNSName) for name in names)


def is_name(pattern: str, name: str) -> bool:
    """Whether a certificate's or a policy's pattern is for the name: `*.` stands for one label (RFC 6125, RFC 8461)."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if not pattern.startswith("*."):
        return pattern == name
    label, dot, rest = name.partition(".")
    return bool(label and dot) and rest == pattern[2:]


def chain_of(tls: ssl.SSLObject) -> list[bytes]:
    """The certificates that the host sent, in DER, its own first."""
    held = getattr(tls, "_sslobj", None)
    sent = held.get_unverified_chain() if held is not None and hasattr(held, "get_unverified_chain") else None
    if sent:
        return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in sent[:MAX_CHAIN]]
    own = tls.getpeercert(binary_form=True)
    return [own] if own else []
