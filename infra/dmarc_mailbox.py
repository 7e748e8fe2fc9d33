"""Aggregate reports that came by mail into the operator's mailbox."""

import contextlib
from collections.abc import Iterator

from gateways.blobs import BlobArchivedError, BlobMissingError
from gateways.dmarc_reports.reading import read_report
from gateways.dmarc_reports.report import Report
from gateways.dmarc_reports.unpacking import ReportUnreadableError, unpacked
from gateways.mail_objects import MailAlteredError, read_mail
from gateways.mime import show
from gateways.mime.parse import parse
from infra.accounts.directory import operator_address
from infra.composition import Parts

_ENDINGS = (".xml", ".gz", ".zip")
_WITH_FILES = (
    "SELECT m.blob FROM messages m"
    " JOIN mailboxes b ON b.mailbox_id = m.mailbox_id AND b.generation = m.generation AND NOT b.erased"
    " WHERE m.mailbox_id = %s AND m.destroyed_seq IS NULL AND m.has_attachment"
    " AND NOT ('SENT' = ANY (m.labels) OR 'DRAFTS' = ANY (m.labels)) ORDER BY m.received_at DESC LIMIT %s"
)


def reports_received(parts: Parts, *, limit: int) -> Iterator[Report]:
    """Those among the newest `limit` messages with attachments, the newest first; what is none is passed over."""
    entry = parts.directory.find(operator_address(parts.settings).canonical)
    if entry is None:
        return
    with parts.connect() as connection:
        rows = connection.execute(_WITH_FILES, (entry.mailbox_id, limit)).fetchall()
    for (blob,) in rows:
        with contextlib.suppress(BlobMissingError, BlobArchivedError, MailAlteredError):  # it tells nothing any more
            yield from _reports_in(read_mail(parts.blobs, blob))


def _reports_in(raw: bytes) -> Iterator[Report]:
    parsed = parse(raw)
    for one in parsed.attachments:
        if one.filename.lower().endswith(_ENDINGS) or one.content_type in ("application/gzip", "application/zip"):
            try:
                yield read_report(unpacked(show.attachment_bytes(raw, parsed, one.id)[1]))
            except ReportUnreadableError:
                continue
