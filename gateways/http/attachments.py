"""Files for a draft: announced, sent to a signed address, completed; what the caller has already need not travel."""

from typing import Annotated, Any

import msgspec

from domain.ids import new_id
from domain.times import DAY_MS, rfc3339
from gateways.http.composing import now_ms
from gateways.http.downloads import safe_type
from gateways.http.operations import Answer, Call, Operation, as_json
from gateways.http.ports import Upload
from gateways.http.problems import ProblemError
from gateways.http.signed_addresses import signed

KEPT_MS = 7 * DAY_MS
"""How long an upload waits for a draft to name it."""


class NewAttachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file's name, type, size in bytes and, where the client knows it, its SHA-256 in hex."""

    filename: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    content_type: Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")]
    size: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None


class UploadAddress(msgspec.Struct):
    """Where the bytes go, with these headers: a signed address, which needs no token, and until when it is good."""

    method: str
    url: str
    headers: dict[str, str]
    expires_at: str


class AttachmentAnnounced(msgspec.Struct):
    """The id for `attachment_ids`; `upload` null where the bytes are here already."""

    id: str
    upload: UploadAddress | None


class Scanned(msgspec.Struct):
    """What was found in the file: clean; pending while a scan goes on, of which another call tells; unscreened where
    nobody can look."""

    scan: str


def announce(call: Call[None, NewAttachment]) -> Answer:
    """An id and an address to send the bytes to."""
    asked = call.body
    most = call.parts.settings.max_attachment_bytes
    if asked.size > most:
        raise ProblemError("attachment_too_large", f"at most {most} octets", limit_bytes=most)
    is_here = asked.sha256 is not None and call.parts.uploads.owned(call.mailbox_id, asked.sha256) == asked.size
    upload = Upload(
        upload_id=new_id("u"),
        mailbox_id=call.mailbox_id,
        filename=_one_line(asked.filename),
        content_type=asked.content_type.lower(),
        size=asked.size,
        expected_sha256=asked.sha256,
        sha256=asked.sha256 if is_here else None,
        completed=is_here,
        expires_at=now_ms() + KEPT_MS,
    )
    call.parts.uploads.add(upload)
    return as_json(AttachmentAnnounced(upload.upload_id, None if is_here else _address(call, upload)), status=201)


def complete(call: Call[None, Any]) -> Answer:
    """The file may be attached, and stays what it is from now on. Safe to repeat."""
    upload = call.parts.uploads.find(call.path["attachment_id"])
    if upload is None or upload.mailbox_id != call.mailbox_id:
        raise ProblemError("attachment_unknown")
    if upload.sha256 is None:
        _take(call, upload)
        upload = call.parts.uploads.find(upload.upload_id) or upload
    found = _scanned(call, upload)
    call.parts.uploads.complete(upload.upload_id)
    return as_json(Scanned(found))


def _scanned(call: Call[Any, Any], upload: Upload) -> str:
    """What is known of the file so far. Raises: ProblemError, where it is infected."""
    scans = call.parts.file_scans
    if scans is None or upload.sha256 is None:
        return "unscreened"
    return scans.uploaded(upload.sha256, size_bytes=upload.size)


def _take(call: Call[Any, Any], upload: Upload) -> None:
    """Where clients send to the store itself: what came there is the upload's from now on. Raises: ProblemError."""
    transfers, sha256 = call.parts.transfers, None
    if transfers is not None:
        sha256 = transfers.take(
            upload.upload_id, size=upload.size, sha256=upload.expected_sha256, touch=call.parts.touch
        )
    if transfers is None or sha256 is None:
        now = call.parts.uploads.find(upload.upload_id)
        if now is None or now.sha256 is None:
            raise ProblemError("upload_incomplete", "its bytes are not here yet")
        return  # another call of the same client took it meanwhile
    if not call.parts.uploads.arrived(upload.upload_id, sha256):
        raise ProblemError("attachment_unknown", "it expired, or was completed with other bytes")
    transfers.forget(upload.upload_id)


def _address(call: Call[Any, Any], upload: Upload) -> UploadAddress:
    if (transfers := call.parts.transfers) is not None:
        kind, _ = safe_type(upload.content_type.partition(";")[0].rstrip(), inline=False)
        place = transfers.upload_address(
            upload.upload_id, content_type=kind, size=upload.size, sha256=upload.expected_sha256
        )
        return UploadAddress("PUT", place.url, place.headers, rfc3339(place.expires * 1000))
    address = signed(call.parts.settings.secret, "PUT", f"/v1/uploads/{upload.upload_id}")
    headers = {"Content-Type": upload.content_type}
    return UploadAddress("PUT", address.url, headers, rfc3339(address.expires * 1000))


def _one_line(name: str) -> str:
    return "".join(char if char.isprintable() else "_" for char in name)


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/attachments",
        summary="Announce a file",
        run=announce,
        body=NewAttachment,
        answers={201: AttachmentAnnounced},
        errors=("attachment_too_large", "too_many_uploads"),
        tag="writing",
    ),
    Operation(
        method="POST",
        path="/v1/attachments/{attachment_id}/complete",
        summary="The file is here",
        run=complete,
        answers={200: Scanned},
        errors=("attachment_unknown", "attachment_infected", "upload_incomplete", "upload_altered", "storage_full"),
        unknown="attachment_unknown",
        large=True,
        tag="writing",
    ),
)
