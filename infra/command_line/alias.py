"""`ledgermail alias`: further addresses of accounts, and whoever takes what is left of a domain."""

import os
from typing import Annotated

import typer

from gateways.accounts import Account, AccountUnknownError
from infra.accounts.aliases import AliasError, Aliases
from infra.composition import Parts
from infra.settings import load

alias = typer.Typer(help="Further addresses of accounts.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="ALIAS", help="An address, or @domain for all that nobody else has.")]


@alias.command()
def add(name: Name, address: Annotated[str, typer.Argument(help="Address of the account that gets the mail.")]) -> None:
    """Give an account one more address.

    Mail with +tags of it comes too.
    """
    with Parts(load(os.environ)) as parts:
        account = _account(parts, address)
        typer.echo(f"{_aliases(parts).add(name, account)} leads to {account.address}")


@alias.command()
def remove(name: Name) -> None:
    """Take an address away: mail for it is refused from now on."""
    with Parts(load(os.environ)) as parts:
        typer.echo(f"{_aliases(parts).remove(name)} leads to nobody")


@alias.command("list")
def list_all() -> None:
    """List all aliases by account."""
    with Parts(load(os.environ)) as parts:
        for one in _aliases(parts).all():
            typer.echo(f"{one.alias} -> {one.address}")


def _account(parts: Parts, address: str) -> Account:
    try:
        return parts.accounts.at(address)
    except AccountUnknownError as error:
        raise AliasError(str(error)) from error


def _aliases(parts: Parts) -> Aliases:
    return Aliases(parts.connect, domains=frozenset(parts.settings.domains))
