"""The lifecycle rules of the blobs' bucket: S3 moves old mails to cheaper storage and drops unfinished uploads."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.s3_bucket import Bucket
from infra.s3_client import S3UnavailableError, code_of, translated

OWN = "ledgermail-"
"""What our rules' ids begin with: all others are the operator's and stay."""
UNFINISHED_DAYS = 2
_NO_RULES = "NoSuchLifecycleConfiguration"
_OUTAGE_STATUS = 500
_NOT_IMPLEMENTED = 501


def set_lifecycle(bucket: Bucket, *, infrequent_days: int, archive_days: int) -> str | None:
    """Our rules are there, beside those of others; or the server's own words for why it takes none. Safe to repeat.

    Days since the object was made; 0 for never.

    Raises: S3UnavailableError
    """
    try:
        wanted = [*_others(bucket), *rules(infrequent_days=infrequent_days, archive_days=archive_days)]
        configuration: Any = {"Rules": wanted}
        bucket.client.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration=configuration)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status >= _OUTAGE_STATUS and status != _NOT_IMPLEMENTED:
            raise translated(error) from error
        return " ".join(str(error).split())
    except BotoCoreError as error:
        raise S3UnavailableError(f"S3 does not answer: {error}") from error
    return None


def rules(*, infrequent_days: int, archive_days: int) -> list[dict[str, Any]]:
    """Our rules as S3 takes them."""
    classes = ((infrequent_days, "STANDARD_IA"), (archive_days, "GLACIER"))
    moves = [{"Days": days, "StorageClass": kind} for days, kind in classes if days]
    unfinished = {
        "ID": f"{OWN}unfinished",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
    }
    mails = {"ID": f"{OWN}mails", "Status": "Enabled", "Filter": {"Prefix": "emails/"}, "Transitions": moves}
    return [unfinished, mails] if moves else [unfinished]


def _others(bucket: Bucket) -> list[Any]:
    try:
        found = bucket.client.get_bucket_lifecycle_configuration(Bucket=bucket.name)
    except ClientError as error:
        if code_of(error) == _NO_RULES:
            return []
        raise
    return [rule for rule in found["Rules"] if not rule.get("ID", "").startswith(OWN)]
