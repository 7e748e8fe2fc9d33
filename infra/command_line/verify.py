"""`ledgermail verify`: does what was written still stand as it was written?"""

from typing import Annotated

import typer

from infra.chain_check import CheckedChain, check_chain, mailboxes_with_chains
from infra.command_line.opened import address_of, mailbox_at, opened_parts
from infra.command_line.progress import progress
from infra.composition import Parts


def verify(
    address: Annotated[str | None, typer.Argument(help="Address of one mailbox. Without it: all of them.")] = None,
) -> None:
    """Check the chains of events: every hash, that no seq is missing, the heads, and that each event opens.

    Names the mailbox and the seq of the first break of each chain that is broken, and exits with 1 then. Events whose
    keys were destroyed are counted as redacted: their hashes are checked like all others. The service may run.
    """
    with opened_parts() as parts:
        checked = _check_all(parts, address)
        for chain in checked:
            if chain.broken is not None:
                typer.echo(
                    f"{address_of(parts, chain.mailbox_id)}: broken at {chain.broken.seq}: {chain.broken.reason}"
                )
    broken = sum(chain.broken is not None for chain in checked)
    events, redacted = sum(chain.events for chain in checked), sum(chain.redacted for chain in checked)
    typer.echo(f"{len(checked)} mailboxes, {events} events hold, {redacted} of them redacted, {broken} chains broken")
    if broken:
        raise typer.Exit(1)


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
