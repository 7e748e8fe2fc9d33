"""The parts of the composition root that lie in S3, as the settings describe it."""

import dataclasses
from functools import cached_property
from pathlib import Path

from infra.operator_errors import OperatorError
from infra.s3_blobs import S3Blobs
from infra.s3_bucket import Bucket
from infra.s3_client import S3Server, S3UnavailableError
from infra.s3_keys import S3Keys
from infra.s3_lifecycle import set_lifecycle
from infra.s3_transfers import S3Transfers
from infra.settings import Settings


class S3Parts:
    """Each asks at its making whether its bucket can be used: one that cannot stops the start with one line."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server = S3Server(
            endpoint=settings.s3_endpoint,
            region=settings.s3_region,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key,
            encryption=settings.s3_encryption,
        )

    def blobs(self, folder: Path) -> S3Blobs:
        """Bodies and attachments; what is on its way lies below `folder`.

        Raises: OperatorError
        """
        bucket = self._blobs_bucket
        try:
            blobs = S3Blobs(bucket, folder)
            blobs.forget_unfinished()
        except S3UnavailableError as error:
            raise OperatorError(f"the S3 bucket {bucket.name!r} cannot be used: {error}") from error
        return blobs

    def transfers(self, blobs: S3Blobs) -> S3Transfers:
        """What takes clients to the bucket of `blobs` itself.

        Raises: OperatorError
        """
        endpoint = self._settings.s3_public_endpoint or self._settings.s3_endpoint
        return S3Transfers(self._blobs_bucket, blobs, dataclasses.replace(self._server, endpoint=endpoint))

    def set_lifecycle(self) -> str | None:
        """The bucket of the blobs moves old mails to cheaper storage from now on; or why its server does not take that.

        Raises: OperatorError
        """
        settings, bucket = self._settings, self._blobs_bucket
        try:
            return set_lifecycle(
                bucket, infrequent_days=settings.s3_infrequent_days, archive_days=settings.s3_archive_days
            )
        except S3UnavailableError as error:
            raise OperatorError(f"the S3 bucket {bucket.name!r} cannot be used: {error}") from error

    def keys(self, master_key_file: Path) -> S3Keys:
        """The mailboxes' keys.

        Raises: OperatorError, MasterKeyError.
        """
        bucket = self._bucket(self._settings.s3_keys_bucket)
        try:
            return S3Keys(bucket, master_key_file)
        except S3UnavailableError as error:
            raise OperatorError(f"the S3 bucket {bucket.name!r} cannot be used: {error}") from error

    @cached_property
    def _blobs_bucket(self) -> Bucket:
        return self._bucket(self._settings.s3_bucket)

    def _bucket(self, name: str | None) -> Bucket:
        assert name is not None  # the settings see to it
        bucket = Bucket(self._server, name)
        bucket.require()
        return bucket
