"""What an operator can set: one frozen object, read once from the environment, documented in `docs/settings.md`.

To add a setting: a field of `Settings` here, then `python -m infra.settings > docs/settings.md`.
"""

import dataclasses
import difflib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from infra import settings_readers as read
from infra.operator_errors import OperatorError
from infra.settings_readers import ListenAddress, MailSources

PREFIX = "LEDGERMAIL_"
TEST_PREFIX = "LEDGERMAIL_TEST_"
KIB, MIB, GIB = 2**10, 2**20, 2**30
LARGEST = 2**62


class SettingError(OperatorError):
    """A setting cannot be read; the text is one line that names the variable and the reason."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: how its text is read, its default as text, what it means."""

    name: str
    read: Callable[[str], object]
    default: str | None
    meaning: str
    unset: str = "unset"


_SOURCES = (
    "Addresses of this machine that mail of the stream `{}` leaves from, between commas; ADDRESS@YYYY-MM-DD for one"
    " whose warm-up began on that day: 50 mails, twice as many every second day, for four weeks."
)


def _from(
    name: str, reader: Callable[[str], object], default: str | None, meaning: str, *, unset: str = "unset"
) -> Any:
    variable = Variable(PREFIX + name, reader, default, meaning, unset)
    shown = reader not in (read.postgres_url, read.redis_url, read.secret)
    return dataclasses.field(repr=shown, metadata={"variable": variable})


