"""`ledgermail suppression`: the addresses that an account does not write to, as mail came back or is not wanted."""

from typing import Annotated

import typer

from domain.decisions import LiftSuppression
from domain.events import Who
from domain.ids import new_id
from domain.times import rfc3339
from infra.command_line.account import add_row, opened_parts, show_table, table_of
from infra.postgres_unsubscribes import PostgresUnsubscribes

suppression = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Account = Annotated[str, typer.Argument(help="Address of the account that sends.")]
_OPERATOR = Who(actor="operator", client="command line")


@suppression.command("list")
def list_all(account: Account) -> None:
    """List whom an account does not write to, and why."""
    table = table_of("address", "why", "since")
    with opened_parts() as parts:
        mailbox_id = parts.accounts.at(account).mailbox_id
        page = parts.suppressions.page(mailbox_id)
        while page:
            for one in page:
                add_row(table, one.address, _WHY.get(one.why, one.why), rfc3339(one.at))
            page = parts.suppressions.page(mailbox_id, page[-1].address)
    show_table(table)


@suppression.command()
def remove(account: Account, address: Annotated[str, typer.Argument(help="The address to write to again.")]) -> None:
    """Take an address off the list.

    What the account sends to it leaves again.
    """
    with opened_parts() as parts:
        sender = parts.accounts.at(account)
        parts.lane.run(
            LiftSuppression(mailbox_id=sender.mailbox_id, command_id=new_id("q"), who=_OPERATOR, address=address)
        )
        typer.echo(f"{sender.address} writes to {address} again")


@suppression.command()
def unsubscribed(account: Account) -> None:
    """List who wants no more bulk mail of an account."""
    table = table_of("address", "since")
    with opened_parts() as parts:
        mailbox_id, unsubscribes = parts.accounts.at(account).mailbox_id, PostgresUnsubscribes(parts.connect)
        page = unsubscribes.page(mailbox_id)
        while page:
            for one in page:
                add_row(table, one.address, rfc3339(one.at))
            page = unsubscribes.page(mailbox_id, page[-1].address)
    show_table(table)


_WHY = {"hard": "takes no mail", "complaint": "complained"}
