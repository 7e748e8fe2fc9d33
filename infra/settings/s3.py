"""How to reach S3, where it holds blobs or keys, and what becomes of old ones."""

from dataclasses import dataclass

from infra import settings_readers as read
from infra.settings.variable import count, setting


@dataclass(frozen=True, kw_only=True)
class S3:
    """How to reach S3, and what becomes of old mails in it."""

    s3_endpoint: str | None = setting(
        "S3_ENDPOINT", read.http_url, None, "URL of the S3 server, without a path.", unset="AWS"
    )
    s3_bucket: str | None = setting("S3_BUCKET", read.bucket_name, None, "Bucket of the blobs; it must exist.")
    s3_keys_bucket: str | None = setting(
        "S3_KEYS_BUCKET",
        read.bucket_name,
        None,
        "Bucket of the keys; it must exist, keep no versions, and be no other's.",
        unset="that of the blobs with `-keys` behind it",
    )
    s3_region: str = setting("S3_REGION", read.word, "us-east-1", "Region that requests are signed for.")
    s3_access_key: str | None = setting(
        "S3_ACCESS_KEY",
        read.word,
        None,
        "Whom requests are signed by. Needs `LEDGERMAIL_S3_SECRET_KEY`.",
        unset="the machine's own role or AWS files",
    )
    s3_secret_key: str | None = setting(
        "S3_SECRET_KEY",
        read.secret,
        None,
        "What requests are signed with. Needs `LEDGERMAIL_S3_ACCESS_KEY`.",
        unset="the machine's own role or AWS files",
    )
    s3_encryption: str | None = setting(
        "S3_ENCRYPTION",
        read.one_of("AES256", "aws:kms"),
        None,
        "Server-side encryption asked for with every object: `AES256` or `aws:kms`, where the server can.",
        unset="what the bucket does by default",
    )
    s3_transfers: str = setting(
        "S3_TRANSFERS",
        read.one_of("direct", "through"),
        "direct",
        "How attachments travel: `direct` between clients and S3, or `through` this service, where S3 is closed.",
    )
    s3_public_endpoint: str | None = setting(
        "S3_PUBLIC_ENDPOINT",
        read.http_url,
        None,
        "URL at which clients reach the S3 server, without a path.",
        unset="`LEDGERMAIL_S3_ENDPOINT`",
    )
    s3_infrequent_days: int = count(
        "S3_INFREQUENT_DAYS",
        30,
        "Days after which `ledgermail migrate` has S3 move mails to STANDARD_IA; 0: never.",
        least=0,
        most=36500,
    )
    s3_archive_days: int = count(
        "S3_ARCHIVE_DAYS",
        365,
        "Days after which it has them archived (GLACIER): opening one takes hours then; 0: never.",
        least=0,
        most=36500,
    )
