"""`ledgermail export`: a mailbox's mail as files that other programs read."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from infra.command_line.opened import Address, mailbox_at, opened_parts
from infra.command_line.progress import progress
from infra.erasing import is_erased
from infra.exporting import Mailbag, export_files, export_maildir, export_mbox, is_mbox
from infra.operator_errors import OperatorError


class Kind(enum.StrEnum):
    """How mail is written."""

    EML = "eml"
    MBOX = "mbox"
    MAILDIR = "maildir"


def export(
    address: Address,
    target: Annotated[Path, typer.Argument(metavar="DIR|FILE.mbox", help="Folder, made where missing, or mbox file.")],
    kind: Annotated[
        Kind | None, typer.Option("--format", help="eml: a file a message. Without it: by the target's name.")
    ] = None,
) -> None:
    """Write a mailbox's mail into files, each message as it was received: the trace block, then what arrived.

    Labels and keywords are in manifest.json (of an mbox: FILE.mbox.manifest.json). The mbox is written as mboxrd with
    the messages' own CRLF line ends; in a Maildir the labels are folders. Called again, an interrupted export of files
    goes on, an mbox is begun again; the file stands under its name only when it is whole.
    """
    chosen = kind or (Kind.MBOX if is_mbox(target) else Kind.EML)
    write = {Kind.EML: export_files, Kind.MBOX: export_mbox, Kind.MAILDIR: export_maildir}[chosen]
    with opened_parts() as parts, parts.connect() as connection, progress("export") as told:
        mailbox_id = mailbox_at(parts, address)
        if is_erased(connection, mailbox_id):
            raise OperatorError(f"{address} was erased: there is nothing to export")
        exported = write(Mailbag(connection, parts.reader, parts.blobs, mailbox_id, address), target, told)
    for message_id, why in exported.failures:
        typer.echo(f"{message_id}: {why}", err=True)
    there = f", {exported.there} lay there" if exported.there else ""
    typer.echo(f"{exported.written} messages written{there}, {len(exported.failures)} failed")
    if exported.failures:
        raise typer.Exit(1)
