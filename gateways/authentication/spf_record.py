"""An SPF record as it stands in the DNS (RFC 7208 sections 4.5, 5, 6 and 12): read whole before anything is asked."""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from gateways.authentication.spf_macros import MacroInvalidError, check_domain_spec, check_macro_string

MAX_RECORD_OCTETS = 16_384

QUALIFIERS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_VERSION = re.compile(r"v=spf1(?: |$)", re.IGNORECASE)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"([-+~?]?)([A-Za-z][A-Za-z0-9_.-]*)(.*)", re.DOTALL)
_CIDR = re.compile(r"(?P<domain>.*?)(?:/(?P<four>0|[1-9]\d?))?(?://(?P<six>0|[1-9]\d{0,2}))?", re.DOTALL | re.ASCII)
_NETWORK = re.compile(r"(?P<address>[0-9A-Fa-f:.]+)(?:/(?P<bits>0|[1-9]\d{0,2}))?", re.ASCII)


class SpfRecordError(ValueError):
    """The record breaks the grammar: permerror."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One directive: its result where it matches, its name, its domain-spec (empty where none is given)."""

    result: str
    name: str
    domain: str = ""
    four_bits: int = 32
    six_bits: int = 128
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """The mechanisms in their order, and the two modifiers."""

    mechanisms: tuple[Mechanism, ...]
    redirect: str | None = None
    explanation: str | None = None


def is_spf(text: bytes) -> bool:
    """Whether a text record begins as an SPF record does (RFC 7208 section 4.5)."""
    return _VERSION.match(text[:8].decode("latin-1")) is not None


@lru_cache(maxsize=1024)
def read_record(text: bytes) -> SpfRecord:
    """The record.

    Raises: SpfRecordError
    """
    if not text.isascii() or len(text) > MAX_RECORD_OCTETS:
        raise SpfRecordError("a record is ASCII")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in filter(None, text.decode("ascii")[6:].split(" ")):
        modifier = _MODIFIER.fullmatch(term)
        try:
            if modifier is not None:
                _take_modifier(modifier[1].lower(), modifier[2], modifiers)
            else:
                mechanisms.append(_mechanism(term))
        except MacroInvalidError as error:
            raise SpfRecordError(str(error)) from error
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect"), modifiers.get("exp"))


def _take_modifier(name: str, value: str, modifiers: dict[str, str]) -> None:
    if name not in ("redirect", "exp"):
        check_macro_string(value)  # RFC 7208 section 6: unknown ones are ignored
        return
    if name in modifiers:
        raise SpfRecordError(f"{name}= stands there twice")
    check_domain_spec(value)
    modifiers[name] = value


def _mechanism(term: str) -> Mechanism:
    directive = _DIRECTIVE.fullmatch(term)
    if directive is None:
        raise SpfRecordError(f"{term!r} is no mechanism")
    result, name, rest = QUALIFIERS[directive[1] or "+"], directive[2].lower(), directive[3]
    if name == "all":
        return Mechanism(result, name) if not rest else _unknown(term)
    if name in ("ip4", "ip6"):
        return Mechanism(result, name, network=_network(rest, 4 if name == "ip4" else 6))
    if name in ("include", "exists"):
        return Mechanism(result, name, _domain(rest, is_needed=True))
    if name in ("a", "mx"):
        return _with_bits(result, name, rest)
    if name == "ptr":
        return Mechanism(result, name, _domain(rest))
    return _unknown(term)


def _unknown(term: str) -> Mechanism:
    raise SpfRecordError(f"{term!r} is no mechanism")


def _domain(rest: str, *, is_needed: bool = False) -> str:
    if not rest and not is_needed:
        return ""
    if not rest.startswith(":"):
        raise SpfRecordError("a domain is missing")
    check_domain_spec(rest[1:])
    return rest[1:]


def _with_bits(result: str, name: str, rest: str) -> Mechanism:
    """RFC 7208 section 5.3: domain, then the lengths of the prefixes compared."""
    parts = _CIDR.fullmatch(rest)
    if parts is None:
        raise SpfRecordError(f"{rest!r} is no domain with prefixes")
    four, six = int(parts["four"] or 32), int(parts["six"] or 128)
    if four > 32 or six > 128:
        raise SpfRecordError("a prefix is longer than an address")
    return Mechanism(result, name, _domain(parts["domain"]), four, six)


def _network(rest: str, version: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    parts = _NETWORK.fullmatch(rest[1:]) if rest.startswith(":") else None
    if parts is None:
        raise SpfRecordError(f"{rest!r} is no network")
    try:
        address = ipaddress.ip_address(parts["address"])
        if address.version != version:
            raise SpfRecordError(f"{rest!r} is no network of IPv{version}")
        bits = parts["bits"] or str(address.max_prefixlen)
        return ipaddress.ip_network(f"{address}/{bits}", strict=False)
    except ValueError as error:
        raise SpfRecordError(f"{rest!r} is no network") from error
