"""What an e-mail address is, and when two of them are the same mailbox.

RFC 5321 sections 4.1.2 and 4.5.3.1 give grammar and lengths, RFC 6531 section 3.3 the characters beyond ASCII.
"""

import re
import unicodedata
from dataclasses import dataclass

MAX_LOCALPART_OCTETS = 64  # RFC 5321 section 4.5.3.1.1
MAX_DOMAIN_OCTETS = 255  # RFC 5321 section 4.5.3.1.2
MAX_ADDRESS_OCTETS = 254  # RFC 5321 section 4.5.3.1.3: a path is 256 octets with its angle brackets

# fmt: off
RESERVED_LOCALPARTS = frozenset({
    "abuse", "admin", "administrator", "all", "billing", "contact", "daemon", "everyone", "ftp", "help",
    "hostmaster", "info", "ledgermail", "list", "listserv", "mail", "mailer-daemon", "mailerdaemon",
    "majordomo", "marketing", "news", "no-reply", "nobody", "noc", "noreply", "operator", "owner",
    "password", "phishing", "postmaster", "privacy", "register", "registrar", "root", "sales", "security",
    "smtp", "spam", "ssladmin", "ssladministrator", "sslwebmaster", "staff", "submit", "support", "sysadmin",
    "system", "unsubscribe", "usenet", "uucp", "webmaster", "www",
})
# fmt: on
"""Localparts that no user may register: the role names of RFC 2142, and those that people take for the operator."""

_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~\-\x80-\U0010ffff]+(?:\.[\w!#$%&'*+/=?^`{|}~\-\x80-\U0010ffff]+)*")
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~\x80-\U0010ffff]|\\[ -~])*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


class AddressInvalidError(ValueError):
    """The text is not an address that mail can be delivered to."""


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """One address: `localpart` without quoting and in the case given, `domain` as A-labels in lower case.

    Make it with `parse`; only `BARE_POSTMASTER` has an empty domain.
    """

    localpart: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> "EmailAddress":
        """The address that `text` spells, such as `Ann.Lee+lists@Example.org` or `"ann lee"@bücher.example`.

        Raises: AddressInvalidError, also for address literals (`ann@[192.0.2.1]`): no mailbox lives at one.
        """
        localpart, at, domain = text.rpartition("@")
        if not at:
            raise AddressInvalidError("an address is localpart@domain")
        address = cls(parse_localpart(localpart), parse_domain(domain))
        if len(str(address).encode()) > MAX_ADDRESS_OCTETS:
            raise AddressInvalidError(f"an address has at most {MAX_ADDRESS_OCTETS} octets")
        return address

    def __str__(self) -> str:
        """The address as it goes on the wire, quoted only where it must be."""
        return _joined(self.localpart, self.domain)

    @property
    def tag(self) -> str | None:
        """What follows the first `+` of the localpart; none where nothing stands before it."""
        base, plus, tag = self.localpart.partition("+")
        return tag if plus and base else None

    @property
    def canonical(self) -> str:
        """The spelling that the directory knows: equal for all addresses that reach the same mailbox."""
        return _joined(self._canonical_localpart, self.domain)

    @property
    def is_reserved(self) -> bool:
        """Whether the localpart belongs to the operator (RFC 2142) and must be refused to users."""
        return self._canonical_localpart in RESERVED_LOCALPARTS

    @property
    def is_ascii(self) -> bool:
        """Whether the address can be used without SMTPUTF8 (RFC 6531); the domain always can."""
        return self.localpart.isascii()

    @property
    def _canonical_localpart(self) -> str:
        base, plus, _tag = self.localpart.partition("+")
        kept = base if plus and base else self.localpart
        if kept.isascii():
            return kept.lower()
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", kept).casefold())


BARE_POSTMASTER = EmailAddress("postmaster", "")
"""The recipient `<Postmaster>` without a domain (RFC 5321 section 4.5.1)."""


def parse_localpart(text: str) -> str:
    """The localpart that `text` spells, its quotes taken off.

    Raises: AddressInvalidError
    """
    if len(text) > MAX_LOCALPART_OCTETS or len(text.encode(errors="surrogatepass")) > MAX_LOCALPART_OCTETS:
        raise AddressInvalidError(f"a localpart has at most {MAX_LOCALPART_OCTETS} octets")
    if not text.isascii() and any(unicodedata.category(character) in _UNSAFE_CATEGORIES for character in text):
        raise AddressInvalidError("a localpart holds no control characters")
    if _DOT_ATOM.fullmatch(text):
        return text
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        raise AddressInvalidError("the localpart is neither a dot-atom nor a quoted string")
    return _QUOTED_PAIR.sub(r"\1", quoted[1])


def parse_domain(text: str) -> str:
    """The domain that `text` spells, as A-labels in lower case (RFC 5890 section 2.3.2.1).

    Raises: AddressInvalidError, also for address literals.
    """
    if len(text) > MAX_DOMAIN_OCTETS:
        raise AddressInvalidError(f"a domain has at most {MAX_DOMAIN_OCTETS} octets")
    domain = text.lower() if text.isascii() else _a_labels(text)
    if len(domain) > MAX_DOMAIN_OCTETS or not _DOMAIN.fullmatch(domain):
        raise AddressInvalidError("the domain is not one of letters, digits and hyphens")
    return domain


def _a_labels(text: str) -> str:
    try:
        return text.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise AddressInvalidError("the domain has no A-label form") from error


def _joined(localpart: str, domain: str) -> str:
    if not _DOT_ATOM.fullmatch(localpart):
        localpart = '"' + localpart.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{localpart}@{domain}" if domain else localpart
