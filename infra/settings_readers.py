"""From the text of an environment variable to its value; what cannot be read raises `ValueError` with the reason."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import idna

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a server listens; port 0 takes any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen_address(text: str) -> ListenAddress:
    """`HOST:PORT`; an IPv6 host stands in brackets (`[::1]:8080`)."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("must be HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080")
    if host.startswith("[") and host.endswith("]"):
        return ListenAddress(str(ipaddress.IPv6Address(host[1:-1])), int(port))
    if ":" in host:
        raise ValueError("an IPv6 host stands in brackets, as in [::1]:8080")
    if host != "localhost" and all(part.isdigit() for part in host.split(".")):
        return ListenAddress(str(ipaddress.IPv4Address(host)), int(port))
    return ListenAddress(domain_name(host), int(port))


def server_addresses(text: str) -> tuple[str, ...]:
    """`HOST:PORT` of servers between commas, each once, in their order."""
    found = tuple(dict.fromkeys(str(listen_address(part.strip())) for part in text.split(",") if part.strip()))
    if not found or any(address.endswith(":0") for address in found):
        raise ValueError("must name at least one server, as in kafka-1.example.test:9092")
    return found


MailSources = tuple[tuple[str, date | None], ...]
"""Addresses of this machine, each with the first day of its warm-up where it has one."""


def mail_sources(text: str) -> MailSources:
    """Addresses of this machine between commas, each with `@YYYY-MM-DD` where its warm-up began on that day (UTC)."""
    found = [part.strip().partition("@") for part in text.split(",") if part.strip()]
    if not found:
        raise ValueError("must name at least one address, as in 192.0.2.7 or 192.0.2.7@2026-11-27")
    return tuple(
        (str(ipaddress.ip_address(address)), date.fromisoformat(since) if at else None) for address, at, since in found
    )


def server_address(text: str) -> ListenAddress:
    """`HOST:PORT` of one server."""
    address = listen_address(text)
    if address.port == 0:
        raise ValueError("must name a port")
    return address


def networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks (`10.0.0.0/8`) between commas, in their order."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def resolver_address(text: str) -> ListenAddress:
    """`ADDRESS:PORT` of a resolver, which no name can tell: an address of IPv4, or one of IPv6 in brackets."""
    address = listen_address(text)
    try:
        ipaddress.ip_address(address.host)
    except ValueError:
        raise ValueError("must be ADDRESS:PORT, as in 127.0.0.1:53 or [::1]:53") from None
    if address.port == 0:
        raise ValueError("must name a port")
    return address


def domain_name(text: str) -> str:
    """A domain in lower-case ASCII (A-labels: RFC 5890 section 2.3.2.1, RFC 5891 section 4)."""
    try:
        name = idna.encode(text.strip().rstrip("."), uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise ValueError(f"{text.strip()!r} is not a domain name") from None
    if len(name) > 253:
        raise ValueError(f"{text.strip()[:40]!r}… is longer than 253 characters")
    return name


def domain_names(text: str) -> tuple[str, ...]:
    """Domains between commas, each once, in their order."""
    names = tuple(dict.fromkeys(domain_name(part) for part in text.split(",") if part.strip()))
    if not names:
        raise ValueError("must name at least one domain")
    return names


def file_endings(text: str) -> tuple[str, ...]:
    """Endings of file names between commas, lower case, without their dots."""
    endings = tuple(dict.fromkeys(part.strip().lstrip(".").lower() for part in text.split(",") if part.strip()))
    if not all(re.fullmatch(r"[a-z0-9_-]{1,20}", ending, re.ASCII) for ending in endings):
        raise ValueError("must be endings of file names between commas, as in exe, scr")
    return endings


def mail_address(text: str) -> str:
    """`localpart@domain`, its domain in A-labels."""
    localpart, at, domain = text.strip().rpartition("@")
    if not at or not localpart or any(character.isspace() or character == "@" for character in localpart):
        raise ValueError("must be an address, as in operator@example.test")
    return f"{localpart}@{domain_name(domain)}"


def path(text: str) -> Path:
    """A path, `~` expanded; a relative one stays relative."""
    return Path(text).expanduser()


def readable_file(text: str) -> Path:
    """The absolute path of a file that can be opened now."""
    found = path(text).absolute()
    try:
        found.open("rb").close()
    except OSError as error:
        raise ValueError(f"{found} cannot be opened: {error.strerror}") from None
    return found


def postgres_url(text: str) -> str:
    """A libpq URL. It may hold a password: no error shows it."""
    if urlsplit(text).scheme not in ("postgresql", "postgres"):
        raise ValueError("must be a URL, as in postgresql://USER:PASSWORD@HOST/DATABASE")
    return text


def redis_url(text: str) -> str:
    """`redis://` or, with TLS, `rediss://`. It may hold a password: no error shows it."""
    parts = urlsplit(text)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError("must be a URL, as in rediss://USER:PASSWORD@HOST:6379/0")
    if parts.query:
        raise ValueError("must have no parameters behind a question mark")
    if re.fullmatch(r"/?[0-9]{0,5}", parts.path, re.ASCII) is None:
        raise ValueError("must end with the number of a database, as in /0")
    return text


def http_url(text: str) -> str:
    """`http://HOST:PORT` or `https://HOST`, without a path."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError("must be a URL without a path, as in https://s3.example.test")
    if parts.username or parts.password:
        raise ValueError("must not hold a password")
    return text.rstrip("/")


def http_urls(text: str) -> tuple[str, ...]:
    """One or more of `http_url`, between commas."""
    return tuple(http_url(part.strip()) for part in text.split(",") if part.strip())


def index_prefix(text: str) -> str:
    """What the name of an index may begin with."""
    if re.fullmatch(r"[a-z][a-z0-9-]{0,62}", text, re.ASCII) is None:
        raise ValueError("must be up to 63 lower-case letters, digits and hyphens, a letter first")
    return text


def bucket_name(text: str) -> str:
    """A bucket's name that can be a part of a host name, as S3 wants it."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", text, re.ASCII) is None:
        raise ValueError("must be 3 to 63 lower-case letters, digits and hyphens, as in mail-blobs")
    return text


def topic_prefix(text: str) -> str:
    """The beginning of a Kafka topic's name."""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text, re.ASCII) is None or text.startswith("__"):
        raise ValueError("must be at most 100 letters, digits, dots, hyphens and underscores, as in ledgermail.")
    return text


def word(text: str) -> str:
    """Anything without blanks."""
    if any(character.isspace() for character in text):
        raise ValueError("must not hold blanks")
    return text


def secret(text: str) -> str:
    """A word that no error and no representation shows."""
    return word(text)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A reader of decimal digits from `least` to `most`, both included."""

    def read(text: str) -> int:
        digits = text.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20) or not least <= int(digits) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(digits)

    return read


def one_of(*words: str) -> Callable[[str], str]:
    """A reader of one of a few words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be {' or '.join(words)}")
        return text

    return read
