"""Transfers between clients and an S3 bucket, by presigned requests (AWS Signature Version 4 in the query string)."""

import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from gateways.blobs import attachment_blob_name, upload_blob_name
from gateways.transfers import StoreAddress, UploadAlteredError
from infra.s3_blobs import S3Blobs
from infra.s3_bucket import Bucket, ObjectFacts, S3DamagedError, sha256_base64
from infra.s3_client import S3Server

GOOD_FOR_S = 3600
_CACHED = "private, max-age=3600"


class S3Transfers:
    """The port `gateways.transfers.Transfers` on the bucket of `blobs`; clients reach it at `server`.

    An address binds the type, the length and, where the client knows it, the digest: S3 refuses all else. What was
    put with its digest is copied within S3, what was put without is read once, and what was read is what is kept.
    """

    def __init__(self, bucket: Bucket, blobs: S3Blobs, server: S3Server) -> None:
        self._bucket = bucket
        self._blobs = blobs
        self._signing = server.client()

    @property
    def origin(self) -> str:
        """Scheme, host and port of all addresses."""
        place = urlsplit(self._signed("get_object", Key="origin/of"))
        return f"{place.scheme}://{place.netloc}"

    def upload_address(self, upload_id: str, *, content_type: str, size: int, sha256: str | None) -> StoreAddress:
        """See `Transfers.upload_address`; the length is bound, too, which every client sends by itself."""
        bound = {"ContentType": content_type, **self._bucket.put_options}
        headers = {"Content-Type": content_type}
        if sha256 is not None:
            bound["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = sha256_base64(bytes.fromhex(sha256))
        if (encryption := self._bucket.put_options.get("ServerSideEncryption")) is not None:
            headers["x-amz-server-side-encryption"] = encryption
        expires = int(time.time()) + GOOD_FOR_S
        url = self._signed("put_object", Key=upload_blob_name(upload_id), ContentLength=size, **bound)
        return StoreAddress(url, expires, headers)

    def take(
        self, upload_id: str, *, size: int, sha256: str | None, touch: Callable[[Mapping[str, int]], None]
    ) -> str | None:
        """See `Transfers.take`."""
        sent = upload_blob_name(upload_id)
        facts = self._bucket.facts(sent)
        if facts is None:
            return None
        if facts.size != size:
            raise UploadAlteredError(f"{size} octets were announced, {facts.size} came")
        if sha256 is not None and self._is_copied(sent, facts, bytes.fromhex(sha256), touch):
            return sha256
        return self._read_over(sent, size, sha256, touch)

    def forget(self, upload_id: str) -> None:
        """See `Transfers.forget`."""
        self._bucket.delete(upload_blob_name(upload_id))

    def download_address(self, sha256: str, *, content_type: str, disposition: str) -> StoreAddress:
        """See `Transfers.download_address`."""
        expires = int(time.time()) + GOOD_FOR_S
        url = self._signed(
            "get_object",
            Key=attachment_blob_name(sha256),
            ResponseContentType=content_type,
            ResponseContentDisposition=disposition,
            ResponseCacheControl=_CACHED,
        )
        return StoreAddress(url, expires)

    def _signed(self, operation: str, **parameters: object) -> str:
        return self._signing.generate_presigned_url(
            operation, Params={"Bucket": self._bucket.name, **parameters}, ExpiresIn=GOOD_FOR_S
        )

    def _is_copied(
        self, sent: str, facts: ObjectFacts, sha256: bytes, touch: Callable[[Mapping[str, int]], None]
    ) -> bool:
        """Whether S3 vouches for the digest of what was sent and has copied these very octets."""
        announced = sha256_base64(sha256)
        if facts.sha256 != announced:
            return False
        name = attachment_blob_name(sha256.hex())
        touch({name: facts.size})
        return self._bucket.copy(sent, name, etag=facts.etag, sha256=sha256) == announced

    def _read_over(
        self, sent: str, size: int, sha256: str | None, touch: Callable[[Mapping[str, int]], None]
    ) -> str | None:
        chunks = self._bucket.stream(sent)
        if chunks is None:
            return None
        with self._blobs.spool() as spool:
            try:
                for chunk in chunks:
                    if spool.size + len(chunk) > size:
                        raise UploadAlteredError(f"{size} octets were announced, more came")
                    spool.write(chunk)
            except S3DamagedError:  # it bears a digest that is not its own
                raise UploadAlteredError("the digest is another") from None
            if spool.size != size:
                raise UploadAlteredError(f"{size} octets were announced, {spool.size} came")
            if sha256 not in (None, spool.sha256):
                raise UploadAlteredError("the digest is another")
            found = spool.sha256
            name = attachment_blob_name(found)
            touch({name: size})
            self._blobs.commit(spool, name)
            return found
