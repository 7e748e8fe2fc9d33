"""Which settings cannot be had together, or one without the other."""

from infra.settings.variable import PREFIX, SettingError
from infra.settings.whole import Settings


def refuse_contradictions(settings: Settings) -> None:
    """Raises: SettingError: two settings cannot be had together; the text names one and says why."""
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
