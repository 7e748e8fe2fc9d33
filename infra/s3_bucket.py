"""A bucket of an S3 server: objects put, created, read and listed, what is read held against what was put."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from infra.operator_errors import OperatorError, ServerAwayError
from infra.s3_client import S3Server, S3UnavailableError, code_of, told, translated
from infra.s3_fast import CONFLICT_ATTEMPTS, CONFLICTS, FastObjects

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

CHUNK_BYTES = 256 * 1024
DELETED_AT_ONCE = 1000
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_EXISTS = frozenset({"PreconditionFailed", "412"})
_RESTORING = "RestoreAlreadyInProgress"
RESTORED_DAYS = 7
"""How long what was brought back from an archive can be read."""
_BEYOND = frozenset({"InvalidRange", "416"})


class S3DamagedError(OSError):
    """What came is not what was put: this object is damaged, no other need be."""


class ObjectFacts(NamedTuple):
    """What the server says of an object; `sha256` (base64) is null unless it verified one when it was put."""

    size: int
    sha256: str | None
    etag: str


class Bucket:
    """One bucket. Every method raises S3UnavailableError in an outage, those that write also StorageFullError.

    Those that read raise BlobArchivedError for what lies in an archive.
    """

    def __init__(self, server: S3Server, name: str) -> None:
        self.name = name
        self._server = server
        self.client: S3Client = server.client()
        self.put_options: Mapping[str, Any] = server.put_options
        self._fast = FastObjects(server.fast_client(name))

    @cached_property
    def _hurried(self) -> "S3Client":
        return self._server.hurried_client()

    def require(self) -> None:
        """Nothing, where the bucket is there and open to us.

        Raises: OperatorError, whose text is one line.
        """
        try:
            self.client.head_bucket(Bucket=self.name)
        except ClientError as error:
            if code_of(error).startswith("5"):
                raise ServerAwayError(f"the S3 server of bucket {self.name!r} is not ready: {error}") from error
            reason = {"404": "does not exist", "403": "is closed to these keys"}.get(code_of(error), str(error))
            raise OperatorError(f"the S3 bucket {self.name!r} {reason}") from error
        except BotoCoreError as error:
            raise ServerAwayError(f"the S3 server of bucket {self.name!r} does not answer: {error}") from error

    def check(self) -> None:
        """Nothing, where the bucket answers at once."""
        with told():
            self._hurried.head_bucket(Bucket=self.name)

    def put(self, key: str, data: bytes) -> None:
        """Make `data` the object, replacing the one before whole; durable on return."""
        self._fast.put(key, data, hashlib.sha256(data).hexdigest())

    def create(self, key: str, data: bytes) -> bool:
        """Whether the object was made now; one that stood there is left as it is. Durable on return either way."""
        try:
            self._create(key, data)
        except ClientError as error:
            if code_of(error) in _EXISTS:
                return False
            raise translated(error) from error
        except BotoCoreError as error:
            raise S3UnavailableError(f"S3 does not answer: {error}") from error
        return True

    def _create(self, key: str, data: bytes) -> None:
        digest = hashlib.sha256(data)
        options = {**self.put_options, "Metadata": {"sha256": digest.hexdigest()}, "IfNoneMatch": "*"}
        checksum = sha256_base64(digest.digest())
        for attempt in range(1, CONFLICT_ATTEMPTS + 1):
            try:
                self.client.put_object(Bucket=self.name, Key=key, Body=data, ChecksumSHA256=checksum, **options)
            except ClientError as error:
                if code_of(error) not in CONFLICTS or attempt == CONFLICT_ATTEMPTS:
                    raise
            else:
                return

    def get(self, key: str) -> bytes | None:
        """What the object holds; None where there is none.

        Raises: S3DamagedError
        """
        found = self._fast.get(key)
        if found is None:
            self._require_for_absence()
            return None
        data, sha256 = found
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise S3DamagedError(f"the object {key} of the S3 bucket {self.name!r} is damaged")
        return data

    def part(self, key: str, range_: str) -> bytes | None:
        """The octets of a range (RFC 9110 section 14.1.2), what lies beyond the end is empty; None without object."""
        try:
            with told():
                answer = self.client.get_object(Bucket=self.name, Key=key, Range=range_)
                return answer["Body"].read()
        except S3UnavailableError as error:
            code = code_of(error.__cause__) if isinstance(error.__cause__, ClientError) else ""
            if code in _BEYOND:
                return b""
            if code in _ABSENT:
                return None
            raise

    def stream(self, key: str) -> Iterator[bytes] | None:
        """The object in chunks of 256 KB, the same one to the end; None where there is none.

        Raises: S3DamagedError, at its end.
        """
        try:
            answer = self.client.get_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return None
            raise translated(error) from error
        except BotoCoreError as error:
            raise S3UnavailableError(f"S3 does not answer: {error}") from error
        return self._chunks(key, answer["Body"], answer["Metadata"].get("sha256"))

    def _chunks(self, key: str, body: Any, sha256: str | None) -> Iterator[bytes]:
        digest = hashlib.sha256()
        with told():
            try:
                for chunk in body.iter_chunks(CHUNK_BYTES):
                    digest.update(chunk)
                    yield chunk
            finally:
                body.close()
        if sha256 not in (None, digest.hexdigest()):
            raise S3DamagedError(f"the object {key} of the S3 bucket {self.name!r} is damaged")

    def size(self, key: str) -> int | None:
        """Octets of the object; None where there is none."""
        found = self._fast.size(key)
        if found is None:
            self._require_for_absence()
        return found

    def facts(self, key: str) -> ObjectFacts | None:
        """What the server says of the object; None where there is none."""
        try:
            found = self.client.head_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if code_of(error) not in _ABSENT:
                raise translated(error) from error
            self._require_for_absence()
            return None
        except BotoCoreError as error:
            raise S3UnavailableError(f"S3 does not answer: {error}") from error
        return ObjectFacts(found["ContentLength"], found.get("ChecksumSHA256"), found["ETag"])

    def copy(self, source: str, key: str, *, etag: str, sha256: bytes) -> str | None:
        """Make the object `key` of `source` while that is the one of `etag`; `sha256` is its digest.

        The digest of the copy as the server verified it (base64); None where `source` is another now, or the server
        does not say. Durable on return.
        """
        try:
            copied = self.client.copy_object(
                Bucket=self.name,
                Key=key,
                CopySource={"Bucket": self.name, "Key": source},
                CopySourceIfMatch=etag,
                MetadataDirective="REPLACE",
                Metadata={"sha256": sha256.hex()},
                ChecksumAlgorithm="SHA256",
                **self.put_options,
            )
        except ClientError as error:
            if code_of(error) in _EXISTS | _ABSENT:
                return None
            raise translated(error) from error
        except BotoCoreError as error:
            raise S3UnavailableError(f"S3 does not answer: {error}") from error
        return copied["CopyObjectResult"].get("ChecksumSHA256")

    def restore(self, key: str) -> None:
        """Ask that an archived object be brought back for some days, which takes hours. Safe to repeat."""
        request: Any = {"Days": RESTORED_DAYS, "GlacierJobParameters": {"Tier": "Standard"}}
        try:
            self.client.restore_object(Bucket=self.name, Key=key, RestoreRequest=request)
        except ClientError as error:
            if code_of(error) != _RESTORING:
                raise translated(error) from error
        except BotoCoreError as error:
            raise S3UnavailableError(f"S3 does not answer: {error}") from error

    def _require_for_absence(self) -> None:
        """An object is known to be missing only where its bucket is there, which a refusal does not always say."""
        with told():
            self.client.head_bucket(Bucket=self.name)

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


def sha256_base64(digest: bytes) -> str:
    """A digest as the checksum headers want it."""
    return base64.b64encode(digest).decode("ascii")