def _count(name: str, default: int, meaning: str, *, least: int = 1, most: int = LARGEST) -> Any:
    return _from(name, read.whole_number(least, most), str(default), meaning)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set. `load` makes it; nothing else reads the environment."""

    data: Path = _from(
        "DATA", read.path, "./var", "Folder of everything that is stored: database, blobs, keys, search."
    )
    domains: tuple[str, ...] = _from(
        "DOMAINS", read.domain_names, "example.test", "Domains whose mail is accepted, between commas."
    )
    http: ListenAddress = _from("HTTP", read.listen_address, "127.0.0.1:8080", "Where HTTP listens, HOST:PORT.")
    smtp: ListenAddress = _from("SMTP", read.listen_address, "127.0.0.1:2525", "Where SMTP listens, HOST:PORT.")
    lmtp: ListenAddress = _from("LMTP", read.listen_address, "127.0.0.1:2424", "Where LMTP listens, HOST:PORT.")
    submission: ListenAddress = _from(
        "SUBMISSION",
        read.listen_address,
        "127.0.0.1:2587",
        "Where people's own programs hand mail over, HOST:PORT; with STARTTLS where a certificate is set.",
    )
    submissions: ListenAddress = _from(
        "SUBMISSIONS",
        read.listen_address,
        "127.0.0.1:2465",
        "Where they do so by TLS from the first octet, HOST:PORT; only where a certificate is set.",
    )
    operations: ListenAddress | None = _from(
        "OPERATIONS",
        read.listen_address,
        None,
        "Where `/healthz`, `/readyz` and `/metrics` are answered beside processes that serve no HTTP, HOST:PORT.",
        unset="only by HTTP",
    )
    public_url: str | None = _from(
        "PUBLIC_URL",
        read.http_url,
        None,
        "URL (`https://…`) at which the world reaches HTTP, without a path: where bulk mail is unsubscribed from.",
        unset="no such links",
    )
    proxies: tuple[read.Network, ...] = _from(
        "PROXIES",
        read.networks,
        None,
        "Addresses and networks, between commas, of proxies that must tell whom they pass on (PROXY protocol 2).",
        unset="none",
    )
    drain_seconds: int = _count(
        "DRAIN_SECONDS",
        0,
        "Seconds of a stop for which HTTP still takes connections and `/readyz` says `draining`, for a proxy to see.",
        least=0,
        most=60,
    )
    database_url: str | None = _from(
        "DATABASE_URL",
        read.postgres_url,
        None,
        "URL of a Postgres of your own (15 or later).",
        unset="embedded Postgres",
    )
    blobs: str = _from(
        "BLOBS",
        read.one_of("file", "s3"),
        "file",
        "Where bodies and attachments lie: `file` (the data folder) or `s3`.",
    )
    keys: str = _from(
        "KEYS",
        read.one_of("file", "s3"),
        "file",
        "Where the mailboxes' wrapped keys lie: `file` (the data folder) or `s3` (a bucket of their own).",
    )
    search: str = _from(
        "SEARCH",
        read.one_of("tantivy", "opensearch"),
        "tantivy",
        "Where the search index lies: `tantivy` (the data folder) or `opensearch`.",
    )
    opensearch: tuple[str, ...] = _from(
        "OPENSEARCH", read.http_urls, None, "URL of OpenSearch, without a path; of several nodes, between commas."
    )
    opensearch_user: str | None = _from(
        "OPENSEARCH_USER", read.word, None, "Who we are to OpenSearch. Needs `LEDGERMAIL_OPENSEARCH_PASSWORD`."
    )
    opensearch_password: str | None = _from(
        "OPENSEARCH_PASSWORD", read.secret, None, "That user's password. Needs `LEDGERMAIL_OPENSEARCH_USER`."
    )
    opensearch_ca: Path | None = _from(
        "OPENSEARCH_CA",
        read.readable_file,
        None,
        "Whom OpenSearch's certificate must be signed by, PEM.",
        unset="the usual authorities",
    )
    opensearch_prefix: str = _from(
        "OPENSEARCH_PREFIX", read.index_prefix, "ledgermail", "What the names of our indices in OpenSearch begin with."
    )
    opensearch_shards: int = _count(
        "OPENSEARCH_SHARDS",
        4,
        "Shards of an index made from now on, by `ledgermail rebuild search`, too.",
        most=1024,
    )
    s3_endpoint: str | None = _from(
        "S3_ENDPOINT", read.http_url, None, "URL of the S3 server, without a path.", unset="AWS"
    )
    s3_bucket: str | None = _from("S3_BUCKET", read.bucket_name, None, "Bucket of the blobs; it must exist.")
    s3_keys_bucket: str | None = _from(
        "S3_KEYS_BUCKET",
        read.bucket_name,
        None,
        "Bucket of the keys; it must exist, keep no versions, and be no other's.",
        unset="that of the blobs with `-keys` behind it",
    )
    s3_region: str = _from("S3_REGION", read.word, "us-east-1", "Region that requests are signed for.")
    s3_access_key: str | None = _from(
        "S3_ACCESS_KEY",
        read.word,
        None,
        "Whom requests are signed by. Needs `LEDGERMAIL_S3_SECRET_KEY`.",
        unset="the machine's own role or AWS files",
    )
    s3_secret_key: str | None = _from(
        "S3_SECRET_KEY",
        read.secret,
        None,
        "What requests are signed with. Needs `LEDGERMAIL_S3_ACCESS_KEY`.",
        unset="the machine's own role or AWS files",
    )
    s3_encryption: str | None = _from(
        "S3_ENCRYPTION",
        read.one_of("AES256", "aws:kms"),
        None,
        "Server-side encryption asked for with every object: `AES256` or `aws:kms`, where the server can.",
        unset="what the bucket does by default",
    )
    s3_transfers: str = _from(
        "S3_TRANSFERS",
        read.one_of("direct", "through"),
        "direct",
        "How attachments travel: `direct` between clients and S3, or `through` this service, where S3 is closed.",
    )
    s3_public_endpoint: str | None = _from(
        "S3_PUBLIC_ENDPOINT",
        read.http_url,
        None,
        "URL at which clients reach the S3 server, without a path.",
        unset="`LEDGERMAIL_S3_ENDPOINT`",
    )
    s3_infrequent_days: int = _count(
        "S3_INFREQUENT_DAYS",
        30,
        "Days after which `ledgermail migrate` has S3 move mails to STANDARD_IA; 0: never.",
        least=0,
        most=36500,
    )
    s3_archive_days: int = _count(
        "S3_ARCHIVE_DAYS",
        365,
        "Days after which it has them archived (GLACIER): opening one takes hours then; 0: never.",
        least=0,
        most=36500,
    )
    log: str = _from(
        "LOG", read.one_of("text", "json"), "text", "What is logged on standard error: lines of `text` or of `json`."
    )
    otlp: str | None = _from(
        "OTLP",
        read.http_url,
        None,
        "URL of a collector that takes traces by OTLP over HTTP; needs the extra `traces`.",
        unset="no traces",
    )
    queue: str = _from(
        "QUEUE",
        read.one_of("postgres", "kafka"),
        "postgres",
        "Where accepted mail waits and followers are woken: `postgres` (the database) or `kafka`.",
    )
    kafka: tuple[str, ...] = _from(
        "KAFKA", read.server_addresses, None, "Brokers to begin with, HOST:PORT between commas.", unset="none"
    )
    kafka_prefix: str = _from(
        "KAFKA_PREFIX", read.topic_prefix, "ledgermail.", "What the names of topics and consumer groups begin with."
    )
    kafka_partitions: int = _count("KAFKA_PARTITIONS", 12, "Partitions of topics that are made.", most=10_000)
    kafka_replication: int | None = _from(
        "KAFKA_REPLICATION",
        read.whole_number(1, 100),
        None,
        "Replicas of topics that are made; with 3 or more, two must have a record before it counts.",
        unset="the brokers' default",
    )
    kafka_events_days: int = _count("KAFKA_EVENTS_DAYS", 7, "Days that `mailbox_events` are kept.", most=3650)
    kafka_publish: str = _from(
        "KAFKA_PUBLISH",
        read.one_of("yes", "no"),
        "yes",
        "Whether followers publish `mailbox_events`: `yes`, or `no` where change data capture does.",
    )
    kafka_tls: str = _from(
        "KAFKA_TLS", read.one_of("no", "yes"), "no", "Whether brokers are spoken to over TLS: `yes` or `no`."
    )
    kafka_ca: Path | None = _from(
        "KAFKA_CA", read.readable_file, None, "Who signs the brokers' certificates, PEM.", unset="the system's"
    )
    kafka_cert: Path | None = _from(
        "KAFKA_CERT", read.readable_file, None, "Certificate chain shown to brokers, PEM. Needs `LEDGERMAIL_KAFKA_KEY`."
    )
    kafka_key: Path | None = _from(
        "KAFKA_KEY", read.readable_file, None, "Its private key, PEM. Needs `LEDGERMAIL_KAFKA_CERT`."
    )
    kafka_sasl: str | None = _from(
        "KAFKA_SASL",
        read.one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        None,
        "How to sign in to brokers: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.",
        unset="without signing in",
    )
    kafka_user: str | None = _from("KAFKA_USER", read.word, None, "Who signs in. Needs `LEDGERMAIL_KAFKA_SASL`.")
    kafka_password: str | None = _from(
        "KAFKA_PASSWORD", read.secret, None, "With what password. Needs `LEDGERMAIL_KAFKA_SASL`."
    )
    cache: str = _from(
        "CACHE",
        read.one_of("postgres", "redis"),
        "postgres",
        "Where failures to sign in are counted and answers kept for a while: `postgres` or `redis`.",
    )
    redis: str | None = _from(
        "REDIS", read.redis_url, None, "URL of the Redis (6.2 or later), `rediss:` with TLS; all in it may be lost."
    )
    redis_ca: Path | None = _from(
        "REDIS_CA", read.readable_file, None, "Who vouches for the Redis, PEM.", unset="whom the machine trusts"
    )
    registration: str = _from(
        "REGISTRATION",
        read.one_of("open", "closed"),
        None,
        "Whether anyone may open an account over HTTP: `open` or `closed`.",
        unset="`open` where HTTP listens on loopback and no proxy is named, else `closed`",
    )
    master_key_file: Path = _from(
        "MASTER_KEY_FILE",
        read.path,
        "keys/master.key",
        "The key that wraps all mailbox keys, made at first start; relative to the data folder. Back it up elsewhere.",
    )
    retention_days: int = _count(
        "RETENTION", 30, "Days until a deleted message's key and blobs are destroyed.", least=0, most=36500
    )
    hostname: str = _from(
        "HOSTNAME",
        read.domain_name,
        None,
        "The name by which the mail servers greet and sign trace fields.",
        unset="the first of `LEDGERMAIL_DOMAINS`",
    )
    postmaster: str | None = _from(
        "POSTMASTER",
        read.mail_address,
        None,
        "Address of a served domain that receives mail to `postmaster` and `abuse`.",
        unset="an operator mailbox made at first start",
    )
    complaints: str | None = _from(
        "COMPLAINTS",
        read.mail_address,
        None,
        "Address of a served domain that feedback loops send complaints (ARF) to, beside the return paths.",
        unset="none",
    )
    tls_cert: Path | None = _from(
        "TLS_CERT",
        read.readable_file,
        None,
        "Certificate chain, PEM; read again when it changes, and on SIGHUP. Needs `LEDGERMAIL_TLS_KEY`.",
        unset="no TLS",
    )
    tls_key: Path | None = _from(
        "TLS_KEY", read.readable_file, None, "Private key, PEM. Needs `LEDGERMAIL_TLS_CERT`.", unset="no TLS"
    )
    dns: ListenAddress | None = _from(
        "DNS", read.resolver_address, None, "The DNS resolver to ask, ADDRESS:PORT.", unset="the system's"
    )
    dns_trusted: str = _from(
        "DNS_TRUSTED",
        read.one_of("yes", "no"),
        "no",
        "Whether the resolver and the way to it are believed about DNSSEC: `yes` or `no`; on loopback they are.",
    )
    relay_port: int = _count("RELAY_PORT", 25, "Port of other hosts that mail is relayed to.", most=65535)
    relay_connections: int = _count(
        "RELAY_CONNECTIONS", 20, "Connections to one destination at a time; throttling makes them fewer.", most=200
    )
    relay_source_personal: MailSources | None = _from(
        "RELAY_SOURCE_PERSONAL", read.mail_sources, None, _SOURCES.format("personal"), unset="the system's choice"
    )
    relay_source_transactional: MailSources | None = _from(
        "RELAY_SOURCE_TRANSACTIONAL",
        read.mail_sources,
        None,
        _SOURCES.format("transactional"),
        unset="the system's choice",
    )
    relay_source_bulk: MailSources | None = _from(
        "RELAY_SOURCE_BULK", read.mail_sources, None, _SOURCES.format("bulk"), unset="the system's choice"
    )
    relay_sts_port: int = _count("RELAY_STS_PORT", 443, "Port that MTA-STS policies are fetched from.", most=65535)
    relay_ca: Path | None = _from(
        "RELAY_CA",
        read.readable_file,
        None,
        "Whom certificates must be signed by where MTA-STS asks for proof, PEM.",
        unset="the usual authorities",
    )
    authentication: str = _from(
        "AUTHENTICATION",
        read.one_of("on", "off"),
        None,
        "Whether mail that comes by SMTP is checked by SPF, DKIM, ARC and DMARC and its author's policy applied.",
        unset="`on` where `LEDGERMAIL_DNS` is set or SMTP listens beyond loopback, else `off`",
    )
    trusted_sealers: tuple[str, ...] = _from(
        "TRUSTED_SEALERS",
        read.domain_names,
        None,
        "Domains, between commas, whose ARC seals are believed: what they forward is not held to DMARC policies.",
        unset="none",
    )
    known_lists: tuple[str, ...] = _from(
        "KNOWN_LISTS",
        read.domain_names,
        None,
        "Domains of mailing lists, between commas: mail proven to be theirs is not held to DMARC policies.",
        unset="none",
    )

    dmarc_reports: str = _from(
        "DMARC_REPORTS",
        read.one_of("on", "off"),
        "off",
        "Whether domains that ask for it are told each day what became of mail in their names (DMARC reports).",
    )

    tls_reports: str = _from(
        "TLS_REPORTS",
        read.one_of("on", "off"),
        "off",
        "Whether domains that ask for it are told each day how TLS with their hosts fared (RFC 8460); by mail alone.",
    )

    clamd: ListenAddress | None = _from(
        "CLAMD",
        read.server_address,
        None,
        "The clamd that looks for viruses in mail that comes by SMTP, is sent, or is uploaded, HOST:PORT.",
        unset="nobody looks",
    )
    virus_policy: str = _from(
        "VIRUS_POLICY",
        read.one_of("refuse", "quarantine"),
        "refuse",
        "What becomes of mail with a virus: `refuse`, or `quarantine`, where it waits for an operator.",
    )
    unscreened_minutes: int = _count(
        "UNSCREENED_MINUTES",
        240,
        "Minutes that mail waits for a clamd that does not answer; then it is delivered, its attachments blocked.",
        least=0,
        most=1440,
    )
    quarantine_days: int = _count(
        "QUARANTINE_DAYS", 30, "Days after which quarantined mail that no operator released is discarded.", most=3650
    )

    blocked_files: tuple[str, ...] = _from(
        "BLOCKED_FILES",
        read.file_endings,
        None,
        "Endings of file names, between commas (`exe, scr`): mail with such an attachment is not sent.",
        unset="none",
    )

    spam: str = _from(
        "SPAM",
        read.one_of("on", "off"),
        None,
        "Whether the embedded spam filter scores mail that comes by SMTP.",
        unset="`on` where `LEDGERMAIL_AUTHENTICATION` is",
    )
    rspamd: str | None = _from(
        "RSPAMD",
        read.http_url,
        None,
        "URL of an rspamd that scores mail in the place of the embedded filter, which steps in while it is down.",
        unset="the embedded filter",
    )
    dnsbl: tuple[str, ...] = _from(
        "DNSBL",
        read.domain_names,
        None,
        "Zones of DNS block lists, between commas: mail from an address that one names is refused.",
        unset="none",
    )
    dnswl: tuple[str, ...] = _from(
        "DNSWL",
        read.domain_names,
        None,
        "Zones of DNS allow lists, between commas: whom one names no block list shuts out.",
        unset="none",
    )
    greylist: str = _from(
        "GREYLIST",
        read.one_of("off", "suspicious", "on"),
        "off",
        "Who is asked to come again before mail is taken: nobody, clients whose address has no name, or everybody new.",
    )
    spam_percent: int = _count(
        "SPAM_PERCENT", 30, "Score, in hundredths, from which mail goes into SPAM.", least=1, most=100
    )
    refused_percent: int = _count(
        "REFUSED_PERCENT", 70, "Score, in hundredths, above which mail is refused; 100: none is.", least=1, most=100
    )

    max_message_bytes: int = _count(
        "MAX_MESSAGE_BYTES", 36 * MIB, "Largest message taken; above it 552 5.3.4.", least=64 * KIB, most=GIB
    )
    max_attachment_bytes: int = _count(
        "MAX_ATTACHMENT_BYTES", 25 * MIB, "Largest attachment uploaded, before encoding.", least=KIB, most=GIB
    )
    split_attachment_bytes: int = _count(
        "SPLIT_ATTACHMENT_BYTES", 64 * KIB, "Attachments above this are stored once for all messages.", least=KIB
    )
    max_recipients: int = _count(
        "MAX_RECIPIENTS",
        100,
        "Recipients of one message; above it 452 4.5.3 (RFC 5321 asks for 100).",
        least=100,
        most=10000,
    )
    max_received_fields: int = _count(
        "MAX_RECEIVED_FIELDS", 50, "Received fields that mean a mail loop; above it 554 5.4.6.", least=10, most=1000
    )
    connections_per_second: int = _count(
        "CONNECTIONS_PER_SECOND", 100, "New SMTP connections a second from one address (IPv6: one /64); above it 421."
    )
    max_connections: int = _count(
        "MAX_CONNECTIONS", 1000, "SMTP and LMTP connections at once; above it 421.", most=100_000
    )
    repeat_days: int = _count(
        "REPEAT_DAYS", 7, "Days within which the same message to the same mailbox is a sender's repeat.", most=365
    )
    delivery_attempts: int = _count(
        "DELIVERY_ATTEMPTS", 3, "Failures of a queued message itself that make it a dead letter.", most=100
    )
    dead_letter_days: int = _count(
        "DEAD_LETTER_DAYS", 4, "Days that a dead letter waits for an operator before its sender is told.", most=365
    )
    account_requests_per_second: int = _count(
        "ACCOUNT_REQUESTS_PER_SECOND",
        50,
        "HTTP requests a second of an account, four times that at once; above it 429.",
    )
    address_requests_per_second: int = _count(
        "ADDRESS_REQUESTS_PER_SECOND", 400, "HTTP requests a second from one address, four times that at once."
    )
    undo_seconds: int = _count("UNDO_SECONDS", 10, "Seconds within which sending can be undone.", least=0, most=3600)
    messages_per_minute: int = _count("MESSAGES_PER_MINUTE", 25, "Messages an account may send in a minute.")
    messages_per_day: int = _count("MESSAGES_PER_DAY", 500, "Messages an account may send in 24 hours.")
    volume_from: int = _count(
        "VOLUME_FROM",
        100,
        "Messages in 24 hours from which on ten times an account's usual volume asks for a new sign-in; 0: never.",
        least=0,
    )
    quota_bytes: int = _count("QUOTA_BYTES", 15 * GIB, "Bytes that a mailbox may hold.", least=MIB)
    trash_days: int = _count("TRASH_DAYS", 30, "Days after which messages leave TRASH and SPAM for good.", most=36500)
    blob_grace_hours: int = _count(
        "BLOB_GRACE_HOURS", 24, "Hours that a blob which nothing refers to is kept.", most=24 * 365
    )


VARIABLES: dict[str, Variable] = {field.name: field.metadata["variable"] for field in dataclasses.fields(Settings)}


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of an environment; an empty variable counts as unset.

    Raises:
        SettingError: one line that names the variable and why it cannot be read.
    """
    _refuse_unknown(environ)
    values = {field: _value(variable, environ) for field, variable in VARIABLES.items()}
    data = cast(Path, values["data"]).absolute()
    domains = cast(tuple[str, ...], values["domains"])
    values["proxies"] = values["proxies"] or ()
    values |= {"data": data, "master_key_file": data / cast(Path, values["master_key_file"])}
    values["hostname"] = values["hostname"] or domains[0]
    is_own = cast(ListenAddress, values["http"]).is_loopback and not values["proxies"]
    values["registration"] = values["registration"] or ("open" if is_own else "closed")
    values["opensearch"] = values["opensearch"] or ()
    beyond = values["dns"] is not None or values["proxies"] or not cast(ListenAddress, values["smtp"]).is_loopback
    values["authentication"] = values["authentication"] or ("on" if beyond else "off")
    values["spam"] = values["spam"] or values["authentication"]
    values |= {name: values[name] or () for name in ("trusted_sealers", "known_lists", "dnsbl", "dnswl")}
    if values["s3_keys_bucket"] is None and values["s3_bucket"] is not None:
        values["s3_keys_bucket"] = f"{values['s3_bucket']}-keys"
    values |= {name: values[name] or () for name in ("kafka", "blocked_files")}
    settings = Settings(**cast(dict[str, Any], values))
    _refuse_contradictions(settings)
    return settings


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {variable.name for variable in VARIABLES.values()}
    for name in environ:
        if name.startswith(PREFIX) and name not in known and not name.startswith(TEST_PREFIX):
            close = difflib.get_close_matches(name, known, n=1)
            raise SettingError(f"{name}: no such setting" + (f", did you mean {close[0]}?" if close else ""))


