"""A signature field as it stands in a header: DKIM-Signature (RFC 6376 section 3.5), ARC's (RFC 8617 section 4.1)."""

import base64
import binascii
import re
from dataclasses import dataclass

from gateways.authentication.canonical import RELAXED, SIMPLE
from gateways.authentication.header_block import HeaderBlock
from gateways.authentication.tags import TagsInvalidError, tag_list, without_space

DKIM, MESSAGE, SEAL = b"dkim-signature", b"arc-message-signature", b"arc-seal"
MAX_NAMES = 1000
"""Header fields that a signature names."""
MAX_FIELD_BYTES = 65_536
MAX_DOMAIN_OCTETS = 253
_NEEDED = {
    DKIM: ("v", "a", "b", "bh", "d", "h", "s"),
    MESSAGE: ("a", "b", "bh", "d", "s"),
    SEAL: ("a", "b", "d", "s"),
}
_DEFAULT_FORMS = {DKIM: f"{SIMPLE}/{SIMPLE}", MESSAGE: f"{RELAXED}/{RELAXED}"}
"""RFC 8617 names none of its own, so that of DKIM would hold; but who seals without c= means relaxed, and so do the
validation suite of ARC and the library that most hosts seal with."""
_ALGORITHMS = {"rsa-sha256": ("rsa", "sha256"), "ed25519-sha256": ("ed25519", "sha256"), "rsa-sha1": ("rsa", "sha1")}
_NUMBER = re.compile(r"\d{1,12}", re.ASCII)
_LENGTH = re.compile(r"\d{1,76}", re.ASCII)
_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)*[a-z0-9_](?:[a-z0-9_-]{0,62})", re.IGNORECASE | re.ASCII)
_SIGNATURE_VALUE = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


class SignatureInvalidError(ValueError):
    """The field is no signature that anybody could verify: permerror."""


@dataclass(frozen=True, slots=True)
class BodyForm:
    """How a body is hashed: by which hash, in which canonical form, how many octets of it (None: all)."""

    hash_name: str
    form: str
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature field, read. `at` is where it stands in its header block."""

    at: int
    key_type: str
    hash_name: str
    domain: str
    selector: str
    octets: bytes
    names: tuple[bytes, ...] = ()
    header_form: str = RELAXED
    body: BodyForm | None = None
    body_hash: bytes = b""
    identity: str = ""
    signed_at: int | None = None
    expires_at: int | None = None
    tags: dict[str, str]

    @property
    def key_name(self) -> str:
        """Where its public key lies in the DNS (RFC 6376 section 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


def unsigned(field: bytes) -> bytes:
    """The field less the value of its b= tag."""
    name, colon, value = field.partition(b":")
    return name + colon + _SIGNATURE_VALUE.sub(rb"\1", value, count=1)


def read_signature(header: HeaderBlock, at: int, kind: bytes) -> Signature:
    """The field that stands there, as one of this kind.

    Raises: SignatureInvalidError
    """
    value = header.fields[at].partition(b":")[2]
    if len(value) > MAX_FIELD_BYTES:
        raise SignatureInvalidError("the signature is too long")
    try:
        tags = tag_list(value.decode("utf-8"))
    except (TagsInvalidError, UnicodeDecodeError) as error:
        raise SignatureInvalidError(str(error)) from error
    missing = [name for name in _NEEDED[kind] if not tags.get(name)]
    if missing:
        raise SignatureInvalidError(f"{missing[0]}= is missing")
    return _Reading(tags, kind).signature(at)


class _Reading:
    """The tags of one signature, on their way to what they say."""

    def __init__(self, tags: dict[str, str], kind: bytes) -> None:
        self._tags = tags
        self._kind = kind

    def signature(self, at: int) -> Signature:
        tags = self._tags
        if self._kind == DKIM and tags["v"] != "1":
            raise SignatureInvalidError("its version is not 1")
        key_type, hash_name = self._algorithm()
        domain = self._domain("d")
        read = {
            "at": at,
            "key_type": key_type,
            "hash_name": hash_name,
            "domain": domain,
            "selector": self._domain("s"),
            "octets": self._base64("b"),
            "signed_at": self._number("t"),
            "expires_at": self._number("x"),
            "tags": tags,
        }
        return Signature(**read) if self._kind == SEAL else self._of_message(read, domain)  # type: ignore[arg-type]

    def _of_message(self, read: dict[str, object], domain: str) -> Signature:
        header_form, body_form = self._forms()
        if "h" not in self._tags:
            raise SignatureInvalidError("h= is missing")
        names = tuple(name.lower().encode() for name in without_space(self._tags["h"]).split(":"))
        if len(names) > MAX_NAMES:
            raise SignatureInvalidError("it names too many fields")
        if self._kind == DKIM and b"from" not in names:
            raise SignatureInvalidError("From is not signed")
        length = self._tags.get("l")
        if length is not None and not _LENGTH.fullmatch(length):
            raise SignatureInvalidError("l= is no number")
        signature = Signature(
            **read,  # type: ignore[arg-type]
            names=names,
            header_form=header_form,
            body=BodyForm(str(read["hash_name"]), body_form, None if length is None else int(length)),
            body_hash=self._base64("bh"),
            identity=self._identity(domain) if self._kind == DKIM else "",
        )
        self._check_times(signature)
        return signature

    def _algorithm(self) -> tuple[str, str]:
        found = _ALGORITHMS.get(self._tags["a"].lower())
        if found is None:
            raise SignatureInvalidError("its algorithm is not known")
        if found[1] == "sha1":  # RFC 8301 section 3.1
            raise SignatureInvalidError("rsa-sha1 proves nothing any more")
        return found

    def _domain(self, tag: str) -> str:
        domain = self._tags[tag].lower().removesuffix(".")
        if len(domain) > MAX_DOMAIN_OCTETS or not _DOMAIN.fullmatch(domain):
            raise SignatureInvalidError(f"{tag}= is no domain name")
        return domain

    def _base64(self, tag: str) -> bytes:
        text = without_space(self._tags[tag])
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise SignatureInvalidError(f"{tag}= is not base64") from error

    def _number(self, tag: str) -> int | None:
        text = self._tags.get(tag)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text):
            raise SignatureInvalidError(f"{tag}= is no number")
        return int(text)

    def _forms(self) -> tuple[str, str]:
        header, slash, body = self._tags.get("c", _DEFAULT_FORMS[self._kind]).lower().partition("/")
        body = body if slash else SIMPLE
        if header not in (SIMPLE, RELAXED) or body not in (SIMPLE, RELAXED):
            raise SignatureInvalidError("its canonical form is not known")
        return header, body

    def _identity(self, domain: str) -> str:
        """RFC 6376 section 3.5, i=: in the domain itself or below it."""
        identity = self._tags.get("i", f"@{domain}")
        of = identity.rpartition("@")[2].lower().removesuffix(".")
        if "@" not in identity or not (of == domain or of.endswith(f".{domain}")):
            raise SignatureInvalidError("i= is not within d=")
        return identity

    def _check_times(self, signature: Signature) -> None:
        methods = without_space(self._tags.get("q", "dns/txt")).lower().split(":")
        if "dns/txt" not in methods:
            raise SignatureInvalidError("its key is not in the DNS")
        signed, expires = signature.signed_at, signature.expires_at
        if signed is not None and expires is not None and expires <= signed:
            raise SignatureInvalidError("it expires before it was made")
