"""Files on their way into drafts, on Postgres: bytes of the mailbox's quota until a message has them or they expire."""

import time
from collections.abc import Callable
from typing import Any

from psycopg import Connection

from domain import quota
from domain.decisions.delivery import mailbox_holder
from domain.ids import MailboxId, MessageId
from domain.rows import MailboxRow
from gateways.blobs import attachment_blob_name, upload_blob_name
from gateways.http.ports import TooManyUploadsError, Upload
from infra import blob_references
from infra.postgres_queue import Connect

MAX_OPEN = 1000
EXPIRED_AT_ONCE = 1000

_COLUMNS = ", ".join(Upload.__struct_fields__)
_ADD = f"INSERT INTO uploads ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(Upload.__struct_fields__))})"  # noqa: S608
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('uploads ' || %s, 0))"
"""Two that count before either has added would both find room."""
_OPEN = (
    "SELECT count(*), coalesce(sum(u.size) FILTER (WHERE NOT EXISTS (SELECT FROM blob_references r"
    " WHERE r.name = 'attachments/' || u.sha256 AND starts_with(r.holder, %s))), 0)::bigint"
    " FROM uploads u WHERE u.mailbox_id = %s AND u.expires_at > %s"
)
"""What a message of the mailbox has by now is counted with the message."""
_QUOTA = "SELECT used_bytes, quota_bytes FROM mailboxes WHERE mailbox_id = %s"
_FIND = f"SELECT {_COLUMNS} FROM uploads WHERE upload_id = %s AND expires_at > %s"  # noqa: S608
_ARRIVED = "UPDATE uploads SET sha256 = %(sha)s WHERE upload_id = %(id)s AND (NOT completed OR sha256 = %(sha)s)"
_COMPLETE = "UPDATE uploads SET completed = true WHERE upload_id = %s AND sha256 IS NOT NULL"
_EXPIRED = (
    "DELETE FROM uploads WHERE upload_id IN (SELECT upload_id FROM uploads WHERE expires_at <= %s"
    " ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING upload_id"
)
_OWNED = (
    "SELECT b.size FROM blob_references r JOIN blobs b ON b.name = r.name WHERE r.name = %(name)s AND"
    " (starts_with(r.holder, %(mailbox)s) OR r.holder IN ("
    " SELECT 'upload:' || upload_id FROM uploads WHERE mailbox_id = %(mailbox_id)s AND sha256 = %(sha256)s)) LIMIT 1"
)


class PostgresUploads:
    """The port `gateways.http.ports.Uploads`."""

    def __init__(
        self, connect: Connect, *, holds_what_is_sent: bool = False, clock_ms: Callable[[], int] | None = None
    ) -> None:
        """`holds_what_is_sent`: clients send to the store itself, where the collector leaves it until it is taken."""
        self._connect = connect
        self._holds_what_is_sent = holds_what_is_sent
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    def add(self, upload: Upload) -> None:
        """Remember a new upload; one whose bytes are here already holds them at once.

        Raises:
            TooManyUploadsError, MailboxFullError; psycopg.errors.ForeignKeyViolation: the bytes went meanwhile.
        """
        with self._connect() as connection, connection.transaction():
            self._require_room(connection, upload)
            connection.execute(_ADD.encode(), [getattr(upload, name) for name in Upload.__struct_fields__])
            if upload.sha256 is not None:
                blob_references.hold(connection, _holder(upload.upload_id), [attachment_blob_name(upload.sha256)])
            elif self._holds_what_is_sent:
                name = upload_blob_name(upload.upload_id)
                blob_references.touch(connection, {name: upload.size})
                blob_references.hold(connection, _holder(upload.upload_id), [name])

    def find(self, upload_id: str) -> Upload | None:
        """The upload, where it has not expired."""
        with self._connect() as connection:
            found = connection.execute(_FIND.encode(), (upload_id, self._clock_ms())).fetchone()
        return None if found is None else Upload(*found)

    def arrived(self, upload_id: str, sha256: str) -> bool:
        """Its bytes are stored, and held for it in the same transaction; what it held before goes.

        False where it expired meanwhile, or was completed with other bytes: nothing is changed.
        """
        with self._connect() as connection, connection.transaction():
            if not connection.execute(_ARRIVED, {"sha": sha256, "id": upload_id}).rowcount:
                return False
            blob_references.release(connection, _holder(upload_id))
            blob_references.hold(connection, _holder(upload_id), [attachment_blob_name(sha256)])
        return True

    def complete(self, upload_id: str) -> None:
        """It may be attached."""
        with self._connect() as connection:
            connection.execute(_COMPLETE, (upload_id,))

    def owned(self, mailbox_id: MailboxId, sha256: str) -> int | None:
        """The size of an attachment that a message or upload of this mailbox holds."""
        place = {
            "name": attachment_blob_name(sha256),
            "mailbox": f"mailbox:{mailbox_id}:",
            "mailbox_id": mailbox_id,
            "sha256": sha256,
        }
        with self._connect() as connection:
            found = connection.execute(_OWNED, place).fetchone()
        return None if found is None else int(found[0])

    def _require_room(self, connection: Connection[Any], upload: Upload) -> None:
        mailbox_id = upload.mailbox_id
        connection.execute(_ONE_AT_A_TIME, (mailbox_id,))
        place = (mailbox_holder(mailbox_id, MessageId("")), mailbox_id, self._clock_ms())
        count, open_bytes = connection.execute(_OPEN, place).fetchone() or (0, 0)
        if count >= MAX_OPEN:
            raise TooManyUploadsError(f"at most {MAX_OPEN} at once")
        used_bytes, quota_bytes = connection.execute(_QUOTA, (mailbox_id,)).fetchone() or (0, 0)
        row = MailboxRow(mailbox_id, used_bytes=used_bytes, quota_bytes=quota_bytes)
        quota.require_room(row, open_bytes + upload.size if upload.size else 0)


def expire_uploads(now_ms: int, *, connect: Connect) -> int:
    """Some uploads whose time is over go, and let go of their objects; how many those were."""
    with connect() as connection, connection.transaction():
        gone = connection.execute(_EXPIRED, (now_ms, EXPIRED_AT_ONCE)).fetchall()
        blob_references.release_many(connection, [_holder(upload_id) for (upload_id,) in gone])
    return len(gone)


def _holder(upload_id: str) -> str:
    return f"upload:{upload_id}"
