"""`ledgermail verify`: does what was written still stand as it was written, and what was erased no more?"""

from typing import Annotated

import typer

from domain.ids import MailboxId
from infra.chain_check import CheckedChain, check_chain, mailboxes_with_chains
from infra.command_line.opened import address_of, is_being_erased, mailbox_at, opened_parts
from infra.command_line.progress import progress
from infra.composition import Parts
from infra.erasing import is_cleared, left_behind
from infra.exporting import Mailbag, unlike_the_log


def verify(
    address: Annotated[str | None, typer.Argument(help="Address of one mailbox. Without it: all of them.")] = None,
    blobs: Annotated[
        bool,
        typer.Option("--blobs", help="Read every mail, too, and hold it against the log: as slow as a backup."),
    ] = False,
) -> None:
    """Check the chains of events: every hash, that no seq is missing, the heads, and that each event opens.

    Names the mailbox and the seq of the first break of each chain that is broken, and exits with 1 then. Events whose
    keys were destroyed are counted as redacted: their hashes are checked like all others. What is left of an erased
    mailbox whose erasure has come to its end is named, and exits with 1, too. With --blobs every mail that is
    altered or missing in the store is named, and exits with 1. The service may run.
    """
    with opened_parts() as parts:
        checked = _check_all(parts, address)
        for chain in checked:
            if chain.broken is not None:
                typer.echo(
                    f"{address_of(parts, chain.mailbox_id)}: broken at {chain.broken.seq}: {chain.broken.reason}"
                )
        left = sum(_show_left(parts, chain.mailbox_id) for chain in checked)
        altered = sum(_show_altered(parts, chain.mailbox_id) for chain in checked) if blobs else 0
    broken = sum(chain.broken is not None for chain in checked)
    events, redacted = sum(chain.events for chain in checked), sum(chain.redacted for chain in checked)
    typer.echo(f"{len(checked)} mailboxes, {events} events hold, {redacted} of them redacted, {broken} chains broken")
    if blobs:
        typer.echo(f"{altered} mails are not what the log tells of")
    if broken or left or altered:
        raise typer.Exit(1)


def _show_left(parts: Parts, mailbox_id: MailboxId) -> int:
    """Name what is left of a mailbox though its erasure is done; how many tables that are."""
    if is_being_erased(parts, mailbox_id):
        return 0
    with parts.connect() as connection:
        left = left_behind(connection, mailbox_id) if is_cleared(connection, mailbox_id) else []
    for line in left:
        typer.echo(f"{address_of(parts, mailbox_id)}: {line}")
    return len(left)


def _show_altered(parts: Parts, mailbox_id: MailboxId) -> int:
    """Name the mails of a mailbox that the store does not give as the log tells of them; how many those are."""
    address, altered = address_of(parts, mailbox_id), 0
    with parts.connect() as connection, progress(f"mails of {address}") as told:
        for row, why in unlike_the_log(Mailbag(connection, parts.reader, parts.blobs, mailbox_id, address), told):
            typer.echo(f"{address}: message {row.message_id}: {why}")
            altered += 1
    return altered


def _check_all(parts: Parts, address: str | None) -> list[CheckedChain]:
    checked = []
    with parts.connect() as connection, progress("verify") as told:
        chosen = mailboxes_with_chains(connection) if address is None else [mailbox_at(parts, address)]
        done = 0
        for mailbox_id in chosen:
            checked.append(
                check_chain(
                    connection,
                    parts.recorder,
                    parts.keys,
                    mailbox_id=mailbox_id,
                    progress=lambda seq, head, before=done: told(before + seq, before + head),  # type: ignore[misc]
                )
            )
            done += checked[-1].events
    return checked
