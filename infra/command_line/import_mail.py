"""`ledgermail import`: mail that lies in files becomes mail in a mailbox."""

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from infra.command_line.opened import Address, mailbox_at, opened_parts
from infra.command_line.progress import progress
from infra.importing import Imported, ImportWishes
from infra.importing import import_mail as bring_along
from infra.mail_files import FoundMail, ReadingLimits, mail_in


class Kind(enum.StrEnum):
    """How mail lies in files."""

    AUTO = "auto"
    MBOX = "mbox"
    EML = "eml"
    MAILDIR = "maildir"


def import_mail(
    address: Address,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="mbox files, Maildirs, .eml files, folders of them.", exists=True),
    ],
    label: Annotated[
        str, typer.Option("--label", metavar="PATH", help="Label that the mail gets, such as Old/2019; else INBOX.")
    ] = "",
    kind: Annotated[
        Kind, typer.Option("--format", help="What the paths are, where that cannot be told by name and content.")
    ] = Kind.AUTO,
    mboxrd: Annotated[
        bool, typer.Option("--mboxrd", help="The mbox was written as mboxrd: undo one > of >From lines.")
    ] = False,
    read: Annotated[bool, typer.Option("--read", help="All of it counts as read.")] = False,
    skip_trashed: Annotated[
        bool, typer.Option("--skip-trashed", help="Leave out what a Maildir holds marked as deleted (T).")
    ] = False,
) -> None:
    """Bring mail along from files. The service may run; Ctrl-C and call again to go on: repeating adds nothing.

    A message is known by its content and label. Line feeds alone become CRLF, a bare CR stays as it is. Flags of a
    Maildir and Status fields of an mbox become keywords, folders of a Maildir become labels, those called Sent, Drafts,
    Trash, Junk, Spam or Archive the system's own. The time of arrival is that of the newest Received field, else of the
    mbox's From line, else of the Date field.
    """
    wishes = ImportWishes(label=label, keywords=("$seen",) if read else (), skip_trashed=skip_trashed)
    with opened_parts() as parts, progress("import") as told:
        limits = ReadingLimits(max_bytes=parts.settings.max_message_bytes, undo_quoting=mboxrd)
        imported = bring_along(
            _found(paths, kind, limits),
            mailbox_at(parts, address),
            wishes=wishes,
            connect=parts.connect,
            blobs=parts.blobs,
            appender=parts.lane,
            progress=lambda so_far: told(so_far.messages, 0),
        )
    _report(imported)
    if imported.failures:
        raise typer.Exit(1)


def _found(paths: list[Path], kind: Kind, limits: ReadingLimits) -> Iterator[FoundMail]:
    for path in paths:
        yield from mail_in(path, kind=kind.value, limits=limits)


def _report(imported: Imported) -> None:
    for failure in imported.failures:
        place = f" message {failure.place + 1}" if failure.place else ""
        typer.echo(f"{failure.file}{place}: {failure.reason}", err=True)
    for path, counts in imported.files.items():
        typer.echo(f"{path}: {_said(counts.imported, counts.already_there, counts.skipped, counts.failed)}")
    total = imported.total
    typer.echo(f"in all: {_said(total.imported, total.already_there, total.skipped, total.failed)}")


def _said(imported: int, already_there: int, skipped: int, failed: int) -> str:
    left_out = f", {skipped} left out" if skipped else ""
    return f"{imported} imported, {already_there} already there{left_out}, {failed} failed"
