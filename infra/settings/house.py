"""Who this installation is: its accounts, its key, its names and its certificate."""

from dataclasses import dataclass
from pathlib import Path

from infra import settings_readers as read
from infra.settings.variable import count, setting


@dataclass(frozen=True, kw_only=True)
class House:
    """Who this installation is: its accounts, key, names and certificate."""

    registration: str = setting(
        "REGISTRATION",
        read.one_of("open", "closed"),
        None,
        "Whether anyone may open an account over HTTP: `open` or `closed`.",
        unset="`open` where HTTP listens on loopback and no proxy is named, else `closed`",
    )
    master_key_file: Path = setting(
        "MASTER_KEY_FILE",
        read.path,
        "keys/master.key",
        "The key that wraps all mailbox keys, made at first start; relative to the data folder. Back it up elsewhere.",
    )
    retention_days: int = count(
        "RETENTION", 30, "Days until a deleted message's key and blobs are destroyed.", least=0, most=36500
    )
    sent_archive_days: int = count(
        "SENT_ARCHIVE_DAYS",
        30,
        "Days for which `ledgermail relay sent` can show what was sent, deleted meanwhile or not; 0: no archive.",
        least=0,
        most=36500,
    )
    hostname: str = setting(
        "HOSTNAME",
        read.domain_name,
        None,
        "The name by which the mail servers greet and sign trace fields.",
        unset="the first of `LEDGERMAIL_DOMAINS`",
    )
    postmaster: str | None = setting(
        "POSTMASTER",
        read.mail_address,
        None,
        "Address of a served domain that receives mail to `postmaster` and `abuse`.",
        unset="an operator mailbox made at first start",
    )
    complaints: str | None = setting(
        "COMPLAINTS",
        read.mail_address,
        None,
        "Address of a served domain that feedback loops send complaints (ARF) to, beside the return paths.",
        unset="none",
    )
    tls_cert: Path | None = setting(
        "TLS_CERT",
        read.readable_file,
        None,
        "Certificate chain, PEM; read again when it changes, and on SIGHUP. Needs `LEDGERMAIL_TLS_KEY`.",
        unset="no TLS",
    )
    tls_key: Path | None = setting(
        "TLS_KEY", read.readable_file, None, "Private key, PEM. Needs `LEDGERMAIL_TLS_CERT`.", unset="no TLS"
    )
