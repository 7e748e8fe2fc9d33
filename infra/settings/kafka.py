"""Where accepted mail waits, and how to reach Kafka where it does there."""

from dataclasses import dataclass
from pathlib import Path

from infra import settings_readers as read
from infra.settings.variable import count, setting


@dataclass(frozen=True, kw_only=True)
class Kafka:
    """Where accepted mail waits, and how to reach Kafka."""

    queue: str = setting(
        "QUEUE",
        read.one_of("postgres", "kafka"),
        "postgres",
        "Where accepted mail waits and followers are woken: `postgres` (the database) or `kafka`.",
    )
    kafka: tuple[str, ...] = setting(
        "KAFKA", read.server_addresses, None, "Brokers to begin with, HOST:PORT between commas.", unset="none"
    )
    kafka_prefix: str = setting(
        "KAFKA_PREFIX", read.topic_prefix, "ledgermail.", "What the names of topics and consumer groups begin with."
    )
    kafka_partitions: int = count("KAFKA_PARTITIONS", 12, "Partitions of topics that are made.", most=10_000)
    kafka_replication: int | None = setting(
        "KAFKA_REPLICATION",
        read.whole_number(1, 100),
        None,
        "Replicas of topics that are made; with 3 or more, two must have a record before it counts.",
        unset="the brokers' default",
    )
    kafka_events_days: int = count("KAFKA_EVENTS_DAYS", 7, "Days that `mailbox_events` are kept.", most=3650)
    kafka_publish: str = setting(
        "KAFKA_PUBLISH",
        read.one_of("yes", "no"),
        "yes",
        "Whether followers publish `mailbox_events`: `yes`, or `no` where change data capture does.",
    )
    kafka_tls: str = setting(
        "KAFKA_TLS", read.one_of("no", "yes"), "no", "Whether brokers are spoken to over TLS: `yes` or `no`."
    )
    kafka_ca: Path | None = setting(
        "KAFKA_CA", read.readable_file, None, "Who signs the brokers' certificates, PEM.", unset="the system's"
    )
    kafka_cert: Path | None = setting(
        "KAFKA_CERT", read.readable_file, None, "Certificate chain shown to brokers, PEM. Needs `LEDGERMAIL_KAFKA_KEY`."
    )
    kafka_key: Path | None = setting(
        "KAFKA_KEY", read.readable_file, None, "Its private key, PEM. Needs `LEDGERMAIL_KAFKA_CERT`."
    )
    kafka_sasl: str | None = setting(
        "KAFKA_SASL",
        read.one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        None,
        "How to sign in to brokers: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.",
        unset="without signing in",
    )
    kafka_user: str | None = setting("KAFKA_USER", read.word, None, "Who signs in. Needs `LEDGERMAIL_KAFKA_SASL`.")
    kafka_password: str | None = setting(
        "KAFKA_PASSWORD", read.secret, None, "With what password. Needs `LEDGERMAIL_KAFKA_SASL`."
    )
