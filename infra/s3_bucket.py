"""A bucket of an S3 server: small objects put, created, read and listed, and what the server's refusals mean."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gateways.blobs import StorageFullError
from infra.operator_errors import OperatorError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

CONNECTIONS = 64
CONNECT_S, READ_S = 5, 30
ATTEMPTS = 3
CONFLICT_ATTEMPTS = 10
DELETED_AT_ONCE = 1000
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_FULL = frozenset({"InsufficientStorage", "XMinioStorageFull", "QuotaExceeded"})
_EXISTS = frozenset({"PreconditionFailed", "412"})
_BEYOND = frozenset({"InvalidRange", "416"})
_CONFLICTS = frozenset({"ConditionalRequestConflict", "409", "ExistingObjectIsDirectory"})
"""Another writer was in the way, ask again; the last is versitygw's word for a folder emptied and removed meanwhile."""


class S3UnavailableError(ConnectionError):
    """The server does not answer, is overloaded, or refuses for a reason that its operator can mend: an outage.

    Whether what was asked for was done is not known.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """How an S3 server is reached; without an endpoint AWS, without keys whatever the machine's role or files give."""

    endpoint: str | None
    region: str
    access_key: str | None
    secret_key: str | None = field(repr=False)
    encryption: str | None = None

    def client(self) -> "S3Client":
        """A client that any number of threads may share."""
        session = boto3.session.Session(self.access_key, self.secret_key, region_name=self.region)
        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=CONNECTIONS,
            tcp_keepalive=True,
            s3={"addressing_style": "path" if self.endpoint else "auto"},
            request_checksum_calculation="when_required",  # every put bears its SHA-256
        )
        return session.client("s3", endpoint_url=self.endpoint, config=config)

    @property
    def put_options(self) -> dict[str, Any]:
        """What every request that makes an object bears."""
        return {} if self.encryption is None else {"ServerSideEncryption": self.encryption}


@contextmanager
def told() -> Iterator[None]:
    """Turns the client's errors into S3UnavailableError, or StorageFullError where there is no room."""
    try:
        yield
    except ClientError as error:
        raise _translated(error) from error
    except BotoCoreError as error:
        raise S3UnavailableError(f"S3 does not answer: {error}") from error


def _translated(error: ClientError) -> Exception:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status == 507 or _code(error) in _FULL:
        return StorageFullError(f"S3 has no room: {error}")
    return S3UnavailableError(f"S3 refuses: {error}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def sha256_base64(digest: bytes) -> str:
    """A digest as the checksum headers want it."""
    return base64.b64encode(digest).decode("ascii")


class Bucket:
    """One bucket. Every method raises S3UnavailableError in an outage, those that write also StorageFullError."""

    def __init__(self, server: S3Server, name: str) -> None:
        self.name = name
        self.client = server.client()
        self.put_options: Mapping[str, Any] = server.put_options

    def require(self) -> None:
        """Nothing, where the bucket is there and open to us.

        Raises: OperatorError, whose text is one line.
        """
        try:
            self.client.head_bucket(Bucket=self.name)
        except ClientError as error:
            reason = {"404": "does not exist", "403": "is closed to these keys"}.get(_code(error), str(error))
            raise OperatorError(f"the S3 bucket {self.name!r} {reason}") from error
        except (BotoCoreError, ValueError) as error:
            raise OperatorError(f"the S3 server of bucket {self.name!r} does not answer: {error}") from error

    def put(self, key: str, data: bytes) -> None:
        """Make `data` the object, replacing the one before whole; durable on return."""
        with told():
            self._put(key, data)

    def create(self, key: str, data: bytes) -> bool:
        """Whether the object was made now; one that stood there is left as it is. Durable on return either way."""
        try:
            self._put(key, data, IfNoneMatch="*")
        except ClientError as error:
            if _code(error) in _EXISTS:
                return False
            raise _translated(error) from error
        except BotoCoreError as error:
            raise S3UnavailableError(f"S3 does not answer: {error}") from error
        return True

    def _put(self, key: str, data: bytes, **condition: Any) -> None:
        checksum = sha256_base64(hashlib.sha256(data).digest())
        options = {**self.put_options, **condition}
        for attempt in range(1, CONFLICT_ATTEMPTS + 1):
            try:
                self.client.put_object(Bucket=self.name, Key=key, Body=data, ChecksumSHA256=checksum, **options)
            except ClientError as error:
                if _code(error) not in _CONFLICTS or attempt == CONFLICT_ATTEMPTS:
                    raise
            else:
                return

    def get(self, key: str, *, range_: str | None = None) -> bytes | None:
        """What the object holds, or the octets of a range (RFC 9110 section 14.1.2); None where there is none."""
        found = self.stream(key, range_=range_)
        return None if found is None else b"".join(found)

    def stream(self, key: str, *, range_: str | None = None, chunk_bytes: int = 256 * 1024) -> Iterator[bytes] | None:
        """The object in chunks, the same one to the end; None where there is none."""
        options: dict[str, Any] = {"ChecksumMode": "ENABLED"} if range_ is None else {"Range": range_}
        try:
            answer = self.client.get_object(Bucket=self.name, Key=key, **options)
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            if _code(error) in _BEYOND:
                return iter(())
            raise _translated(error) from error
        except BotoCoreError as error:
            raise S3UnavailableError(f"S3 does not answer: {error}") from error
        return _chunks(answer["Body"], chunk_bytes)

    def head(self, key: str) -> tuple[int, str] | None:
        """Octets of the object and its version; None where there is none.

        Raises: S3UnavailableError, also where the bucket has gone: its objects are not known to be missing.
        """
        try:
            answer = self.client.head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if _code(error) not in _ABSENT:
                raise _translated(error) from error
            with told():  # a HEAD's refusal has no body that says what is missing
                self.client.head_bucket(Bucket=self.name)
            return None
        except BotoCoreError as error:
            raise S3UnavailableError(f"S3 does not answer: {error}") from error
        return answer["ContentLength"], answer["ETag"]

    def delete(self, key: str) -> None:
        """Take the object away, durably. Safe to repeat."""
        with told():
            self.client.delete_object(Bucket=self.name, Key=key)

    def delete_many(self, keys: Sequence[str]) -> None:
        """Take the objects away, durably. Safe to repeat."""
        for start in range(0, len(keys), DELETED_AT_ONCE):
            objects: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in keys[start : start + DELETED_AT_ONCE]]
            with told():
                answer = self.client.delete_objects(Bucket=self.name, Delete={"Objects": objects, "Quiet": True})
            if answer.get("Errors"):
                raise S3UnavailableError(f"S3 refuses: {answer['Errors'][0]}")

    def names(self, prefix: str) -> Iterator[str]:
        """The keys that begin with `prefix`, in order."""
        with told():
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
                yield from (found["Key"] for found in page.get("Contents", ()))


def _chunks(body: Any, chunk_bytes: int) -> Iterator[bytes]:
    with told():
        try:
            yield from body.iter_chunks(chunk_bytes)
        finally:
            body.close()
