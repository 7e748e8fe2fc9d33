"""The grammar of commands: lines, paths, parameters and greeting names (RFC 5321 sections 2.3.8 and 4.1.2)."""

import ipaddress
import re

from domain.addresses import BARE_POSTMASTER, AddressInvalidError, EmailAddress, parse_domain, parse_localpart

MAX_PATH_OCTETS = 256  # RFC 5321 section 4.5.3.1.3

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_PATH_AND_PARAMETERS = re.compile(r'(<(?:[^<>"]|"(?:[^"\\]|\\.)*")*>)(?: +(.*))?')
_SOURCE_ROUTE = re.compile(r"(@[^@,:\s]+(?:,@[^@,:\s]+)*):")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\x80-\U0010ffff]+))?")
_GREETING_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?")
_GENERAL_LITERAL = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+")


class ArgumentInvalidError(ValueError):
    """The arguments of a command do not follow its grammar (501 5.5.4)."""


class AddressLiteralError(AddressInvalidError):
    """The recipient lives at an address literal, where none of our mailboxes does."""


def line_text(line: bytes) -> str | None:
    """The command of a line, without its CRLF; none where it is not text on one line (RFC 5321 section 2.3.8)."""
    if not line.endswith(b"\r\n"):
        return None
    try:
        text = line[:-2].decode()
    except UnicodeDecodeError:
        return None
    return None if _CONTROLS.search(text) else text


def refuse_argument(argument: str) -> None:
    """For the commands that stand alone.

    Raises: ArgumentInvalidError
    """
    if argument:
        raise ArgumentInvalidError("this command takes no argument")


def split_path(argument: str, keyword: str) -> tuple[str, str]:
    """The path with its angle brackets, and the parameters, of `FROM:<…> …` or `TO:<…> …`.

    A space after the colon is no harm, though RFC 5321 section 3.3 forbids it.

    Raises: ArgumentInvalidError
    """
    name, colon, rest = argument.partition(":")
    found = _PATH_AND_PARAMETERS.fullmatch(rest.lstrip(" "))
    if name.upper() != keyword or not colon or found is None:
        raise ArgumentInvalidError(f"{keyword}:<address>")
    return found[1], found[2] or ""


def reverse_path(path: str) -> str:
    """The sender's address without brackets and source route; empty for `<>`.

    Raises: AddressInvalidError
    """
    mailbox = _mailbox(path)
    if not mailbox:
        return ""
    localpart, _at, domain = mailbox.rpartition("@")
    if domain.startswith("[") and is_address_literal(domain):
        return str(EmailAddress(parse_localpart(localpart), domain))
    return str(EmailAddress.parse(mailbox))


def forward_path(path: str) -> EmailAddress:
    """The recipient's address, its source route ignored (RFC 5321 appendix C).

    Raises: AddressInvalidError, AddressLiteralError
    """
    mailbox = _mailbox(path)
    if mailbox.lower() == "postmaster":
        return BARE_POSTMASTER
    if mailbox.endswith("]") and is_address_literal("[" + mailbox.rpartition("@[")[2]):
        raise AddressLiteralError("no mailbox lives at an address literal")
    return EmailAddress.parse(mailbox)


def parameters(text: str) -> dict[str, str | None]:
    """The ESMTP parameters of `text`, their keywords in upper case, each given once (RFC 5321 section 4.1.2).

    Raises: ArgumentInvalidError
    """
    given: dict[str, str | None] = {}
    for word in text.split():
        found = _PARAMETER.fullmatch(word)
        if found is None or found[1].upper() in given:
            raise ArgumentInvalidError("KEYWORD or KEYWORD=VALUE, each once")
        given[found[1].upper()] = found[2]
    return given


def is_greeting_name(text: str) -> bool:
    """Whether `text` may stand after EHLO: a domain or an address literal.

    Underscores pass, which many hosts have in their names and which do no harm.
    """
    if text.startswith("["):
        return is_address_literal(text)
    return len(text) <= 255 and _GREETING_NAME.fullmatch(text) is not None


def is_address_literal(text: str) -> bool:
    """Whether `text` is an address literal, brackets included (RFC 5321 section 4.1.3)."""
    inner = text[1:-1]
    if not (text.startswith("[") and text.endswith("]")) or len(text) > 255:
        return False
    if inner[:5].upper() == "IPV6:":
        return _is_ip(inner[5:], ipaddress.IPv6Address)
    return _is_ip(inner, ipaddress.IPv4Address) or _GENERAL_LITERAL.fullmatch(inner) is not None


def _mailbox(path: str) -> str:
    if len(path) > MAX_PATH_OCTETS or len(path.encode()) > MAX_PATH_OCTETS:
        raise AddressInvalidError(f"a path has at most {MAX_PATH_OCTETS} octets")
    mailbox = path[1:-1]
    route = _SOURCE_ROUTE.match(mailbox)
    if route is None:
        return mailbox
    for hop in route[1].split(","):
        parse_domain(hop[1:])
    return mailbox[route.end() :]


def _is_ip(text: str, kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return "%" not in text
