"""How an S3 server is reached, by its two clients, and what its refusals mean.

boto3 knows all of S3, and a request costs it 3 ms of processor time; obstore knows puts, gets and heads, at a fifth.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from obstore.store import S3Store

from gateways.blobs import BlobArchivedError, StorageFullError

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Credential
    from types_boto3_s3 import S3Client

CONNECTIONS = 64
CONNECT_S = 5
READ_S = 15
"""How long a server may say nothing."""
WHOLE_S = 300
ATTEMPTS = 2
CHECK_S = 3
CREDENTIALS_TTL = timedelta(minutes=5)
_SESSIONS = threading.Lock()
_FULL = frozenset({"InsufficientStorage", "XMinioStorageFull", "QuotaExceeded"})
_ARCHIVED = "InvalidObjectState"
"""The word for an object whose storage class must be restored before it can be read."""


class S3UnavailableError(ConnectionError):
    """The server does not answer, is overloaded, or refuses for a reason that its operator can mend: an outage.

    Whether what was asked for was done is not known.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """One server; without an endpoint AWS, without keys whatever the machine's role or files give."""

    endpoint: str | None
    region: str
    access_key: str | None
    secret_key: str | None = field(repr=False)
    encryption: str | None = None

    def client(self) -> "S3Client":
        """boto3, for all that S3 can. Any number of threads may share it."""
        return self._client(connect_s=CONNECT_S, read_s=READ_S, attempts=ATTEMPTS)

    def hurried_client(self) -> "S3Client":
        """boto3, for asking whether the server is there: one that says nothing for `CHECK_S` is not."""
        return self._client(connect_s=CHECK_S, read_s=CHECK_S, attempts=1)

    def fast_client(self, bucket: str) -> S3Store:
        """obstore, for puts, gets and heads. Any number of threads may share it."""
        config: S3Config = {"region": self.region, "checksum_algorithm": "SHA256"}
        if self.endpoint is not None:
            config |= {"endpoint": self.endpoint, "virtual_hosted_style_request": False}
        if self.encryption is not None:
            config["server_side_encryption"] = self.encryption
        return S3Store(
            bucket,
            config=config,
            client_options={
                "allow_http": (self.endpoint or "").startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "read_timeout": timedelta(seconds=READ_S),
                "timeout": timedelta(seconds=WHOLE_S),
            },
            retry_config={"max_retries": ATTEMPTS - 1, "retry_timeout": timedelta(seconds=READ_S)},
            credential_provider=_Credentials(_session(self)),
        )

    @property
    def put_options(self) -> dict[str, Any]:
        """What every request of boto3 that makes an object bears."""
        return {} if self.encryption is None else {"ServerSideEncryption": self.encryption}

    def _client(self, *, connect_s: int, read_s: int, attempts: int) -> "S3Client":
        config = Config(
            connect_timeout=connect_s,
            read_timeout=read_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=CONNECTIONS,
            tcp_keepalive=True,
            signature_version="s3v4",
            s3={"addressing_style": "path" if self.endpoint else "virtual"},  # AWS's own are of the region then
            request_checksum_calculation="when_required",  # every put bears its SHA-256
            response_checksum_validation="when_required",  # what is read is held against the SHA-256 that lies with it
        )
        with _SESSIONS:
            return _session(self).client("s3", endpoint_url=self.endpoint, config=config)


@lru_cache(maxsize=8)
def _session(server: S3Server) -> boto3.session.Session:
    """What clients are made from, one at a time; it reads S3's description only once."""
    return boto3.session.Session(server.access_key, server.secret_key, region_name=server.region)


class _Credentials:
    """boto3's credentials, found as it finds them and renewed in time, for obstore."""

    def __init__(self, session: boto3.session.Session) -> None:
        self._session = session

    def __call__(self) -> "S3Credential":
        found = self._session.get_credentials()
        if found is None:
            raise S3UnavailableError("no credentials for S3: set LEDGERMAIL_S3_ACCESS_KEY, or give the machine a role")
        frozen = found.get_frozen_credentials()
        return {
            "access_key_id": str(frozen.access_key),
            "secret_access_key": str(frozen.secret_key),
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + CREDENTIALS_TTL,
        }


@contextmanager
def told() -> Iterator[None]:
    """Turns boto3's errors into S3UnavailableError, or StorageFullError where there is no room."""
    try:
        yield
    except ClientError as error:
        raise translated(error) from error
    except BotoCoreError as error:
        raise S3UnavailableError(f"S3 does not answer: {error}") from error


def translated(error: ClientError) -> Exception:
    """What a refusal means to whoever does not expect it."""
    return meant_by(code_of(error), str(error)) or S3UnavailableError(f"S3 refuses: {error}")


def meant_by(code: str, reason: str) -> Exception | None:
    """What a server's word means where it is no outage."""
    if code in _FULL:
        return StorageFullError(f"S3 has no room: {reason}")
    return BlobArchivedError(f"S3 must restore it first: {reason}") if code == _ARCHIVED else None


def code_of(error: ClientError) -> str:
    """The server's word for why it refuses; for a HEAD the status."""
    return str(error.response.get("Error", {}).get("Code", ""))
