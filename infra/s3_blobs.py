"""The blob store that is an S3 bucket: names are its keys, and each put bears its SHA-256, which S3 verifies."""

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gateways.blobs import (
    BlobArchivedError,
    BlobMissingError,
    BlobNameInvalidError,
    Spool,
    StorageFullError,
    checked_name,
    read_or_error,
)
from infra.durable_files import make_folders
from infra.s3_bucket import Bucket, sha256_base64
from infra.s3_client import S3UnavailableError, told
from infra.s3_spool import S3Spool

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 8 * 2**20
"""Larger objects go in parts of this size; S3 asks for 5 MiB at least and 10,000 parts at most."""
PUTS_AT_ONCE = 8
READS_AT_ONCE = 8
UNFINISHED_AGE_S = 86_400


class S3Blobs:
    """Objects in `bucket`; what is on its way lies below `folder`, which is made (mode 0700) where missing.

    Any number of processes may share the bucket. S3 promises that a put or delete is seen by every later read.
    """

    def __init__(self, bucket: Bucket, folder: Path, *, part_bytes: int = PART_BYTES) -> None:
        self._bucket = bucket
        self._folder = make_folders(folder.parent, folder.name)
        self._part_bytes = part_bytes

    def forget_unfinished(self, *, age_s: float = UNFINISHED_AGE_S) -> int:
        """Take away the parts that interrupted writers left before that many seconds; how many writers they were.

        Raises: S3UnavailableError
        """
        forgotten = 0
        with told():
            pages = self._bucket.client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket.name)
            for upload in (upload for page in pages for upload in page.get("Uploads", ())):
                if upload["Initiated"].timestamp() <= time.time() - age_s:
                    self._abort(upload["Key"], upload["UploadId"])
                    forgotten += 1
        return forgotten

    def check(self) -> None:
        """Nothing, where objects can be read and written.

        Raises: S3UnavailableError, StorageFullError: no room for what is on its way.
        """
        with self.spool() as spool:
            spool.write(b"ready")
            spool.content()
        self._bucket.check()

    def spool(self) -> S3Spool:
        """Room for the content of one more object."""
        return S3Spool(self._folder)

    def commit(self, spool: Spool, name: str) -> None:
        """Make the spool's content the object `name`; see `Blobs.commit`."""
        key = checked_name(name)
        if not isinstance(spool, S3Spool):
            raise TypeError("only a spool of this store can be committed to it")
        if spool.committed_as == key:
            return
        if spool.committed_as is not None:
            raise ValueError("the spool was committed under another name")
        try:
            self._store(spool, key)
        except StorageFullError:
            spool.discard()
            raise
        spool.committed(key)

    def put(self, name: str, data: bytes) -> None:
        """Make `data` the object `name`, with the guarantees of `commit`."""
        if len(data) <= self._part_bytes:
            self._bucket.put(checked_name(name), data)
            return
        with self.spool() as spool:
            spool.write(data)
            self.commit(spool, name)

    def put_all(self, objects: Mapping[str, bytes]) -> None:
        """`put` for many, some of them side by side; see `Blobs.put_all`."""
        if len(objects) <= 1:
            for name, data in objects.items():
                self.put(name, data)
            return
        with ThreadPoolExecutor(min(len(objects), PUTS_AT_ONCE), "s3 put") as pool:
            putting = [pool.submit(self.put, name, data) for name, data in objects.items()]
        for put in putting:
            put.result()

    def read(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The octets from `start`, at most `length`; raises BlobMissingError, BlobArchivedError."""
        if start < 0 or (length is not None and length < 0):
            raise ValueError("start and length are not negative")
        if length == 0:
            self.size(name)
            return b""
        last = "" if length is None else str(start + length - 1)
        key = checked_name(name)
        with self._restored(key):
            found = self._bucket.part(key, f"bytes={start}-{last}") if start or last else self._bucket.get(key)
        if found is None:
            raise BlobMissingError(name)
        return found

    def read_all(self, names: Collection[str]) -> Mapping[str, bytes | Exception]:
        """What each object holds, some of them side by side; see `Blobs.read_all`."""
        outages: list[S3UnavailableError] = []

        def read(name: str) -> bytes | Exception:
            found = outages[0] if outages else read_or_error(self, name)
            if isinstance(found, S3UnavailableError):
                outages.append(found)
            return found

        if len(names) <= 1:
            return {name: read(name) for name in names}
        with ThreadPoolExecutor(min(len(names), READS_AT_ONCE), "s3 get") as pool:
            return dict(zip(names, pool.map(read, names), strict=True))

    def open(self, name: str) -> Iterator[bytes]:
        """The whole object in chunks of 256 KB; raises BlobMissingError, BlobArchivedError at the call."""
        with self._restored(name):
            found = self._bucket.stream(checked_name(name))
        if found is None:
            raise BlobMissingError(name)
        return found

    def size(self, name: str) -> int:
        """Octets of the object; raises BlobMissingError."""
        found = self._bucket.size(checked_name(name))
        if found is None:
            raise BlobMissingError(name)
        return found

    def exists(self, name: str) -> bool:
        """Whether the object is there durably: S3 shows none before it is."""
        return self._bucket.size(checked_name(name)) is not None

    def delete(self, name: str) -> None:
        """Take the object away, durably. Safe to repeat."""
        self._bucket.delete(checked_name(name))

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin with `prefix`, in order."""
        folder, _, _ = prefix.rpartition("/")
        if folder and any(part in ("", ".", "..") for part in folder.split("/")):
            return
        yield from filter(_is_valid, self._bucket.names(prefix))

    @contextmanager
    def _restored(self, key: str) -> Iterator[None]:
        """Asks for what turns out to lie in an archive; raises BlobArchivedError then."""
        try:
            yield
        except BlobArchivedError:
            self._bucket.restore(key)
            raise

    def _store(self, spool: S3Spool, key: str) -> None:
        content = spool.content()
        if spool.size <= self._part_bytes:
            self._bucket.put(key, content.read())
        else:
            self._store_in_parts(content, key, spool.sha256)

    def _store_in_parts(self, content: IO[bytes], key: str, sha256: str) -> None:
        """The object appears whole when the last request is answered; what failed leaves nothing."""
        client, bucket = self._bucket.client, self._bucket.name
        options = {**self._bucket.put_options, "Metadata": {"sha256": sha256}}
        with told():
            upload = client.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256", **options)
        try:
            with told():
                parts = list(self._parts(content, key, upload["UploadId"]))
                client.complete_multipart_upload(
                    Bucket=bucket, Key=key, UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
                )
        except BaseException:
            with suppress(S3UnavailableError, StorageFullError):
                self._abort(key, upload["UploadId"])
            raise

    def _parts(self, content: IO[bytes], key: str, upload_id: str) -> "Iterator[CompletedPartTypeDef]":
        number = 0
        while part := content.read(self._part_bytes):
            number += 1
            checksum = sha256_base64(hashlib.sha256(part).digest())
            answer = self._bucket.client.upload_part(
                Bucket=self._bucket.name,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=part,
                ChecksumSHA256=checksum,
            )
            yield {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    def _abort(self, key: str, upload_id: str) -> None:
        with told():
            self._bucket.client.abort_multipart_upload(Bucket=self._bucket.name, Key=key, UploadId=upload_id)


def _is_valid(name: str) -> bool:
    try:
        checked_name(name)
    except BlobNameInvalidError:
        return False
    return True
