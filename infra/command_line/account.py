"""`ledgermail account`: an operator's acts on accounts. Passwords come from a prompt or standard input, never argv."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.quota import MAX_BYTES
from domain.refusals import DomainRefusal
from domain.times import rfc3339
from gateways.accounts import Account, AccountsUnavailableError
from infra.composition import Parts
from infra.operator_errors import OperatorError
from infra.restrictions import standing
from infra.settings import load

WIDE = 240
"""Columns where nobody's terminal says how many: a script must not find an address broken in two."""

application = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Address = Annotated[str, typer.Argument(help="Address of the account.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_SIZE = re.compile(r"(\d{1,18})\s*(|[kmgt])(?:i?b)?", re.IGNORECASE | re.ASCII)
_FACTORS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@application.command()
def create(
    address: Address,
    name: Annotated[str, typer.Option("--name", help="Display name.")] = "",
    password_stdin: PasswordStdin = False,
) -> None:
    """Open an account.

    Reserved names too, and while registration is closed.
    """
    password = _password(password_stdin)
    with opened_parts() as parts:
        account = parts.registration.create(address, password, display_name=name)
        typer.echo(f"{account.address} is open: account {account.account_id}, mailbox {account.mailbox_id}")


@application.command()
def passwd(address: Address, password_stdin: PasswordStdin = False) -> None:
    """Set a new password; every session of the account ends."""
    with opened_parts() as parts:
        account = parts.accounts.at(address)
        parts.passwords.set_by_operator(account.account_id, _password(password_stdin))
        typer.echo(f"{account.address} has a new password; its sessions have ended")


@application.command("list")
def list_all() -> None:
    """List all accounts, the oldest first."""
    table = table_of("address", "state", "account", "mailbox", "since")
    with opened_parts() as parts:
        page = parts.accounts.page()
        while page:
            erased = parts.accounts.erased(page)
            for account in page:
                state = "erased" if account.mailbox_id in erased else account.state
                since = rfc3339(account.created_at)
                add_row(table, account.address, state, account.account_id, account.mailbox_id, since)
            page = parts.accounts.page(page[-1])
    show_table(table)


@application.command()
def quota(
    address: Address,
    size: Annotated[str | None, typer.Argument(help="Bytes, or as in 500M or 15G. Without it: show the quota.")] = None,
) -> None:
    """Show or set how much a mailbox may hold."""
    with opened_parts() as parts:
        account = parts.accounts.at(address)
        if size is not None:
            parts.administration.set_quota(account, _bytes(size))
        used, limit = parts.accounts.usage(account)
        typer.echo(f"{account.address} holds {used} of {limit} bytes")


@application.command()
def suspend(address: Address) -> None:
    """Let neither owner nor mail in.

    Until the account is resumed; its sessions end.
    """
    with opened_parts() as parts:
        account = parts.accounts.at(address)
        parts.administration.suspend(account)
        typer.echo(f"{account.address} is suspended")


@application.command()
def resume(address: Address) -> None:
    """Open a suspended or closed account again."""
    with opened_parts() as parts:
        account = parts.accounts.at(address)
        parts.administration.resume(account)
        typer.echo(f"{account.address} is open")


@application.command()
def close(
    address: Address,
    erase: Annotated[
        bool, typer.Option("--erase", help="Destroy the mailbox's key and all its mail, for ever.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Close an account.

    Its mail stays, and `resume` opens it again, unless erased. Nobody else gets its address.

    Erasing destroys the mailbox's key at once; what else is stored of it (lists, search, files that nobody else holds)
    the running service removes: within minutes, files after LEDGERMAIL_BLOB_GRACE_HOURS.
    """
    with opened_parts() as parts:
        account = parts.accounts.at(address)
        if erase:
            _require_typed(account, yes=yes)
            parts.administration.erase(account, why="closed by the operator")
        else:
            parts.administration.close(account)
        typer.echo(f"{account.address} is {'erased' if erase else 'closed'}")


@application.command()
def sessions(
    address: Address,
    end: Annotated[bool, typer.Option("--end", help="Sign out everywhere.")] = False,
) -> None:
    """Show where an account is signed in."""
    table = table_of("session", "client", "from", "since", "last seen", "expires")
    with opened_parts() as parts:
        account = parts.accounts.at(address)
        if end:
            typer.echo(f"{parts.sessions.end_others(account.account_id, keep='')} sessions ended")
            return
        for one in parts.sessions.list_sessions(account.account_id):
            times = (rfc3339(one.created_at), rfc3339(one.last_seen_at), rfc3339(one.expires_at))
            add_row(table, one.session_id, one.client, one.network_address, *times)
    show_table(table)


@application.command()
def totp(
    address: Address,
    off: Annotated[bool, typer.Option("--off", help="Take it off, for an owner who lost device and codes.")] = False,
) -> None:
    """Show or take off an account's second factor.

    Once it is off, its password alone opens it again.
    """
    with opened_parts() as parts:
        account = parts.accounts.at(address)
        if off:
            parts.second_factors.remove_by_operator(account.account_id)
        has = "a" if parts.second_factors.is_on(account.account_id) else "no"
        typer.echo(f"{account.address} has {has} second factor")


@application.command()
def restrictions(address: Address) -> None:
    """Show what keeps an account from sending, and why."""
    table = table_of("restriction", "why", "since")
    with opened_parts() as parts:
        for one in standing(parts.reader, parts.accounts.at(address).mailbox_id):
            add_row(table, one.what, one.why, rfc3339(one.since))
    show_table(table)


@application.command()
def restrict(address: Address, why: Annotated[str, typer.Option("--why", help="Why, for the owner to read.")]) -> None:
    """Let nothing leave that an account sends, until `lift`."""
    with opened_parts() as parts:
        account = parts.accounts.at(address)
        parts.administration.block_sending(account, why=why)
        typer.echo(f"{account.address} sends nothing")


@application.command()
def lift(address: Address) -> None:
    """Let an account send freely again.

    What came back of its mail until now no longer counts.
    """
    with opened_parts() as parts:
        account = parts.accounts.at(address)
        parts.administration.allow_sending(account)
        typer.echo(f"{account.address} sends freely")


@contextmanager
def opened_parts() -> Iterator[Parts]:
    """The parts, the operator's own account among the others; refusals become one line for the operator."""
    try:
        with Parts(load(os.environ)) as parts:
            parts.ensure_operator()
            yield parts
    except (DomainRefusal, AccountsUnavailableError) as error:
        raise OperatorError(str(error)) from error


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _require_typed(account: Account, *, yes: bool) -> None:
    if yes:
        return
    typer.echo(f"The mail of {account.address} will be gone for ever: here, and from the log in every copy of it.")
    typer.echo("Backups made before now still hold its files and lists: delete them, too.")
    if typer.prompt("Type the address to go on") != account.address:
        raise OperatorError("nothing was erased")


def _bytes(size: str) -> int:
    match = _SIZE.fullmatch(size.strip())
    if match is None:
        raise OperatorError(f"{size[:40]!r} is no size: bytes, or as in 500M or 15G")
    found = int(match[1]) * _FACTORS[match[2].lower()]
    if found > MAX_BYTES:
        raise OperatorError(f"{size[:40]!r} is more than a mailbox can be allowed, {MAX_BYTES} bytes")
    return found


def table_of(*columns: str) -> Table:
    """A table with these heads."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def add_row(table: Table, *cells: str) -> None:
    """A row of plain text."""
    table.add_row(*(Text(cell) for cell in cells))


def show_table(table: Table) -> None:
    """Print it, wide where nobody's terminal says otherwise."""
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