def _value(variable: Variable, environ: Mapping[str, str]) -> object:
    text = environ.get(variable.name, "").strip() or variable.default
    if text is None:
        return None
    try:
        return variable.read(text)
    except ValueError as error:
        raise SettingError(f"{variable.name}: {' '.join(str(error).split())}") from error


def _refuse_contradictions(settings: Settings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        missing, given = ("TLS_KEY", "TLS_CERT") if settings.tls_cert else ("TLS_CERT", "TLS_KEY")
        raise SettingError(f"{PREFIX}{missing}: must be set because {PREFIX}{given} is")
    _refuse_half_an_s3(settings)
    _refuse_half_a_kafka(settings)
    _refuse_half_an_opensearch(settings)
    if settings.cache == "redis" and settings.redis is None:
        raise SettingError(f"{PREFIX}REDIS: must be set because {PREFIX}CACHE is redis")
    if settings.redis_ca is not None and not (settings.redis or "").startswith("rediss:"):
        raise SettingError(f"{PREFIX}REDIS_CA: {PREFIX}REDIS must begin with rediss:")
    if settings.postmaster and settings.postmaster.rpartition("@")[2] not in settings.domains:
        raise SettingError(f"{PREFIX}POSTMASTER: its domain is not one of {PREFIX}DOMAINS")
    if settings.complaints and settings.complaints.rpartition("@")[2] not in settings.domains:
        raise SettingError(f"{PREFIX}COMPLAINTS: its domain is not one of {PREFIX}DOMAINS")

    if settings.spam_percent > settings.refused_percent:
        raise SettingError(f"{PREFIX}SPAM_PERCENT: must not be above {PREFIX}REFUSED_PERCENT")
    if settings.messages_per_minute > settings.messages_per_day:
        raise SettingError(f"{PREFIX}MESSAGES_PER_MINUTE: must not be above {PREFIX}MESSAGES_PER_DAY")


def _refuse_half_an_s3(settings: Settings) -> None:
    if (settings.s3_access_key is None) != (settings.s3_secret_key is None):
        missing, given = ("SECRET", "ACCESS") if settings.s3_access_key else ("ACCESS", "SECRET")
        raise SettingError(f"{PREFIX}S3_{missing}_KEY: must be set because {PREFIX}S3_{given}_KEY is")
    if settings.blobs == "s3" and settings.s3_bucket is None:
        raise SettingError(f"{PREFIX}S3_BUCKET: must be set because {PREFIX}BLOBS is s3")
    if 0 < settings.s3_archive_days < settings.s3_infrequent_days + 30 and settings.s3_infrequent_days:
        raise SettingError(f"{PREFIX}S3_ARCHIVE_DAYS: must be 30 days above {PREFIX}S3_INFREQUENT_DAYS")
    if settings.keys == "s3" and settings.s3_keys_bucket is None:
        raise SettingError(f"{PREFIX}S3_KEYS_BUCKET: must be set because {PREFIX}KEYS is s3")
    if settings.s3_bucket is not None and settings.s3_bucket == settings.s3_keys_bucket:
        raise SettingError(f"{PREFIX}S3_KEYS_BUCKET: must not be that of the blobs")


def _refuse_half_a_kafka(settings: Settings) -> None:
    if settings.queue == "kafka" and not settings.kafka:
        raise SettingError(f"{PREFIX}KAFKA: must be set because {PREFIX}QUEUE is kafka")
    if (settings.kafka_cert is None) != (settings.kafka_key is None):
        missing, given = ("KEY", "CERT") if settings.kafka_cert else ("CERT", "KEY")
        raise SettingError(f"{PREFIX}KAFKA_{missing}: must be set because {PREFIX}KAFKA_{given} is")
    if settings.kafka_tls == "no" and (settings.kafka_ca or settings.kafka_cert):
        raise SettingError(f"{PREFIX}KAFKA_TLS: must be yes because a certificate is set")
    if settings.kafka_tls == "no" and settings.kafka_sasl == "PLAIN":
        raise SettingError(f"{PREFIX}KAFKA_TLS: must be yes because PLAIN shows the password")
    signs_in = settings.kafka_sasl is not None
    for name, value in (("USER", settings.kafka_user), ("PASSWORD", settings.kafka_password)):
        if signs_in and value is None:
            raise SettingError(f"{PREFIX}KAFKA_{name}: must be set because {PREFIX}KAFKA_SASL is")
        if not signs_in and value is not None:
            raise SettingError(f"{PREFIX}KAFKA_SASL: must be set because {PREFIX}KAFKA_{name} is")


def _refuse_half_an_opensearch(settings: Settings) -> None:
    if (settings.opensearch_user is None) != (settings.opensearch_password is None):
        missing, given = ("PASSWORD", "USER") if settings.opensearch_user else ("USER", "PASSWORD")
        raise SettingError(f"{PREFIX}OPENSEARCH_{missing}: must be set because {PREFIX}OPENSEARCH_{given} is")
    if settings.search == "opensearch" and not settings.opensearch:
        raise SettingError(f"{PREFIX}OPENSEARCH: must be set because {PREFIX}SEARCH is opensearch")


def documentation() -> str:
    """The text of `docs/settings.md`."""
    rows = [f"| `{variable.name}` | {_default(variable)} | {variable.meaning} |" for variable in VARIABLES.values()]
    return "\n".join([_INTRODUCTION, "| variable | default | meaning |", "| --- | --- | --- |", *rows, ""])


def _default(variable: Variable) -> str:
    return variable.unset if variable.default is None else f"`{variable.default}`"


_INTRODUCTION = f"""\
# Settings

Settings come from the environment and are read once, at start. A setting that cannot be read, or a `{PREFIX}` variable
that is none of these, stops the start with one line that says which and why. An empty variable counts as unset.
Variables that begin with `{TEST_PREFIX}` belong to the test suite and are ignored. Numbers are whole; sizes are in
bytes. Internationalised domains may be written either way and are kept as A-labels (`xn--…`).

This file is written by `python -m infra.settings > docs/settings.md`.
"""

if __name__ == "__main__":
    sys.stdout.write(documentation())
