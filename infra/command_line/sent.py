"""`ledgermail relay sent`: what an account sent, for whoever must tell: the archive."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from domain.ids import SubmissionId
from domain.times import rfc3339
from infra.command_line.account import opened_parts
from infra.relay.sent_archive import SentMail, bytes_of, sent_by, trips_of
from infra.relay.sent_trips import SentTrips

Address = Annotated[str, typer.Argument(help="Address of the account that sent.")]
Since = Annotated[datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="From this day on (UTC).")]


def sent(
    address: Address,
    since: Since = None,
    mail: Annotated[str, typer.Option("--bytes", help="Write the very bytes of this submission instead.")] = "",
    number: Annotated[int, typer.Option("--number", min=1, help="Of which of its transactions.")] = 1,
) -> None:
    """Show what an account sent: to whom, when, and the answer.

    Of what left for other hosts also the very bytes.
    """
    with opened_parts() as parts, parts.connect() as connection:
        mailbox_id, trips = parts.accounts.at(address).mailbox_id, SentTrips(parts.keys)
        if mail:
            given = bytes_of(
                connection, trips=trips, blobs=parts.blobs, mailbox_id=mailbox_id, submission_id=SubmissionId(mail)
            )
            sys.stdout.buffer.write(given(number))
            return
        since_ms = 0 if since is None else int(since.replace(tzinfo=UTC).timestamp() * 1000)
        for one in sent_by(parts.reader, mailbox_id, since_ms=since_ms):
            typer.echo(_line(one))
            for answered in one.recipients:
                when = f" {rfc3339(answered.at)}" if answered.at else ""
                typer.echo(f"  to {answered.address}: {answered.status}{when} {answered.reply}".rstrip())
            for trip in trips_of(connection, trips, mailbox_id, one):
                typer.echo(f"  bytes {trip}")


def _line(mail: SentMail) -> str:
    return f"{mail.submission_id}  {rfc3339(mail.at)}  {mail.stream}  from {mail.mail_from or '<>'}"
