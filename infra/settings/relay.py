"""Who is asked about other hosts' names, and how mail goes to them."""

from dataclasses import dataclass
from pathlib import Path

from infra import settings_readers as read
from infra.settings.variable import count, setting
from infra.settings_readers import ListenAddress, MailSources

_SOURCES = (
    "Addresses of this machine that mail of the stream `{}` leaves from, between commas; ADDRESS@YYYY-MM-DD for one"
    " whose warm-up began on that day: 50 mails, twice as many every second day, for four weeks."
)


@dataclass(frozen=True, kw_only=True)
class Relay:
    """Who is asked about other hosts, and how mail goes to them."""

    dns: ListenAddress | None = setting(
        "DNS", read.resolver_address, None, "The DNS resolver to ask, ADDRESS:PORT.", unset="the system's"
    )
    dns_trusted: str = setting(
        "DNS_TRUSTED",
        read.one_of("yes", "no"),
        "no",
        "Whether the resolver and the way to it are believed about DNSSEC: `yes` or `no`; on loopback they are.",
    )
    relay_port: int = count("RELAY_PORT", 25, "Port of other hosts that mail is relayed to.", most=65535)
    relay_connections: int = count(
        "RELAY_CONNECTIONS", 20, "Connections to one destination at a time; throttling makes them fewer.", most=200
    )
    relay_source_personal: MailSources | None = setting(
        "RELAY_SOURCE_PERSONAL", read.mail_sources, None, _SOURCES.format("personal"), unset="the system's choice"
    )
    relay_source_transactional: MailSources | None = setting(
        "RELAY_SOURCE_TRANSACTIONAL",
        read.mail_sources,
        None,
        _SOURCES.format("transactional"),
        unset="the system's choice",
    )
    relay_source_bulk: MailSources | None = setting(
        "RELAY_SOURCE_BULK", read.mail_sources, None, _SOURCES.format("bulk"), unset="the system's choice"
    )
    relay_sts_port: int = count("RELAY_STS_PORT", 443, "Port that MTA-STS policies are fetched from.", most=65535)
    relay_ca: Path | None = setting(
        "RELAY_CA",
        read.readable_file,
        None,
        "Whom certificates must be signed by where MTA-STS asks for proof, PEM.",
        unset="the usual authorities",
    )
