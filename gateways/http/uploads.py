"""`PUT /v1/uploads/{id}`: the bytes of a file, streamed to the store under the digest that they turn out to have."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated

import msgspec

from gateways.blobs import Spool, attachment_blob_name
from gateways.http.operations import Id, Operation, as_json
from gateways.http.ports import Upload
from gateways.http.problems import ProblemError
from gateways.http.requests import (
    LARGE_BODY_TIMEOUT_S,
    Receive,
    Scope,
    Send,
    body_chunks,
    query_of,
    require_announced,
)
from gateways.http.responses import send_answer
from gateways.http.signed_addresses import require_let_in, require_signed

if TYPE_CHECKING:
    from gateways.http.app import HttpApp

_WRITE_BYTES = 256 * 1024


class SignedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The signature of an address, and until when it is good (unix seconds)."""

    expires: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    signature: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Arrived(msgspec.Struct):
    """The bytes are here."""

    id: Id
    size: int
    sha256: str


class UploadRoute:
    """Takes the bytes of an upload; the signature of its address stands for a token."""

    def __init__(self, app: "HttpApp") -> None:
        self._app = app
        self._parts = app.parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send, path: Mapping[str, str]) -> None:
        """One upload; a repeat replaces it with the same."""
        asked = query_of(scope, SignedQuery)
        upload: Upload = await self._app.call(partial(self._upload, path["upload_id"], asked))
        require_announced(scope, upload.size, "attachment_too_large")
        spool: Spool = await self._app.call(self._parts.blobs.spool)
        try:
            await self._take(upload, spool, receive)
            answer = as_json(await self._app.call(partial(self._keep, upload, spool)))
        finally:
            await self._app.call(spool.discard)
        await send_answer(send, answer)

    def _upload(self, upload_id: str, asked: SignedQuery) -> Upload:
        require_signed(
            self._parts.settings.secret,
            "PUT",
            f"/v1/uploads/{upload_id}",
            mailbox_id="",
            expires=asked.expires,
            signature=asked.signature,
        )
        upload = self._parts.uploads.find(upload_id)
        if upload is None:
            raise ProblemError("attachment_unknown")
        require_let_in(self._parts, upload.mailbox_id)
        return upload

    async def _take(self, upload: Upload, spool: Spool, receive: Receive) -> None:
        held: list[bytes] = []
        size = waiting = 0
        try:
            async with asyncio.timeout(LARGE_BODY_TIMEOUT_S):
                async for chunk in body_chunks(receive):
                    size, waiting = size + len(chunk), waiting + len(chunk)
                    if size > upload.size:
                        raise ProblemError("attachment_too_large", f"{upload.size} octets were announced")
                    held.append(chunk)
                    if waiting >= _WRITE_BYTES:
                        await self._app.call(partial(spool.write, b"".join(held)))
                        held, waiting = [], 0
        except TimeoutError:
            raise ProblemError("body_timeout") from None
        await self._app.call(partial(spool.write, b"".join(held)))

    def _keep(self, upload: Upload, spool: Spool) -> Arrived:
        if spool.size != upload.size:
            raise ProblemError("upload_altered", f"{upload.size} octets were announced, {spool.size} came")
        if upload.expected_sha256 not in (None, spool.sha256):
            raise ProblemError("upload_altered", "the digest is another")
        sha256 = spool.sha256
        name = attachment_blob_name(sha256)
        self._parts.touch({name: upload.size})
        self._parts.blobs.commit(spool, name)
        if not self._parts.uploads.arrived(upload.upload_id, sha256):
            raise ProblemError("attachment_unknown")
        return Arrived(upload.upload_id, upload.size, sha256)


def upload_operation(route: UploadRoute) -> Operation:
    """Its row of the contract."""
    return Operation(
        method="PUT",
        path="/v1/uploads/{upload_id}",
        summary="The bytes of a file, to the signed address that announcing it gave",
        exchange=route,
        query=SignedQuery,
        body=bytes,
        body_media="application/octet-stream",
        answers={200: Arrived},
        errors=("signature_invalid", "attachment_unknown", "attachment_too_large", "upload_altered"),
        unknown="attachment_unknown",
        open_to_strangers=True,
        tag="writing",
    )
