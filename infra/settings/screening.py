"""How mail is judged: who sent it, viruses, spam."""

from dataclasses import dataclass

from infra import settings_readers as read
from infra.settings.variable import count, setting
from infra.settings_readers import ListenAddress


@dataclass(frozen=True, kw_only=True)
class Screening:
    """How mail is judged: who sent it, viruses, spam."""

    authentication: str = setting(
        "AUTHENTICATION",
        read.one_of("on", "off"),
        None,
        "Whether mail that comes by SMTP is checked by SPF, DKIM, ARC and DMARC and its author's policy applied.",
        unset="`on` where `LEDGERMAIL_DNS` is set or SMTP listens beyond loopback, else `off`",
    )
    trusted_sealers: tuple[str, ...] = setting(
        "TRUSTED_SEALERS",
        read.domain_names,
        None,
        "Domains, between commas, whose ARC seals are believed: what they forward is not held to DMARC policies.",
        unset="none",
    )
    known_lists: tuple[str, ...] = setting(
        "KNOWN_LISTS",
        read.domain_names,
        None,
        "Domains of mailing lists, between commas: mail proven to be theirs is not held to DMARC policies.",
        unset="none",
    )
    dmarc_reports: str = setting(
        "DMARC_REPORTS",
        read.one_of("on", "off"),
        "off",
        "Whether domains that ask for it are told each day what became of mail in their names (DMARC reports).",
    )
    tls_reports: str = setting(
        "TLS_REPORTS",
        read.one_of("on", "off"),
        "off",
        "Whether domains that ask for it are told each day how TLS with their hosts fared (RFC 8460); by mail alone.",
    )
    clamd: ListenAddress | None = setting(
        "CLAMD",
        read.server_address,
        None,
        "The clamd that looks for viruses in mail that comes by SMTP, is sent, or is uploaded, HOST:PORT.",
        unset="nobody looks",
    )
    virus_policy: str = setting(
        "VIRUS_POLICY",
        read.one_of("refuse", "quarantine"),
        "refuse",
        "What becomes of mail with a virus: `refuse`, or `quarantine`, where it waits for an operator.",
    )
    unscreened_minutes: int = count(
        "UNSCREENED_MINUTES",
        240,
        "Minutes that mail waits for a clamd that does not answer; then it is delivered, its attachments blocked.",
        least=0,
        most=1440,
    )
    quarantine_days: int = count(
        "QUARANTINE_DAYS", 30, "Days after which quarantined mail that no operator released is discarded.", most=3650
    )
    blocked_files: tuple[str, ...] = setting(
        "BLOCKED_FILES",
        read.file_endings,
        None,
        "Endings of file names, between commas (`exe, scr`): mail with such an attachment is not sent.",
        unset="none",
    )
    spam: str = setting(
        "SPAM",
        read.one_of("on", "off"),
        None,
        "Whether the embedded spam filter scores mail that comes by SMTP.",
        unset="`on` where `LEDGERMAIL_AUTHENTICATION` is",
    )
    rspamd: str | None = setting(
        "RSPAMD",
        read.http_url,
        None,
        "URL of an rspamd that scores mail in the place of the embedded filter, which steps in while it is down.",
        unset="the embedded filter",
    )
    dnsbl: tuple[str, ...] = setting(
        "DNSBL",
        read.domain_names,
        None,
        "Zones of DNS block lists, between commas: mail from an address that one names is refused.",
        unset="none",
    )
    dnswl: tuple[str, ...] = setting(
        "DNSWL",
        read.domain_names,
        None,
        "Zones of DNS allow lists, between commas: whom one names no block list shuts out.",
        unset="none",
    )
    greylist: str = setting(
        "GREYLIST",
        read.one_of("off", "suspicious", "on"),
        "off",
        "Who is asked to come again before mail is taken: nobody, clients whose address has no name, or everybody new.",
    )
    spam_percent: int = count(
        "SPAM_PERCENT", 30, "Score, in hundredths, from which mail goes into SPAM.", least=1, most=100
    )
    refused_percent: int = count(
        "REFUSED_PERCENT", 70, "Score, in hundredths, above which mail is refused; 100: none is.", least=1, most=100
    )
    outgoing_percent: int = count(
        "OUTGOING_PERCENT",
        70,
        "Score, in hundredths, above which mail that owners send is refused, and they read why; 100: none is.",
        least=1,
        most=100,
    )
